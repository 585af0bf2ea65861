/** Seeing containers: which there are, whether they run, how they are configured. */
import { z } from 'zod';
import { clean } from '../base/text.ts';
import type { Guest } from '../ops/survey.ts';
import { defineTool } from './define.ts';
import { configText, GuestConfig } from './guest-config.ts';
import { Limit, Offset, pageOf, restOf } from './page.ts';
import { ResponseFormat, Vmid } from './params.ts';
import { json } from './render.ts';

const Container = z.object({
  vmid: z.number(),
  status: z.enum(['running', 'stopped', 'unknown']),
  name: z.string(),
  node: z.string(),
  lock: z.string().optional(),
  template: z.literal(true).optional(),
  tags: z.array(z.string()).optional(),
});

function describe(guest: Guest): z.output<typeof Container> {
  return {
    vmid: guest.vmid,
    status: guest.status,
    name: guest.name ?? '',
    node: guest.node,
    ...(guest.lock !== undefined && { lock: guest.lock }),
    ...(guest.template && { template: true as const }),
    ...(guest.tags.length > 0 && { tags: [...guest.tags] }),
  };
}

function sentence(container: z.output<typeof Container>): string {
  const { vmid, name, status, node, lock, template, tags } = container;
  const marks = [
    template && 'template',
    lock !== undefined && `locked: ${clean(lock, 40)}`,
    tags !== undefined && `tags: ${clean(tags.join(', '), 200)}`,
  ].filter((mark) => typeof mark === 'string');
  return `${vmid} ${clean(name, 100) || '(no name)'}: ${status} on ${clean(node, 64)}${marks.length > 0 ? ` (${marks.join('; ')})` : ''}`;
}

export const inventoryTools = [
  defineTool({
    name: 'proxmox_list_containers',
    title: 'List containers',
    about: 'Lists the LXC containers of the host and its cluster: id, name, status, node, lock and tags.',
    toolset: 'containers',
    effect: 'read',
    target: 'host',
    needs: 'either',
    everyday: true,
    input: z.strictObject({
      response_format: ResponseFormat.default('json'),
      limit: Limit.default(500),
      offset: Offset,
    }),
    output: z.object({ containers: z.array(Container), total: z.number().optional() }),
    async run(args, { ops, signal, mayReach }) {
      const guests = await ops.inventory.list(signal);
      const reached = guests.filter(({ vmid }) => mayReach(vmid));
      const containers = pageOf(reached, args).map(describe);
      const isPart = containers.length < reached.length;
      return { containers, ...(isPart && { total: reached.length }) };
    },
    // A bare array is what callers of the form for programs have always parsed.
    show({ containers, total }, { response_format, offset }) {
      if (response_format === 'json') return json(containers);
      const lines = containers.map(sentence);
      if (total !== undefined) return [...lines, ...restOf(lines.length, { total, offset })].join('\n');
      return lines.length === 0 ? 'There are no containers.' : lines.join('\n');
    },
  }),
  defineTool({
    name: 'proxmox_container_status',
    title: 'Container status',
    about: 'Tells whether one container runs, and its name, node, lock and tags.',
    toolset: 'containers',
    effect: 'read',
    target: 'container',
    needs: 'either',
    everyday: true,
    input: z.strictObject({ vmid: Vmid, response_format: ResponseFormat.default('json') }),
    output: Container,
    run: async ({ vmid }, { ops, signal }) => describe(await ops.inventory.get(vmid, signal)),
    show: (container, { response_format }) =>
      response_format === 'json' ? json(container) : sentence(container),
  }),
  defineTool({
    name: 'proxmox_container_config',
    title: 'Container configuration',
    about: 'Reads the configuration of one container: description, resources, network, mount points.',
    toolset: 'containers',
    effect: 'read',
    target: 'container',
    needs: 'either',
    everyday: true,
    input: z.strictObject({ vmid: Vmid, response_format: ResponseFormat.default('json') }),
    output: GuestConfig,
    run: async ({ vmid }, { ops, signal }) => {
      const { config, ...rest } = await ops.inventory.config(vmid, signal);
      return { ...rest, config: { ...config } };
    },
    show: (data, { response_format }) => (response_format === 'json' ? json(data) : configText(data)),
  }),
];
