/** What pct and qm tell about a guest's state. */
import { toByteString } from '../byte-string.ts';
import type { LabGuest } from './node.ts';

const mebibyte = 1024 * 1024;

export function statusLines(guest: LabGuest, verbose: boolean): string {
  const { config, pid, vmid } = guest;
  const status = pid === undefined ? 'stopped' : 'running';
  if (!verbose) return `status: ${status}\n`;
  const running = pid !== undefined;
  const values: Record<string, string | number | undefined> = {
    cpus: config.get('cores') ?? 1,
    disk: running ? 671_088_640 : 0,
    diskread: 0,
    diskwrite: 0,
    lock: config.get('lock'),
    maxdisk: 8 * 1024 * mebibyte,
    maxmem: Number(config.get('memory') ?? 512) * mebibyte,
    maxswap: Number(config.get('swap') ?? 0) * mebibyte,
    mem: running ? 41_943_040 : 0,
    name: config.get('hostname') ?? config.get('name'),
    netin: running ? 5600 : 0,
    netout: running ? 1006 : 0,
    pid,
    status,
    swap: 0,
    tags: config.get('tags'),
    type: guest.kind === 'container' ? 'lxc' : undefined,
    uptime: running ? Math.floor((Date.now() - (guest.bootedMs ?? 0)) / 1000) : 0,
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
