/** What the cluster is made of and how it stands: nodes, guests, storages. */

import { z } from 'zod';
import { wordsIn } from '../base/text.ts';
import { apiPath } from '../pve/api-path.ts';
import { Flag, Num, Text } from './answers.ts';
import type { ApiRoom } from './api-room.ts';
import { type ListedResource, readResources } from './resources.ts';

/** Something that the cluster has: a node, a guest, a storage and whatever else Proxmox VE lists. */
export interface Resource extends Figures {
  /** As Proxmox VE names it: `lxc/100`, `storage/pve1/local`. */
  readonly id: string;
  /** `vm`, `container`, `node`, `storage`, or Proxmox VE's own word for anything else. */
  readonly kind: string;
  readonly name: string | undefined;
  readonly vmid: number | undefined;
  readonly node: string | undefined;
  /** Of guests running, stopped or unknown; of nodes online, offline or unknown; of storages available or unknown. */
  readonly status: string;
  readonly pool: string | undefined;
  readonly tags: readonly string[];
  readonly lock: string | undefined;
  readonly template: boolean;
  readonly shared: boolean;
  /** Kinds of content that a storage takes. */
  readonly content: readonly string[];
}

/** Undefined where Proxmox VE tells none, as of dead nodes and without the right to see them. */
interface Figures {
  /** Of all its processors together, 0 to 1. */
  readonly cpuShare: number | undefined;
  readonly cpus: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly maxMemoryBytes: number | undefined;
  readonly diskBytes: number | undefined;
  readonly maxDiskBytes: number | undefined;
  readonly uptimeS: number | undefined;
}

export interface ClusterState {
  /** Undefined where the node belongs to no cluster. */
  readonly cluster: { readonly name: string; readonly quorate: boolean } | undefined;
  readonly nodes: readonly {
    readonly name: string;
    readonly online: boolean;
    readonly ip: string | undefined;
  }[];
}

export interface Use {
  readonly usedBytes: number;
  readonly totalBytes: number;
}

export interface NodeState {
  readonly version: string | undefined;
  readonly kernel: string | undefined;
  readonly uptimeS: number | undefined;
  readonly cpuModel: string | undefined;
  readonly cpus: number | undefined;
  /** Of all its processors together, 0 to 1. */
  readonly cpuShare: number | undefined;
  readonly ioWaitShare: number | undefined;
  /** Over 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  readonly memory: Use | undefined;
  readonly swap: Use | undefined;
  readonly root: Use | undefined;
}

export interface Cluster {
  /** Throws API_FORBIDDEN without Sys.Audit on `/`. */
  state(signal: AbortSignal): Promise<ClusterState>;
  /** Everything that the token may see, or one family of it: by kind, then by id. */
  resources(signal: AbortSignal, family?: 'vm' | 'storage' | 'node'): Promise<readonly Resource[]>;
  nodeState(node: string, signal: AbortSignal): Promise<NodeState>;
}

const StateParts = z.array(
  z.object({ type: z.string(), name: z.string(), quorate: Flag, online: Flag, ip: Text }),
);

const Sizes = z.object({ used: Num, total: Num }).optional().catch(undefined);

const NodeStatus = z.object({
  ...{ pveversion: Text, kversion: Text, uptime: Num, cpu: Num, wait: Num },
  ...{ memory: Sizes, swap: Sizes, rootfs: Sizes },
  cpuinfo: z.object({ model: Text, cpus: Num }).optional().catch(undefined),
  loadavg: z.array(Num).optional().catch(undefined),
});

export function createCluster({ pve }: ApiRoom): Cluster {
  return {
    async state(signal) {
      const parts = await pve.request(
        { method: 'GET', path: apiPath`/cluster/status`, signal, action: 'tell the state of the cluster' },
        StateParts,
      );
      const cluster = parts.find(({ type }) => type === 'cluster');
      const nodes = parts.filter(({ type }) => type === 'node');
      return {
        cluster: cluster && { name: cluster.name, quorate: cluster.quorate === true },
        nodes: nodes
          .map(({ name, online, ip }) => ({ name, online: online === true, ip }))
          .sort((one, other) => compare(one.name, other.name)),
      };
    },
    async resources(signal, family) {
      const action = 'list the resources of the cluster';
      const found = await readResources(pve, { family, action, signal });
      return found.map(resource).sort(byKindAndId);
    },
    async nodeState(node, signal) {
      const status = await pve.request(
        { method: 'GET', path: apiPath`/nodes/${node}/status`, signal, action: `tell the state of ${node}` },
        NodeStatus,
      );
      return nodeState(status);
    },
  };
}

const kinds: Readonly<Record<string, string>> = { lxc: 'container', qemu: 'vm' };
const order = ['node', 'container', 'vm', 'storage'];

function resource(found: ListedResource): Resource {
  const { id, type, vmid, node, pool, lock } = found;
  return {
    ...{ id, kind: kinds[type] ?? type, vmid, node, pool, lock },
    name: found.name ?? found.storage ?? (type === 'node' ? node : undefined),
    status: found.status ?? 'unknown',
    tags: wordsIn(found.tags),
    template: found.template === true,
    shared: found.shared === true,
    content: wordsIn(found.content),
    cpuShare: found.cpu,
    cpus: found.maxcpu,
    memoryBytes: found.mem,
    maxMemoryBytes: found.maxmem,
    diskBytes: found.disk,
    maxDiskBytes: found.maxdisk,
    uptimeS: found.uptime,
  };
}

function nodeState(status: z.output<typeof NodeStatus>): NodeState {
  return {
    version: status.pveversion,
    kernel: status.kversion,
    uptimeS: status.uptime,
    cpuModel: status.cpuinfo?.model,
    cpus: status.cpuinfo?.cpus,
    cpuShare: status.cpu,
    ioWaitShare: status.wait,
    load: (status.loadavg ?? []).filter((value) => value !== undefined),
    memory: use(status.memory),
    swap: use(status.swap),
    root: use(status.rootfs),
  };
}

function use({ used, total }: z.output<typeof Sizes> = {}): Use | undefined {
  return used === undefined || total === undefined ? undefined : { usedBytes: used, totalBytes: total };
}

function byKindAndId(one: Resource, other: Resource): number {
  const ofKind = rank(one) - rank(other) || compare(one.kind, other.kind);
  return ofKind || (one.vmid ?? 0) - (other.vmid ?? 0) || compare(one.id, other.id);
}

function rank({ kind }: Resource): number {
  const place = order.indexOf(kind);
  return place === -1 ? order.length : place;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
