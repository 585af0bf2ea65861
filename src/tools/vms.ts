/** Seeing virtual machines and switching them on and off. */
import { z } from 'zod';
import { bytesText } from '../base/quantities.ts';
import { clean } from '../base/text.ts';
import { present } from '../ops/answers.ts';
import type { VmState, VmStatus } from '../ops/vms/state.ts';
import { defineTool } from './define.ts';
import { configText, GuestConfig } from './guest-config.ts';
import { Limit, Offset, pageOf, restOf } from './page.ts';
import { NodeName, Vmid } from './params.ts';
import { loadText, useText } from './resource.ts';
import { Rows } from './rows.ts';
import { vmPowerTools } from './vms-power.ts';

interface VmRow {
  readonly vmid: number;
  readonly name: string;
  readonly node: string;
  readonly status: string;
  readonly lock?: string;
  readonly template?: true;
  readonly tags?: readonly string[];
  readonly cpus?: number;
  readonly cpu_percent?: number;
  readonly memory_bytes?: number;
  readonly memory_max_bytes?: number;
  readonly disk_max_bytes?: number;
  readonly uptime_seconds?: number;
}

/** What the node of one machine says beyond that. */
interface VmFacts {
  readonly network_in_bytes?: number;
  readonly network_out_bytes?: number;
  readonly disk_read_bytes?: number;
  readonly disk_write_bytes?: number;
  /** Whether it is configured. */
  readonly guest_agent: boolean;
  readonly high_availability: boolean;
}

function rowOf(vm: VmState): VmRow {
  const { vmid, name = '', node, status, lock, tags } = vm;
  return present({
    ...{ vmid, name, node, status, lock },
    template: vm.template ? (true as const) : undefined,
    tags: tags.length > 0 ? tags : undefined,
    cpus: vm.cpus,
    cpu_percent: vm.cpuPercent,
    memory_bytes: vm.memoryBytes,
    memory_max_bytes: vm.memoryMaxBytes,
    disk_max_bytes: vm.diskMaxBytes,
    uptime_seconds: vm.uptimeS,
  });
}

function factsOf(vm: VmStatus): VmFacts {
  return present({
    network_in_bytes: vm.netInBytes,
    network_out_bytes: vm.netOutBytes,
    disk_read_bytes: vm.diskReadBytes,
    disk_write_bytes: vm.diskWriteBytes,
    guest_agent: vm.agent,
    high_availability: vm.managed,
  });
}

function heading({ vmid, name, status, node, lock, template, tags }: VmRow): string {
  const marks = [
    template && 'template',
    lock !== undefined && `locked: ${clean(lock, 40)}`,
    tags !== undefined && `tags: ${clean(tags.join(', '), 200)}`,
  ].filter((mark) => typeof mark === 'string');
  const named = `${vmid} ${clean(name, 100) || '(no name)'}`;
  return `${named}: ${status} on ${clean(node, 64)}${marks.length > 0 ? ` (${marks.join('; ')})` : ''}`;
}

/** What is off uses nothing, and shows only what it may have. */
function load(vm: VmRow): string[] {
  if (vm.status !== 'stopped') return loadText(vm);
  const sizes = [
    useText('memory', undefined, vm.memory_max_bytes),
    useText('disk', undefined, vm.disk_max_bytes),
  ];
  return sizes.filter((part) => part !== undefined);
}

function line(vm: VmRow): string {
  return [heading(vm), ...load(vm)].join(', ');
}

type Side = readonly [bytes: number | undefined, word: string];

function statusText(vm: VmRow & VmFacts): string {
  const flow = (what: string, [first, one]: Side, [second, other]: Side) =>
    first === undefined || second === undefined
      ? []
      : [`${what} ${bytesText(first)} ${one}, ${bytesText(second)} ${other} since its start`];
  const traffic = [
    ...flow('network', [vm.network_in_bytes, 'in'], [vm.network_out_bytes, 'out']),
    ...flow('disk', [vm.disk_read_bytes, 'read'], [vm.disk_write_bytes, 'written']),
  ];
  return [
    heading(vm),
    ...load(vm),
    ...(vm.status === 'stopped' ? [] : traffic),
    `guest agent ${vm.guest_agent ? '' : 'not '}configured`,
    ...(vm.high_availability ? ['under high availability'] : []),
  ].join('\n');
}

const family = { toolset: 'vms', effect: 'read', needs: 'api', everyday: true } as const;

export const vmTools = [
  defineTool({
    ...family,
    name: 'proxmox_list_vms',
    title: 'List VMs',
    about: 'Lists the virtual machines of all nodes with their state, load and tags.',
    target: 'cluster',
    input: z.strictObject({
      node: NodeName.optional(),
      status: z.enum(['running', 'paused', 'stopped']).optional(),
      limit: Limit,
      offset: Offset,
    }),
    output: z.object({ vms: Rows<VmRow>(), total: z.number() }),
    async run({ node, status, ...page }, { ops, signal, mayReach }) {
      const fitting = (await ops.vms.list(signal)).filter(
        (vm) =>
          mayReach(vm.vmid) &&
          (node === undefined || vm.node === node) &&
          (status === undefined || vm.status === status),
      );
      return { vms: pageOf(fitting, page).map(rowOf), total: fitting.length };
    },
    show({ vms, total }, { offset }) {
      if (total === 0) return 'There are no such virtual machines.';
      return [...vms.map(line), ...restOf(vms.length, { total, offset })].join('\n');
    },
  }),
  defineTool({
    ...family,
    name: 'proxmox_vm_status',
    title: 'VM status',
    about: 'Tells how one virtual machine is at this moment: state, load, traffic, lock.',
    target: 'vm',
    input: z.strictObject({ vmid: Vmid }),
    output: z.looseObject({ vmid: z.number(), status: z.string() }),
    run: async ({ vmid }, { ops, signal }) => {
      const vm = await ops.vms.status(vmid, signal);
      return { ...rowOf(vm), ...factsOf(vm) };
    },
    show: (vm) => statusText(vm as unknown as VmRow & VmFacts),
  }),
  defineTool({
    ...family,
    name: 'proxmox_vm_config',
    title: 'VM configuration',
    about: 'Reads the configuration of one virtual machine, with its description.',
    target: 'vm',
    input: z.strictObject({ vmid: Vmid }),
    output: GuestConfig,
    run: async ({ vmid }, { ops, signal }) => {
      const { config, ...rest } = await ops.vms.config(vmid, signal);
      return { ...rest, config: { ...config } };
    },
    show: ({ config, ...rest }) =>
      configText({ ...rest, config: Object.fromEntries(Object.entries(config).sort()) }),
  }),
  ...vmPowerTools,
];
