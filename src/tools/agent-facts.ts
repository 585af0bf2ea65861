/** What a guest tells of itself, as data and in words: untrusted, like all that comes from guests. */
import { bytesText } from '../base/quantities.ts';
import { clean } from '../base/text.ts';
import type { FileSystem, GuestFacts } from '../ops/agent/info.ts';
import { present } from '../ops/answers.ts';

export interface GuestFactsRow {
  readonly vmid: number;
  readonly node: string;
  readonly system?: string;
  readonly kernel?: string;
  readonly host_name?: string;
  readonly interfaces?: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly addresses: readonly string[];
  }[];
  readonly file_systems?: readonly FileSystemRow[];
  /** Parts that the agent did not tell, or told too much of. */
  readonly missing?: readonly string[];
}

interface FileSystemRow {
  readonly mount_point: string;
  readonly device?: string;
  readonly type?: string;
  readonly used_bytes?: number;
  readonly total_bytes?: number;
}

export function guestFacts(vmid: number, facts: GuestFacts): GuestFactsRow {
  const { node, system, hostName, interfaces, fileSystems, missing } = facts;
  return present({
    ...{ vmid, node, system: system?.name, kernel: system?.kernel, host_name: hostName },
    interfaces: interfaces?.map((each) => present({ ...each })),
    file_systems: fileSystems?.map(fileSystemRow),
    missing: missing.length > 0 ? missing : undefined,
  });
}

function fileSystemRow({ mountPoint, device, type, usedBytes, totalBytes }: FileSystem): FileSystemRow {
  return present({
    ...{ mount_point: mountPoint, device, type },
    ...{ used_bytes: usedBytes, total_bytes: totalBytes },
  });
}

export function guestFactsText(facts: GuestFactsRow): string {
  const { vmid, node, system, kernel, host_name, interfaces = [], file_systems = [], missing } = facts;
  const name = host_name === undefined ? `VM ${vmid}` : `${clean(host_name, 100)} (VM ${vmid})`;
  return [
    `${name} on ${node}${system === undefined ? '' : `: ${clean(system, 200)}`}`,
    ...(kernel === undefined ? [] : [`Kernel: ${clean(kernel, 100)}`]),
    ...interfaces.map(({ name: of, mac, addresses }) => {
      const where = addresses.length === 0 ? 'no address' : clean(addresses.join(', '), 300);
      return `Network ${clean(of, 60)}: ${where}${mac === undefined ? '' : ` (${clean(mac, 40)})`}`;
    }),
    ...file_systems.map(fileSystemLine),
    ...(missing === undefined ? [] : [`Missing: ${missing.join(', ')}.`]),
  ].join('\n');
}

function fileSystemLine({ mount_point, device, type, used_bytes, total_bytes }: FileSystemRow): string {
  const what = [device, type].filter((part) => part !== undefined).join(', ');
  const used = used_bytes === undefined ? '' : `${bytesText(used_bytes)} of `;
  const size = total_bytes === undefined ? 'size not told' : `${used}${bytesText(total_bytes)}`;
  return `File system ${clean(mount_point, 200)}: ${size}${what === '' ? '' : ` (${clean(what, 120)})`}`;
}
