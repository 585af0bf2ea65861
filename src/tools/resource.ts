/** Nodes, guests and storages as results show them: units in the names, and in words. */
import { bytesText, durationText, percentText } from '../base/quantities.ts';
import { clean } from '../base/text.ts';
import { present } from '../ops/answers.ts';
import type { Resource } from '../ops/cluster.ts';

export interface ResourceRow {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly name?: string;
  readonly vmid?: number;
  readonly node?: string;
  readonly pool?: string;
  readonly tags?: readonly string[];
  readonly lock?: string;
  readonly template?: true;
  readonly shared?: true;
  readonly content?: readonly string[];
  readonly cpu_percent?: number;
  readonly cpus?: number;
  readonly memory_bytes?: number;
  readonly memory_max_bytes?: number;
  readonly disk_bytes?: number;
  readonly disk_max_bytes?: number;
  readonly uptime_seconds?: number;
}

/** What is unknown is left out. */
export function resourceRow(resource: Resource): ResourceRow {
  const { id, kind, status, name, vmid, node, pool, tags, lock, template, shared, content } = resource;
  return present({
    ...{ id, type: kind, status, name, vmid, node, pool, lock },
    tags: tags.length > 0 ? tags : undefined,
    template: template ? (true as const) : undefined,
    shared: shared ? (true as const) : undefined,
    content: content.length > 0 ? content : undefined,
    ...figures(resource),
  });
}

export function figures(resource: Resource) {
  const { kind, cpuShare, cpus, memoryBytes, maxMemoryBytes, diskBytes, maxDiskBytes, uptimeS } = resource;
  return present({
    cpu_percent: cpuShare === undefined ? undefined : percentOf(cpuShare),
    cpus,
    memory_bytes: memoryBytes,
    memory_max_bytes: maxMemoryBytes,
    // What lies on the disks of virtual machines Proxmox VE does not know, and says 0.
    disk_bytes: kind === 'vm' ? undefined : diskBytes,
    disk_max_bytes: maxDiskBytes,
    uptime_seconds: uptimeS,
  });
}

/** From a share of one, to a tenth: Proxmox VE's figures are worth no more. */
export function percentOf(share: number): number {
  return Math.round(share * 1000) / 10;
}

type Figures = ReturnType<typeof figures>;

/** «CPU 12.3 % of 2 cores, memory 1 GiB of 4 GiB, …», as far as it is known. */
export function loadText(row: Figures): string[] {
  const { cpu_percent, cpus, uptime_seconds } = row;
  const cpu = cpu_percent === undefined ? undefined : `CPU ${percentText(cpu_percent)}`;
  return [
    cpu !== undefined && cpus !== undefined ? `${cpu} of ${coresText(cpus)}` : cpu,
    useText('memory', row.memory_bytes, row.memory_max_bytes),
    useText('disk', row.disk_bytes, row.disk_max_bytes),
    uptime_seconds === undefined || uptime_seconds === 0 ? undefined : `up ${durationText(uptime_seconds)}`,
  ].filter((part) => part !== undefined);
}

export function coresText(cpus: number): string {
  return `${cpus} ${cpus === 1 ? 'core' : 'cores'}`;
}

/** Undefined where the size is unknown, or 0: then there is none. */
export function useText(what: string, used: number | undefined, total: number | undefined) {
  if (total === undefined || total === 0) return undefined;
  const ofAll = used === undefined ? bytesText(total) : `${bytesText(used)} of ${bytesText(total)}`;
  return `${what} ${ofAll}`;
}

/** One line, names first. What stands still has no load. */
export function resourceLine(row: ResourceRow): string {
  const { name, vmid, node, status } = row;
  const type = clean(row.type, 40);
  const who = [vmid === undefined ? type : `${type} ${vmid}`, clean(name ?? row.id, 100)].join(' ');
  const where = node === undefined || type === 'node' ? '' : ` on ${clean(node, 100)}`;
  const stands = status === 'stopped' || status === 'unknown' || status === 'offline';
  const facts = [...(stands ? [] : loadText(row)), ...marks(row)];
  return `${who}: ${clean(status, 40)}${where}${facts.length > 0 ? `; ${facts.join(', ')}` : ''}`;
}

function marks({ template, shared, lock, pool, tags }: ResourceRow): string[] {
  return [
    template === true ? 'template' : undefined,
    shared === true ? 'shared' : undefined,
    lock === undefined ? undefined : `locked (${clean(lock, 40)})`,
    pool === undefined ? undefined : `pool ${clean(pool, 100)}`,
    tags === undefined ? undefined : `tags ${clean(tags.join(' '), 200)}`,
  ].filter((mark) => mark !== undefined);
}
