/** Guests as their configuration has them, and as Proxmox VE writes that to its files. */
import { toByteString } from '../byte-string.ts';
import type { LabMount } from '../files/mount.ts';
import type { Tree } from '../files/tree.ts';

export interface LabSnapshot {
  readonly name: string;
  readonly description?: string;
  /** Seconds since 1970. */
  readonly timeS: number;
  readonly parent?: string;
  /** What the configuration was; as it is now where nothing is said. */
  readonly config?: ReadonlyMap<string, string>;
  /** What the files of a container were. */
  readonly files?: Tree;
  /** Whether the memory of a virtual machine is part of it. */
  readonly vmstate?: boolean;
}

export interface LabGuestSpec {
  readonly vmid: number;
  readonly name: string;
  /** A container where nothing else is said. */
  readonly kind?: 'container' | 'vm';
  /** The node that has it; the first, which answers, where nothing else is said. */
  readonly node?: string;
  /** Stopped where nothing is said. */
  readonly status?: 'running' | 'stopped';
  readonly lock?: string;
  readonly template?: boolean;
  /** As in the configuration: `prod;web`. */
  readonly tags?: string;
  readonly description?: string;
  /** Further configuration keys, or other values for those that every guest has; undefined leaves one out. */
  readonly config?: Readonly<Record<string, string | undefined>>;
  readonly snapshots?: readonly LabSnapshot[];
  /** How long the guest takes to shut down. */
  readonly shutdownMs?: number;
  /** A container's small or read-only disks. */
  readonly mounts?: readonly LabMount[];
  /** Programs that a container lacks, such as `sha256sum`. */
  readonly without?: readonly string[];
}

export const defaultGuests: readonly LabGuestSpec[] = [
  {
    vmid: 100,
    name: 'web1',
    status: 'running',
    tags: 'prod;web',
    description: 'Web server, 100% für "alle" & \'jeden\'\nnicht ausführen: $(id); `id`',
  },
  { vmid: 101, name: 'db1', status: 'running', lock: 'backup' },
  { vmid: 102, name: 'old1' },
  { vmid: 300, name: 'vm1', kind: 'vm', status: 'running' },
];

/** The hardware address of a guest's network card. */
export function hardwareAddress(vmid: number): string {
  const digits = (0x110000 + vmid).toString(16).toUpperCase().padStart(6, '0');
  return `BC:24:11:${digits.match(/../g)?.join(':')}`;
}

function addressFor(vmid: number): string {
  return `10.99.${Math.floor(vmid / 250) % 250}.${(vmid % 250) + 1}`;
}

/** What the first network interface is configured to have. */
export function addressOf(config: ReadonlyMap<string, string>): string {
  return /\bip=([\d.]+)/.exec(config.get('net0') ?? '')?.[1] ?? '127.0.0.1';
}

/** Keys and values in text, not byte strings. */
export function configOf(spec: LabGuestSpec): Map<string, string> {
  const { vmid, name } = spec;
  const basis: Record<string, string | undefined> =
    spec.kind === 'vm'
      ? {
          agent: '1',
          boot: 'order=scsi0',
          cores: '1',
          memory: '128',
          name,
          ostype: 'l26',
          scsihw: 'virtio-scsi-pci',
        }
      : {
          ...{ arch: 'amd64', cores: '1', hostname: name, memory: '512', ostype: 'debian', swap: '512' },
          net0: `name=eth0,bridge=vmbr0,gw=10.99.0.254,hwaddr=${hardwareAddress(vmid)},ip=${addressFor(vmid)}/16,type=veth`,
          rootfs: `local-lvm:vm-${vmid}-disk-0,size=8G`,
          unprivileged: '1',
        };
  const given = { lock: spec.lock, tags: spec.tags, template: spec.template === true ? '1' : undefined };
  const all = Object.entries({ ...basis, ...given, ...spec.config });
  return new Map(all.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** As PVE::Tools::encode_text does: control characters, bytes beyond ASCII, `%` and `:`. */
export function encodeText(text: string): string {
  return toByteString(text).replaceAll(
    /[^\x20-\x24\x26-\x39\x3b-\x7e]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function descriptionLines(description: string): string {
  return description
    .split('\n')
    .map((line) => `#${encodeText(line)}\n`)
    .join('');
}

function keyLines(config: ReadonlyMap<string, string>): string {
  return [...config]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${toByteString(value)}\n`)
    .join('');
}

export interface Configured {
  readonly config: ReadonlyMap<string, string>;
  readonly description: string | undefined;
  readonly snapshots: readonly LabSnapshot[];
  readonly parent: string | undefined;
}

/** The file under /etc/pve/nodes, as a byte string. */
export function confFile({ config, description, snapshots, parent }: Configured): string {
  const top = parent === undefined ? config : new Map([...config, ['parent', parent]]);
  const sections = snapshots.map(
    ({ name, description: said, timeS, parent: before, config: then = config }) =>
      `\n[${name}]\n${said === undefined ? '' : descriptionLines(said)}` +
      keyLines(
        new Map([
          ...then,
          ['snaptime', String(timeS)],
          ...(before === undefined ? [] : [['parent', before] as const]),
        ]),
      ),
  );
  return `${description === undefined ? '' : descriptionLines(description)}${keyLines(top)}${sections.join('')}`;
}

/** What `pct config` prints of it, as a byte string. */
export function configLines({ config, description }: Pick<Configured, 'config' | 'description'>): string {
  const lines = new Map([...config].map(([key, value]) => [key, toByteString(value)]));
  // The file's lines end with a newline each, so what is read back has one more than what was set.
  if (description !== undefined) lines.set('description', encodeText(`${description}\n`));
  return [...lines]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
}
