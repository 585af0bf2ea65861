/** What a guest agent tells of its machine: system, name, addresses, file systems. */
import { z } from 'zod';
import { GatewayError } from '../../base/errors.ts';
import { bound } from '../../base/text.ts';
import { Num, Text } from '../answers.ts';
import type { ApiRoom } from '../api-room.ts';
import { ListOf } from '../list-of.ts';
import { askAgent } from './call.ts';

export interface GuestFacts {
  readonly node: string;
  readonly system?: { readonly name: string; readonly kernel: string | undefined };
  readonly hostName?: string;
  readonly interfaces?: readonly NetworkInterface[];
  readonly fileSystems?: readonly FileSystem[];
  /** Parts that the agent did not tell, and ends of lists that are too long. */
  readonly missing: readonly string[];
}

export interface NetworkInterface {
  readonly name: string;
  readonly mac: string | undefined;
  /** With their prefix: 10.0.0.2/24. */
  readonly addresses: readonly string[];
}

export interface FileSystem {
  readonly mountPoint: string;
  readonly device: string | undefined;
  readonly type: string | undefined;
  /** Undefined where the guest does not tell, as of media without a size. */
  readonly usedBytes: number | undefined;
  readonly totalBytes: number | undefined;
}

type Part = 'system' | 'host name' | 'network' | 'file systems';

/** SECURITY: a guest says what it likes, and as much of it as fits into an answer. */
const maxBytes = 1024 * 1024;
const maxChars = 255;
const maxPathChars = 512;
const maxEntries = 100;
const maxAddresses = 20;

const Word = Text.transform((text) => (text === undefined ? undefined : bound(text, maxChars).text));

const Result = <T extends z.ZodType>(of: T) => z.object({ result: of });
const System = Result(z.object({ 'pretty-name': Word, name: Word, 'kernel-release': Word }));
const HostName = Result(z.object({ 'host-name': Word }));
const Address = z.object({ 'ip-address': z.string().max(maxChars), prefix: Num });
const Network = Result(
  ListOf(
    z.object({
      name: z.string().max(maxChars),
      'hardware-address': Word,
      'ip-addresses': ListOf(Address).nullish().catch(undefined),
    }),
  ),
);
const FileSystems = Result(
  ListOf(
    z.object({
      mountpoint: z.string().max(maxPathChars),
      ...{ name: Word, type: Word, 'used-bytes': Num, 'total-bytes': Num },
    }),
  ),
);

/** Reads all that there is; throws what keeps the agent from telling anything at all. */
export function createAgentInfo({ pve, inventory }: Pick<ApiRoom, 'pve' | 'inventory'>) {
  return (vmid: number, signal: AbortSignal): Promise<GuestFacts> =>
    inventory.onOwner(vmid, signal, async (guest) => {
      const errors: unknown[] = [];
      const missing: string[] = [];
      const ask = async <T>(part: Part, verb: string, answer: z.ZodType<T>): Promise<T | undefined> => {
        const action = `tell the ${part} of virtual machine ${vmid}`;
        try {
          return await askAgent(pve, guest, { method: 'GET', verb, action, signal, maxBytes }, answer);
        } catch (error) {
          if (!isPartial(error) || signal.aborted) throw error;
          errors.push(error);
          missing.push(part);
          return undefined;
        }
      };
      // One after another: an agent has one ear.
      const system = await ask('system', 'get-osinfo', System);
      const hostName = (await ask('host name', 'get-host-name', HostName))?.result['host-name'];
      const network = await ask('network', 'network-get-interfaces', Network);
      const disks = await ask('file systems', 'get-fsinfo', FileSystems);
      if (missing.length === 4) throw errors[0];
      const first = <T>(part: Part, rows: readonly T[]): readonly T[] => {
        if (rows.length > maxEntries) missing.push(`${part} after the first ${maxEntries}`);
        return rows.slice(0, maxEntries);
      };
      return {
        node: guest.node,
        ...(system && { system: systemOf(system.result) }),
        ...(hostName !== undefined && { hostName }),
        ...(network && { interfaces: first('network', network.result).map(interfaceOf) }),
        ...(disks && { fileSystems: first('file systems', disks.result).map(fileSystemOf) }),
        missing,
      };
    });
}

const partial: ReadonlySet<string> = new Set(['API_REFUSED', 'API_ANSWER_TOO_LARGE', 'UNEXPECTED_ANSWER']);

/** An agent that does not know one question may well answer the next. */
function isPartial(error: unknown): boolean {
  return error instanceof GatewayError && partial.has(error.code);
}

function systemOf(of: z.output<typeof System>['result']) {
  return { name: of['pretty-name'] ?? of.name ?? 'unknown', kernel: of['kernel-release'] };
}

function interfaceOf(of: z.output<typeof Network>['result'][number]): NetworkInterface {
  const addresses = (of['ip-addresses'] ?? [])
    .slice(0, maxAddresses)
    .map(({ 'ip-address': address, prefix }) => (prefix === undefined ? address : `${address}/${prefix}`));
  return { name: of.name, mac: of['hardware-address'], addresses };
}

function fileSystemOf(of: z.output<typeof FileSystems>['result'][number]): FileSystem {
  const { mountpoint, name, type } = of;
  return {
    ...{ mountPoint: mountpoint, device: name, type },
    ...{ usedBytes: of['used-bytes'], totalBytes: of['total-bytes'] },
  };
}
