/** What there is in the cluster, in one list: guests, nodes and storages. */

import type { LabCluster } from '../proxmox/cluster.ts';
import { figuresOf, nodeFiguresOf } from '../proxmox/figures.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import type { LabNode } from '../proxmox/node.ts';
import { type Call, defineEndpoint, type Endpoint } from './endpoint.ts';
import { nameOf } from './guest-kinds.ts';
import { qmpStatus } from './guest-status.ts';
import { poolOf } from './pools-members.ts';
import { storageResources } from './storage.ts';

export type Resource = Readonly<Record<string, unknown>> & { readonly type: string };

/** A guest of a node that cannot be reached is known, and no more than that. */
export function guestResource(cluster: LabCluster, guest: LabGuest): Resource {
  const { vmid, kind, node, config } = guest;
  const type = kind === 'vm' ? 'qemu' : 'lxc';
  const pool = poolOf(cluster, vmid);
  const basis = {
    ...{ id: `${type}/${vmid}`, type, vmid, node },
    ...(config.has('tags') && { tags: config.get('tags') }),
    ...(pool !== undefined && { pool }),
  };
  if (!cluster.nodes.has(node)) return { ...basis, status: 'unknown' };
  const { cpus, maxswap: _swap, ...figures } = figuresOf(guest);
  return {
    ...{ ...basis, name: nameOf(guest), status: stateOf(guest) },
    ...{ template: Number(config.get('template') ?? 0), ...figures, maxcpu: cpus },
    ...(config.has('lock') && { lock: config.get('lock') }),
    memhost: kind === 'vm' ? figures.mem : 0,
  };
}

/** A node as lists have it, with figures for those who may see them. */
export function nodeResource(call: Call, node: LabNode): Resource {
  const basis = { id: `node/${node.name}`, type: 'node', node: node.name, status: 'online', level: '' };
  if (!call.may(`/nodes/${node.name}`, ['Sys.Audit'])) return basis;
  const { cpus, ...figures } = nodeFiguresOf(node);
  return { ...basis, ...figures, maxcpu: cpus };
}

function resources(call: Call): Resource[] {
  const { cluster, values } = call;
  const type = values.find('type');
  const guests = [...cluster.guests.values()].filter(({ vmid }) => call.may(`/vms/${vmid}`, ['VM.Audit']));
  const nodes = [...cluster.nodes.values()];
  const all: Readonly<Record<string, () => Resource[]>> = {
    vm: () => guests.sort((a, b) => a.vmid - b.vmid).map((guest) => guestResource(cluster, guest)),
    node: () => nodes.map((node) => ({ ...nodeResource(call, node), 'cgroup-mode': 2 })),
    storage: () => nodes.flatMap(({ name }) => storageResources(call, name)),
  };
  const wanted = type === undefined ? Object.keys(all) : [type];
  return wanted.flatMap((name) => all[name]?.() ?? []);
}

export const resourceEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: '/cluster/resources', returns: 'array', permission: 'all' },
    about:
      'Lists guests, nodes and storages of the whole cluster with their figures, as far as one may see them.',
    parameters: {
      type: {
        ...{ type: 'string', optional: true, enum: ['vm', 'storage', 'node', 'sdn'] },
        about: 'Only what is of this type; `vm` are guests of either kind.',
      },
    },
    run: resources,
  }),
];

/** Of a machine, what QEMU tells of it. */
function stateOf(guest: LabGuest): string {
  if (guest.kind === 'vm') return qmpStatus(guest);
  return guest.pid === undefined ? 'stopped' : 'running';
}
