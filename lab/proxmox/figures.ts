/** How much a guest or a node uses: made up, plausible, and the same at each start. */
import type { LabGuest } from './guest.ts';
import type { LabNode } from './node.ts';

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  K: 1024,
  M: mebibyte,
  G: gibibyte,
  T: 1024 ** 4,
};

/** Reads `8G` as bytes; 0 for what is no size. */
export function bytesOf(size: string): number {
  const [, number = '0', unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(size) ?? [];
  return Math.floor(Number(number) * (unitBytes[unit] ?? 1));
}

/** From 0 below 1, by the golden ratio: neighbours lie far apart. */
function share(number: number): number {
  return (number * 0.618_033_988_749_895) % 1;
}

/** All in bytes, but for `cpu` (of all the guest's cores), `cpus` and `uptime` (seconds). */
export interface Figures {
  readonly cpu: number;
  readonly cpus: number;
  readonly mem: number;
  readonly maxmem: number;
  readonly disk: number;
  readonly maxdisk: number;
  readonly maxswap: number;
  readonly netin: number;
  readonly netout: number;
  readonly diskread: number;
  readonly diskwrite: number;
  readonly uptime: number;
}

/** The disk that a guest starts from. */
function bootDisk({ kind, config }: LabGuest): string {
  const key =
    kind === 'container' ? 'rootfs' : (/order=(\w+)/.exec(config.get('boot') ?? '')?.[1] ?? 'scsi0');
  return config.get(key) ?? '';
}

export function figuresOf(guest: LabGuest): Figures {
  const { kind, vmid, config, pid, bootedMs } = guest;
  const runs = pid !== undefined;
  const uptime = runs ? Math.floor((Date.now() - (bootedMs ?? Date.now())) / 1000) : 0;
  const maxmem = Number(config.get('memory')?.replace('current=', '') ?? 512) * mebibyte;
  const maxdisk = bytesOf(/\bsize=([\d.]+[KMGT]?)/.exec(bootDisk(guest))?.[1] ?? '');
  const part = share(vmid);
  const used = { mem: 0.2 + part / 2, disk: kind === 'container' ? 0.08 + part / 4 : 0 };
  return {
    cpu: runs ? Number((part * 0.2).toFixed(4)) : 0,
    cpus: Number(config.get('cores') ?? 1) * Number(config.get('sockets') ?? 1),
    mem: runs ? Math.floor(maxmem * used.mem) : 0,
    disk: runs ? Math.floor(maxdisk * used.disk) : 0,
    ...{ maxmem, maxdisk, maxswap: Number(config.get('swap') ?? 0) * mebibyte, uptime },
    netin: runs ? 5600 + uptime * (vmid + 300) : 0,
    netout: runs ? 1006 + uptime * (vmid + 100) : 0,
    diskread: runs ? 1_048_576 + uptime * 512 : 0,
    diskwrite: runs ? 262_144 + uptime * 2048 : 0,
  };
}

export interface NodeFigures {
  readonly cpu: number;
  readonly cpus: number;
  readonly mem: number;
  readonly maxmem: number;
  readonly disk: number;
  readonly maxdisk: number;
  /** Seconds. */
  readonly uptime: number;
}

const nodeCpus = 8;
const nodeOwnBytes = 1.5 * gibibyte;
/** A node has been up for some days when the lab starts. */
const earlierS = 6 * 86_400;

/** What its guests use, and a little for itself. */
export function nodeFiguresOf({ name, guests, machine }: LabNode): NodeFigures {
  const own = [...guests.values()].filter(({ node }) => node === name).map(figuresOf);
  const sum = (pick: (figures: Figures) => number) => own.reduce((total, each) => total + pick(each), 0);
  return {
    cpu: Number((0.02 + sum(({ cpu, cpus }) => cpu * cpus) / nodeCpus).toFixed(4)),
    cpus: nodeCpus,
    mem: Math.min(machine.memoryMiB * mebibyte, nodeOwnBytes + sum(({ mem }) => mem)),
    maxmem: machine.memoryMiB * mebibyte,
    disk: 9.5 * gibibyte,
    maxdisk: 96 * gibibyte,
    uptime: earlierS + Math.floor((Date.now() - machine.bootedMs()) / 1000),
  };
}
