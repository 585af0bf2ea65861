/** Making, changing, moving and removing containers. */
import { z } from 'zod';
import type { GuestOptions } from '../ops/provisioning.ts';
import {
  Address,
  Bridge,
  changesOf,
  commonFields,
  commonOptions,
  DiskGib,
  Gateway,
  GuestLabel,
  merged,
  networkOf,
  OptionNames,
  Password,
  SshKeys,
  Vlan,
} from './guest-options.ts';
import { StorageName, Vmid, VolumeId } from './params.ts';
import {
  cloneTool,
  createTool,
  creation,
  creationEnd,
  deleteTool,
  type Kind,
  migrateTool,
  resizeTool,
  updateTool,
} from './provision-either.ts';

const kind: Kind = {
  family: { toolset: 'containers', target: 'container', needs: 'api' },
  ...{ kind: 'container', title: 'container', noun: 'container' },
};

/** Of both tools that set options. */
const containerFields = {
  ...commonFields,
  hostname: GuestLabel.optional(),
  swap_mib: z.int().min(0).max(16_777_216).optional(),
  nameserver: z.string().max(255).optional(),
} as const;

const NewContainer = z.strictObject({
  ...creation,
  template: VolumeId.meta({ description: 'Such as local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst' }),
  storage: StorageName.meta({ description: 'For its root file system' }),
  disk_gib: DiskGib.default(8),
  ...containerFields,
  bridge: Bridge.optional().meta({ description: 'vmbr0, where none is named' }),
  vlan: Vlan.optional(),
  ip: Address.optional(),
  gateway: Gateway.optional(),
  ssh_keys: SshKeys.optional(),
  password: Password.optional(),
  nesting: z.boolean().default(true),
  ...creationEnd,
});

const ChangedContainer = z.strictObject({
  vmid: Vmid,
  ...containerFields,
  net0: z.string().max(512).optional().meta({ description: 'Such as name=eth0,bridge=vmbr0,ip=dhcp' }),
  remove: OptionNames.default([]),
});

type ContainerArguments = Partial<Pick<z.output<typeof NewContainer>, keyof typeof containerFields>>;

function containerOptions(args: ContainerArguments): GuestOptions {
  const { hostname, swap_mib: swap, nameserver } = args;
  return { ...commonOptions(args), hostname, swap, nameserver };
}

/** Throws INVALID_ARGUMENT. */
function newContainerOptions(args: z.output<typeof NewContainer>): GuestOptions {
  const { template, storage, disk_gib, bridge = 'vmbr0', vlan, ip = 'dhcp', gateway } = args;
  const net0 = [
    `name=eth0,bridge=${bridge},ip=${ip}`,
    ...(gateway === undefined ? [] : [`gw=${gateway}`]),
    ...(vlan === undefined ? [] : [`tag=${vlan}`]),
  ];
  const network = networkOf(net0.join(','), [args.bridge, vlan, args.ip, gateway]);
  const named = {
    ...containerOptions(args),
    ostemplate: template,
    rootfs: `${storage}:${disk_gib}`,
    ...network.named,
    'ssh-public-keys': args.ssh_keys?.join('\n'),
    password: args.password,
    pool: args.pool,
    start: args.start,
  };
  // SECURITY: without the word, Proxmox VE could make a container whose root is the host's.
  const defaults = {
    ...network.defaults,
    unprivileged: true,
    features: args.nesting ? 'nesting=1' : undefined,
  };
  return merged({ defaults, named, further: args.options });
}

/** Throws INVALID_ARGUMENT. */
function changedContainerOptions(args: z.output<typeof ChangedContainer>): GuestOptions {
  return changesOf({ ...containerOptions(args), net0: args.net0 }, args);
}

export const containerProvisioningTools = [
  createTool(kind, {
    about: 'Creates one unprivileged container from a template that a storage holds.',
    input: NewContainer,
    optionsOf: newContainerOptions,
  }),
  cloneTool(kind),
  updateTool(kind, { input: ChangedContainer, optionsOf: changedContainerOptions }),
  resizeTool(kind, z.string().regex(/^(rootfs|mp\d{1,3})$/, 'must be rootfs or mp0, mp1, …')),
  migrateTool(kind, 'is stopped here and started there'),
  deleteTool(kind),
];
