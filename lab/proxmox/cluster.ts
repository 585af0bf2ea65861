/** One node or several that know the same guests. */
import type { LabMount } from '../files/mount.ts';
import { plantClusterFiles } from './cluster-files.ts';
import { createGuest, type LabGuest } from './guest.ts';
import type { LabGuestSpec } from './guests.ts';
import { createNode, type LabNode, type NodePrograms } from './node.ts';

export interface LabCluster {
  /** Nothing where a node stands alone. */
  readonly name: string | undefined;
  readonly nodes: ReadonlyMap<string, LabNode>;
  readonly guests: Map<number, LabGuest>;
  add(spec: LabGuestSpec): LabGuest;
  remove(vmid: number): void;
  /** Puts a guest on another node; one that runs does so there. Throws TypeError where there is no such guest or node. */
  move(vmid: number, node: string): void;
}

/** What a node is made of. */
export interface NodeSpec {
  readonly name: string;
  /** The public half of its SSH host key: `ssh-ed25519 AAAA…`. */
  readonly sshHostKey: string;
}

export function createCluster({
  nodes: nodeSpecs,
  guests: specs,
  programs,
  mounts,
}: {
  nodes: readonly NodeSpec[];
  guests: readonly LabGuestSpec[];
  programs: NodePrograms;
  mounts: readonly LabMount[];
}): LabCluster {
  const first = nodeSpecs[0]?.name ?? '';
  const guests = new Map<number, LabGuest>();
  const nodes = new Map(
    nodeSpecs.map((spec, at) => {
      const address = `10.99.0.${2 + at}`;
      return [spec.name, createNode({ ...spec, address, guests, programs, mounts: at === 0 ? mounts : [] })];
    }),
  );
  const cluster: LabCluster = {
    ...{ name: nodes.size > 1 ? 'lab' : undefined, nodes, guests },
    add(spec) {
      const guest = createGuest({ node: first, ...spec }, programs.container);
      guests.set(guest.vmid, guest);
      const runsOn = nodes.get(guest.node) ?? nodes.get(first);
      if (spec.status === 'running') runsOn?.boot(guest);
      return guest;
    },
    remove(vmid) {
      const guest = guests.get(vmid);
      if (guest !== undefined) nodes.get(guest.node)?.halt(guest);
      guests.delete(vmid);
    },
    move(vmid, name) {
      const guest = guests.get(vmid);
      const target = nodes.get(name);
      if (guest === undefined || target === undefined)
        throw new TypeError(`no guest ${vmid} or no node ${name}`);
      const runs = guest.pid !== undefined;
      nodes.get(guest.node)?.halt(guest);
      guest.node = name;
      if (runs) target.boot(guest);
    },
  };
  for (const node of nodes.values()) plantClusterFiles(node, cluster);
  for (const spec of specs) cluster.add(spec);
  return cluster;
}
