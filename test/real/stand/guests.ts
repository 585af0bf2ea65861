/** The guests of the pretend cluster, and the files of /etc/pve that tell of them. */

export interface Container {
  readonly kind: 'container';
  readonly vmid: number;
  readonly name: string;
  /** The node that owns it, pve1 unless told otherwise. */
  readonly node?: string;
  readonly running?: boolean;
  readonly lock?: string;
  readonly template?: boolean;
  readonly tags?: string;
  readonly description?: string;
  /** Bound of its file system as tmpfs writes it, `256m` unless told otherwise. */
  readonly rootfsSize?: string;
  /** Further lines of the configuration, or others in place of the usual ones. */
  readonly conf?: Readonly<Record<string, string | number>>;
}

export interface Vm {
  readonly kind: 'vm';
  readonly vmid: number;
  readonly name: string;
  readonly node?: string;
  readonly running?: boolean;
}

export type Guest = Container | Vm;

export const hereNode = 'pve1';

export const standardGuests: readonly Guest[] = [
  {
    kind: 'container',
    vmid: 100,
    name: 'web1',
    running: true,
    tags: 'prod;web',
    description: 'hello\nline2 100%',
  },
  { kind: 'container', vmid: 101, name: 'db1', tags: 'prod;web' },
  { kind: 'container', vmid: 102, name: 'lck1', running: true, lock: 'backup' },
  { kind: 'container', vmid: 113, name: 'tmpl1', template: true },
  { kind: 'container', vmid: 200, name: 'far1', node: 'pve2' },
  { kind: 'vm', vmid: 300, name: 'vm1', running: true },
];

export function nodeOf(guest: Guest): string {
  return guest.node ?? hereNode;
}

export function confPath(guest: Guest): string {
  const directory = guest.kind === 'container' ? 'lxc' : 'qemu-server';
  return `/etc/pve/nodes/${nodeOf(guest)}/${directory}/${guest.vmid}.conf`;
}

export function confOf(guest: Guest): string {
  return guest.kind === 'container' ? containerConf(guest) : vmConf(guest);
}

function containerConf(guest: Container): string {
  const { vmid, name, lock, template, tags, description, conf = {} } = guest;
  const values: Record<string, string | number | undefined> = {
    arch: 'amd64',
    cores: 1,
    hostname: name,
    lock,
    memory: 300,
    ostype: 'debian',
    rootfs: `local:${vmid}/subvol-${vmid}-disk-0.subvol,size=0T`,
    swap: 0,
    tags,
    template: template === true ? 1 : undefined,
    unprivileged: 1,
    ...conf,
  };
  const comment = (description ?? '').split('\n').filter((line) => line !== '');
  return [...comment.map((line) => `#${encodeComment(line)}`), ...conflines(values)].join('\n').concat('\n');
}

function vmConf({ name }: Vm): string {
  return `${conflines({ memory: 128, name, ostype: 'l26' }).join('\n')}\n`;
}

function conflines(values: Record<string, string | number | undefined>): string[] {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value}`);
}

/** As PVE writes descriptions: control characters, `%`, `:` and everything beyond ASCII as %XX. */
function encodeComment(line: string): string {
  const escaped = [...Buffer.from(line)].map((byte) => {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x25 && byte !== 0x3a;
    return plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  });
  return escaped.join('');
}

/** In the layout of the cluster's own file system, which is JSON with line ends of its own. */
export function vmlist(guests: readonly Guest[]): string {
  const entries = guests.map((guest, index) => {
    const type = guest.kind === 'container' ? 'lxc' : 'qemu';
    return `"${guest.vmid}": { "node": "${nodeOf(guest)}", "type": "${type}", "version": ${index + 1} }`;
  });
  const ids = entries.length === 0 ? '' : `,\n"ids": {\n${entries.join(',\n')}}\n`;
  return `{\n"version": ${guests.length + 1}${ids}\n}\n`;
}

/** Without `addresses` of all nodes it stands alone. */
export function members(here = hereNode, addresses?: Readonly<Record<string, string>>): string {
  if (addresses === undefined) return `{\n"nodename": "${here}",\n"version": 0\n}\n`;
  const nodes = Object.entries(addresses);
  const list = nodes.map(
    ([name, ip], index) => `  "${name}": { "id": ${index + 1}, "online": 1, "ip": "${ip}"}`,
  );
  return [
    '{',
    `"nodename": "${here}",`,
    '"version": 4,',
    `"cluster": { "name": "stand", "version": ${nodes.length}, "nodes": ${nodes.length}, "quorate": 1 },`,
    '"nodelist": {',
    list.join(',\n'),
    '  }',
    '}\n',
  ].join('\n');
}
