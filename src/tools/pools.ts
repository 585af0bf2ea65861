/** Pools of guests and storages. */
import { z } from 'zod';
import { clean } from '../base/text.ts';
import { present } from '../ops/answers.ts';
import type { Pool, PoolMembers } from '../ops/pools.ts';
import { defineTool } from './define.ts';
import { Limit, Offset, pageOf, restOf } from './page.ts';
import { Description, PoolName } from './params.ts';
import { Rows } from './rows.ts';

interface MemberRow {
  readonly vmid: number;
  readonly type: string;
  readonly status: string;
  readonly name?: string;
  readonly node?: string;
}

interface PoolRow {
  readonly pool: string;
  readonly comment?: string;
  readonly guests?: readonly MemberRow[];
  readonly storages?: readonly string[];
}

const PoolResult = z.object({ success: z.literal(true), message: z.string(), pool: z.string() });

const family = { toolset: 'pools', target: 'cluster', needs: 'api' } as const;

export const poolTools = [
  defineTool({
    ...family,
    name: 'proxmox_list_pools',
    title: 'List pools',
    about: 'Lists the pools, or the storages and guests in one of them.',
    effect: 'read',
    input: z.strictObject({
      pool: PoolName.optional().meta({ description: 'Shows what is in this one' }),
      limit: Limit,
      offset: Offset,
    }),
    output: z.object({ pools: Rows<PoolRow>(), total: z.number() }),
    async run({ pool, ...part }, { ops, signal, mayReach }) {
      if (pool === undefined) {
        const pools = await ops.pools.list(signal);
        return { pools: pageOf(pools, part).map(named), total: pools.length };
      }
      const found = await ops.pools.members(pool, signal);
      const guests = found.guests.filter(({ vmid }) => mayReach(vmid));
      const shown = { ...found, guests: pageOf(guests, part) };
      return { pools: [{ ...named(found), ...contents(shown) }], total: guests.length };
    },
    show({ pools, total }, { pool, offset }) {
      if (pool === undefined && total === 0) return 'There are no pools that the gateway can see.';
      const shown = pool === undefined ? pools.length : (pools[0]?.guests ?? []).length;
      return [...pools.flatMap(lines), ...restOf(shown, { total, offset })].join('\n');
    },
  }),
  defineTool({
    ...family,
    name: 'proxmox_create_pool',
    title: 'Create pool',
    about: 'Creates an empty pool; a name a/b makes it one below the pool a.',
    effect: 'change',
    input: z.strictObject({ pool: PoolName, comment: Description.default('') }),
    output: PoolResult,
    async run({ pool, comment }, { ops, signal }) {
      await ops.pools.create({ name: pool, comment }, signal);
      return { success: true as const, message: `The pool ${pool} was created.`, pool };
    },
    show: ({ message }) => message,
  }),
  defineTool({
    ...family,
    name: 'proxmox_delete_pool',
    title: 'Delete pool',
    about: 'Deletes an empty pool. Pools with guests or storages in them are not deleted.',
    effect: 'destroy',
    input: z.strictObject({ pool: PoolName }),
    output: PoolResult,
    async run({ pool }, { ops, signal }) {
      await ops.pools.delete(pool, signal);
      return { success: true as const, message: `The pool ${pool} was deleted.`, pool };
    },
    show: ({ message }) => message,
  }),
];

function named({ name, comment }: Pool): PoolRow {
  return { pool: name, ...(comment !== '' && { comment }) };
}

function contents({ guests, storages }: PoolMembers) {
  return {
    storages,
    guests: guests.map(({ vmid, kind, name, node, status }) =>
      present({ vmid, type: kind, status, name, node }),
    ),
  };
}

function lines({ pool, comment, guests, storages }: PoolRow): string[] {
  const head = comment === undefined ? clean(pool) : `${clean(pool)}: ${clean(comment, 200)}`;
  if (guests === undefined || storages === undefined) return [head];
  if (guests.length + storages.length === 0) return [head, 'It is empty.'];
  return [
    head,
    ...guests.map(
      ({ vmid, type, status, name = '(no name)', node = 'no node' }) =>
        `${type} ${vmid} ${clean(name, 100)}: ${clean(status, 40)} on ${clean(node, 100)}`,
    ),
    ...storages.map((storage) => `storage ${clean(storage, 100)}`),
  ];
}
