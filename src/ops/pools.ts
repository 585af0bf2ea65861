/** Pools, by which guests and storages are grouped. */
import { z } from 'zod';
import { failure, GatewayError } from '../base/errors.ts';
import { apiPath } from '../pve/api-path.ts';
import { Anything, Num, Text } from './answers.ts';
import type { ApiRoom } from './api-room.ts';
import { ListOf } from './list-of.ts';

export interface Pool {
  readonly name: string;
  readonly comment: string;
}

export interface PoolMembers {
  readonly guests: readonly {
    readonly vmid: number;
    readonly kind: 'container' | 'vm';
    readonly name: string | undefined;
    readonly node: string | undefined;
    readonly status: string;
  }[];
  /** Each once, on however many nodes it is. */
  readonly storages: readonly string[];
}

export interface Pools {
  /** Those that the token may see, by name. */
  list(signal: AbortSignal): Promise<readonly Pool[]>;
  /** Throws API_REFUSED for a pool that does not exist. */
  members(name: string, signal: AbortSignal): Promise<Pool & PoolMembers>;
  create(pool: Pool, signal: AbortSignal): Promise<void>;
  /** Proxmox VE deletes empty ones only, and throws API_REFUSED for the others. */
  delete(name: string, signal: AbortSignal): Promise<void>;
}

const PoolEntry = z.object({ poolid: z.string(), comment: Text });
const Member = z.object({ type: z.string(), vmid: Num, name: Text, node: Text, status: Text, storage: Text });
const Listed = ListOf(PoolEntry);
const Detailed = z.tuple([PoolEntry.extend({ members: ListOf(Member).catch([]) })]);

const path = apiPath`/pools`;

export function createPools({ pve }: ApiRoom): Pools {
  return {
    async list(signal) {
      const pools = await pve.request({ method: 'GET', path, signal, action: 'list the pools' }, Listed);
      return pools.map(described).sort((one, other) => (one.name < other.name ? -1 : 1));
    },
    async members(name, signal) {
      const [pool] = await pve.request(
        { method: 'GET', path, params: { poolid: name }, signal, action: `show the pool ${name}` },
        Detailed,
      );
      const storages = pool.members.flatMap(({ storage }) => storage ?? []);
      return {
        ...described(pool),
        guests: guestsAmong(pool.members),
        storages: [...new Set(storages)].sort(),
      };
    },
    async create({ name, comment }, signal) {
      const params = { poolid: name, comment: comment === '' ? undefined : comment };
      await pve.request(
        { method: 'POST', path, params, signal, action: `create the pool ${name}` },
        Anything,
      );
    },
    async delete(name, signal) {
      const params = { poolid: name };
      const action = `delete the pool ${name}`;
      try {
        await pve.request({ method: 'DELETE', path, params, signal, action }, Anything);
      } catch (error) {
        // SECURITY: it names a member, which may be out of the caller's reach.
        if (error instanceof GatewayError && /is not empty/.test(error.evidence.stderr ?? ''))
          throw failure('API_REFUSED', { action: `${action}, for it is not empty` }, { cause: error });
        throw error;
      }
    },
  };
}

function described({ poolid, comment = '' }: z.output<typeof PoolEntry>): Pool {
  return { name: poolid, comment };
}

function guestsAmong(members: readonly z.output<typeof Member>[]): PoolMembers['guests'] {
  return members
    .flatMap(({ type, vmid, name, node, status = 'unknown' }) => {
      if (vmid === undefined) return [];
      return [{ vmid, kind: type === 'qemu' ? ('vm' as const) : ('container' as const), name, node, status }];
    })
    .sort((one, other) => one.vmid - other.vmid);
}
