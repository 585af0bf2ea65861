/** Seeing the cluster as a whole. */
import { z } from 'zod';
import { clean } from '../base/text.ts';
import type { ClusterState, Resource } from '../ops/cluster.ts';
import { defineTool } from './define.ts';
import { type NodeFacts, nodeFacts, nodeFactsText } from './node-facts.ts';
import { Limit, Offset, pageOf, restOf } from './page.ts';
import { NodeName } from './params.ts';
import { figures, loadText, type ResourceRow, resourceLine, resourceRow } from './resource.ts';
import { choose, sortKeys } from './resource-choice.ts';
import { Rows } from './rows.ts';

const Counts = z.record(z.string(), z.number());

type NodeRow = Omit<ResourceRow, 'id' | 'type'> & { readonly name: string; readonly ip?: string };

const family = { toolset: 'cluster', effect: 'read', target: 'cluster', needs: 'api' } as const;

export const clusterTools = [
  defineTool({
    ...family,
    name: 'proxmox_cluster_status',
    title: 'Cluster status',
    about: 'Tells how the cluster stands: quorum, nodes and their load, how many guests run.',
    everyday: true,
    input: z.strictObject({}),
    output: z.object({
      cluster: z.string().optional(),
      quorate: z.boolean().optional(),
      nodes: Rows<NodeRow>(),
      containers: Counts,
      vms: Counts,
    }),
    async run(_args, { ops, signal, mayReach }) {
      const [state, resources] = await Promise.all([
        ops.cluster.state(signal),
        ops.cluster.resources(signal),
      ]);
      const guests = resources.filter(({ vmid }) => vmid !== undefined && mayReach(vmid));
      return {
        ...(state.cluster && { cluster: state.cluster.name, quorate: state.cluster.quorate }),
        nodes: nodeRows(state, resources),
        containers: countByStatus(guests, 'container'),
        vms: countByStatus(guests, 'vm'),
      };
    },
    show({ cluster, quorate, nodes, containers, vms }) {
      const online = nodes.filter(({ status }) => status === 'online').length;
      const name = cluster === undefined ? 'No cluster' : `Cluster ${clean(cluster, 100)}`;
      const quorum = cluster === undefined ? '' : quorate ? 'quorate, ' : 'WITHOUT QUORUM, ';
      return [
        `${name}: ${quorum}${online} of ${nodes.length} nodes online.`,
        ...nodes.map(nodeLine),
        `Containers: ${countText(containers)}`,
        `Virtual machines: ${countText(vms)}`,
      ].join('\n');
    },
  }),
  defineTool({
    ...family,
    name: 'proxmox_list_resources',
    title: 'List resources',
    about: 'Lists guests, nodes and storages of the whole cluster with their load; filters, sorts and pages.',
    everyday: true,
    input: z.strictObject({
      type: z.enum(['vm', 'container', 'node', 'storage']).optional(),
      status: z.string().max(40).optional().meta({ description: 'Such as running, stopped, online' }),
      node: NodeName.optional(),
      pool: z.string().max(256).optional(),
      tag: z.string().max(256).optional(),
      name: z.string().max(256).optional().meta({ description: 'A part of the name' }),
      sort: z.enum(sortKeys).default('id').meta({ description: 'Figures: the largest first' }),
      limit: Limit,
      offset: Offset,
    }),
    output: z.object({ total: z.number(), offset: z.number(), resources: Rows<ResourceRow>() }),
    async run({ limit, offset, ...wanted }, { ops, signal, mayReach }) {
      const found = await ops.cluster.resources(signal, familyOf(wanted.type));
      const seen = found.filter(({ vmid }) => vmid === undefined || mayReach(vmid));
      const chosen = choose(seen, wanted);
      return {
        total: chosen.length,
        offset,
        resources: pageOf(chosen, { limit, offset }).map(resourceRow),
      };
    },
    show({ resources, ...page }) {
      if (page.total === 0) return 'Nothing fits.';
      return [...resources.map(resourceLine), ...restOf(resources.length, page)].join('\n');
    },
  }),
  defineTool({
    ...family,
    name: 'proxmox_list_nodes',
    title: 'List nodes',
    about: 'Lists the nodes of the cluster: whether they are online, their load, memory, disk and uptime.',
    everyday: true,
    input: z.strictObject({ limit: Limit, offset: Offset }),
    output: z.object({ nodes: Rows<NodeRow>(), total: z.number() }),
    async run(part, { ops, signal }) {
      const resources = await ops.cluster.resources(signal, 'node');
      const nodes = resources.filter(({ kind }) => kind === 'node');
      return { nodes: pageOf(nodes, part).map((node) => nodeRow(node)), total: nodes.length };
    },
    show({ nodes, total }, { offset }) {
      if (total === 0) return 'No nodes can be seen; the API token may lack the right.';
      return [...nodes.map(nodeLine), ...restOf(nodes.length, { total, offset })].join('\n');
    },
  }),
  defineTool({
    ...family,
    name: 'proxmox_node_status',
    title: 'Node status',
    about: 'Tells the version, kernel, load, memory, swap, root disk and uptime of one node.',
    everyday: true,
    input: z.strictObject({ node: NodeName }),
    output: z.looseObject({ node: z.string() }),
    run: async ({ node }, { ops, signal }) => ({
      ...nodeFacts(node, await ops.cluster.nodeState(node, signal)),
    }),
    show: (facts) => nodeFactsText(facts as NodeFacts),
  }),
];

function familyOf(type: 'vm' | 'container' | 'node' | 'storage' | undefined) {
  return type === 'container' ? 'vm' : type;
}

function nodeRow(resource: Resource, ip?: string): NodeRow {
  const { name = resource.id, status } = resource;
  return { name, status, ...(ip !== undefined && { ip }), ...figures(resource) };
}

/** The cluster knows who is online, the list of resources what each node does. */
function nodeRows(state: ClusterState, resources: readonly Resource[]): NodeRow[] {
  const known = new Map(resources.filter(({ kind }) => kind === 'node').map((node) => [node.node, node]));
  return state.nodes.map(({ name, online, ip }) => {
    const resource = known.get(name);
    const row = resource === undefined ? { name } : nodeRow(resource);
    return { ...row, status: online ? 'online' : 'offline', ...(ip !== undefined && { ip }) };
  });
}

function nodeLine({ name, ip, status, ...load }: NodeRow): string {
  const address = ip === undefined ? '' : ` (${clean(ip, 60)})`;
  const facts = status === 'online' ? loadText(load).map((fact) => `, ${fact}`) : [];
  return `${clean(name, 100)}${address}: ${clean(status, 40)}${facts.join('')}`;
}

function countByStatus(guests: readonly Resource[], kind: string): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { kind: of, status, template } of guests) {
    if (of !== kind) continue;
    const state = template ? 'template' : status;
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return Object.fromEntries(counts);
}

function countText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([status, count]) => `${count} ${clean(status, 40)}`);
  return parts.length === 0 ? 'none' : parts.sort().join(', ');
}
