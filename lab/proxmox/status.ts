/** What pct and qm tell about a guest's state. */
import { toByteString } from '../byte-string.ts';
import { figuresOf } from './figures.ts';
import type { LabGuest } from './guest.ts';

export function statusLines(guest: LabGuest, verbose: boolean): string {
  const { config, pid, vmid } = guest;
  const status = pid === undefined ? 'stopped' : 'running';
  if (!verbose) return `status: ${status}\n`;
  const figures = figuresOf(guest);
  const values: Record<string, string | number | undefined> = {
    cpus: figures.cpus,
    disk: figures.disk,
    diskread: figures.diskread,
    diskwrite: figures.diskwrite,
    lock: config.get('lock'),
    maxdisk: figures.maxdisk,
    maxmem: figures.maxmem,
    maxswap: figures.maxswap,
    mem: figures.mem,
    name: config.get('hostname') ?? config.get('name'),
    netin: figures.netin,
    netout: figures.netout,
    pid,
    status,
    swap: 0,
    tags: config.get('tags'),
    type: guest.kind === 'container' ? 'lxc' : undefined,
    uptime: figures.uptime,
    vmid,
  };
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${toByteString(String(value))}\n`)
    .join('');
}

/** The tree of `pct listsnapshot`: each one step further in, its columns moving along. */
export function listSnapshots({ snapshots }: LabGuest): string {
  const width = 28;
  const lines = snapshots.map(({ name, description, timeS }, depth) => {
    const when = new Date(timeS * 1000).toISOString().slice(0, 19).replace('T', ' ');
    const text = toByteString(description ?? 'no-description');
    return `${' '.repeat(depth)}\`-> ${name.padEnd(width - depth)}${when}     ${text}\n`;
  });
  const depth = snapshots.length;
  return `${lines.join('')}${' '.repeat(depth)}\`-> ${'current'.padEnd(52 - depth)}You are here!\n`;
}
