/** Making, changing, moving and removing virtual machines. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';
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
import { WaitSeconds } from './task-result.ts';

const kind: Kind = {
  family: { toolset: 'vms', target: 'vm', needs: 'api' },
  ...{ kind: 'vm', title: 'VM', noun: 'virtual machine' },
};

/** Of both tools that set options. */
const vmFields = {
  ...commonFields,
  name: GuestLabel.optional(),
  sockets: z.int().min(1).max(128).optional(),
  ci_user: z.string().max(64).optional(),
  ci_password: Password.optional(),
  ssh_keys: SshKeys.optional(),
  ip: Address.optional().meta({ description: 'By cloud-init: dhcp, or IPv4 address/prefix' }),
  gateway: Gateway.optional(),
} as const;

const NewVm = z.strictObject({
  ...creation,
  ...vmFields,
  storage: StorageName.optional().meta({ description: 'For its disks' }),
  disk_gib: DiskGib.optional(),
  image: VolumeId.optional().meta({ description: 'Disk image to begin with, such as local:import/x.qcow2' }),
  iso: VolumeId.optional().meta({ description: 'Such as local:iso/debian.iso' }),
  bridge: Bridge.optional().meta({ description: 'vmbr0, where none is named' }),
  vlan: Vlan.optional(),
  ...creationEnd,
});

const ChangedVm = z.strictObject({
  vmid: Vmid,
  ...vmFields,
  net0: z.string().max(512).optional().meta({ description: 'Such as virtio=MAC,bridge=vmbr0,tag=5' }),
  remove: OptionNames.default([]),
  wait_seconds: WaitSeconds,
});

type VmArguments = Partial<Pick<z.output<typeof NewVm>, keyof typeof vmFields>>;

function vmOptions(args: VmArguments): GuestOptions {
  const { ip, gateway } = args;
  const network = [ip === undefined ? '' : `ip=${ip}`, gateway === undefined ? '' : `gw=${gateway}`];
  return {
    ...commonOptions(args),
    name: args.name,
    sockets: args.sockets,
    ciuser: args.ci_user,
    cipassword: args.ci_password,
    // Proxmox VE wants this value encoded, whatever way it comes.
    sshkeys: args.ssh_keys && encodeURIComponent(args.ssh_keys.join('\n')),
    ipconfig0: network.filter((part) => part !== '').join(',') || undefined,
  };
}

const cloudInit = ['ciuser', 'cipassword', 'sshkeys', 'ipconfig0'] as const;

/** Throws INVALID_ARGUMENT. */
function newVmOptions(args: z.output<typeof NewVm>): GuestOptions {
  const { storage, disk_gib, image, iso, bridge = 'vmbr0', vlan } = args;
  const own = vmOptions(args);
  const usesCloudInit = cloudInit.some((key) => own[key] !== undefined);
  if (image !== undefined && disk_gib !== undefined)
    throw failure('INVALID_ARGUMENT', { problem: 'disk_gib: an image has its own size; resize it after' });
  if (storage === undefined && (disk_gib !== undefined || image !== undefined || usesCloudInit))
    throw failure('INVALID_ARGUMENT', { problem: 'storage: is needed for disks and for cloud-init' });
  const net0 = `virtio,bridge=${bridge}${vlan === undefined ? '' : `,tag=${vlan}`}`;
  const network = networkOf(net0, [args.bridge, vlan]);
  const imported = image === undefined ? undefined : `${storage}:0,import-from=${image}`;
  const named = {
    ...own,
    scsi0: disk_gib === undefined ? imported : `${storage}:${disk_gib}`,
    ide0: usesCloudInit ? `${storage}:cloudinit` : undefined,
    ide2: iso === undefined ? undefined : `${iso},media=cdrom`,
    ...network.named,
    pool: args.pool,
    start: args.start,
  };
  const defaults = { ...network.defaults, ostype: 'l26', scsihw: 'virtio-scsi-single', memory: 2048 };
  return merged({ defaults, named, further: args.options });
}

/** Throws INVALID_ARGUMENT. */
function changedVmOptions(args: z.output<typeof ChangedVm>): GuestOptions {
  return changesOf({ ...vmOptions(args), net0: args.net0 }, args);
}

export const vmProvisioningTools = [
  createTool(kind, {
    about: 'Creates one virtual machine, with an empty disk, an ISO image or a cloud image.',
    input: NewVm,
    optionsOf: newVmOptions,
  }),
  cloneTool(kind),
  updateTool(kind, { input: ChangedVm, optionsOf: changedVmOptions }),
  resizeTool(
    kind,
    z.string().regex(/^((ide|sata|scsi|virtio)\d{1,2}|efidisk0)$/, 'must be a disk such as scsi0'),
  ),
  migrateTool(kind, 'goes on while it moves'),
  deleteTool(kind),
];
