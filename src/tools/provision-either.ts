/** What is done alike to virtual machines and containers: making, changing, copying, moving and removing them. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';
import type { GuestOptions } from '../ops/provisioning.ts';
import { guestOptionProblem } from '../policy/guest-options.ts';
import { defineTool, type Tool } from './define.ts';
import { DiskGib, GuestLabel, optionGuests, optionProblem } from './guest-options.ts';
import { GuestResult, guestResult } from './guest-result.ts';
import { idForNew } from './new-guest.ts';
import { Description, NewVmid, NodeName, PoolName, SnapshotName, StorageName, Vmid } from './params.ts';
import { showTask, taskWait, WaitSeconds } from './task-result.ts';

/** What the tools of one kind of guest have in common, and how it is called in them. */
export interface Kind {
  readonly family: {
    readonly toolset: 'vms' | 'containers';
    readonly target: 'vm' | 'container';
    readonly needs: 'api';
  };
  readonly kind: 'vm' | 'container';
  readonly title: 'VM' | 'container';
  readonly noun: 'virtual machine' | 'container';
}

const FreeVmid = NewVmid.optional().meta({ description: 'Without it, the next free id' });

interface Creation {
  readonly vmid?: number | undefined;
  readonly node?: string | undefined;
  readonly wait_seconds?: number | undefined;
}

/** Arguments of every tool that makes a guest: before and after those of its kind. */
export const creation = { vmid: FreeVmid, node: NodeName.optional() } as const;
export const creationEnd = {
  pool: PoolName.optional(),
  start: z.boolean().default(false),
  wait_seconds: WaitSeconds,
} as const;

export function createTool<A extends Creation>(
  { family, kind, title }: Kind,
  {
    about,
    input,
    optionsOf,
  }: { about: string; input: z.ZodObject & z.ZodType<A>; optionsOf: (args: A) => GuestOptions },
): Tool {
  return defineTool({
    ...family,
    target: 'cluster',
    name: `proxmox_create_${kind}`,
    title: `Create ${title}`,
    about,
    effect: 'change',
    input,
    output: GuestResult,
    refuses: (args) => optionProblem(optionsOf(args)),
    reaches: (args) => optionGuests(optionsOf(args)),
    async run(args, context) {
      const vmid = await idForNew('vmid', args.vmid, context);
      const guest = { kind, node: args.node, vmid, options: optionsOf(args) } as const;
      const wait = taskWait(args.wait_seconds, context);
      return guestResult(vmid, await context.ops.provisioning.create(guest, wait));
    },
    show: showTask,
  });
}

interface Change {
  readonly vmid: number;
  readonly remove: readonly string[];
  readonly wait_seconds?: number | undefined;
}

export function updateTool<A extends Change>(
  { family, kind, title, noun }: Kind,
  { input, optionsOf }: { input: z.ZodObject & z.ZodType<A>; optionsOf: (args: A) => GuestOptions },
): Tool {
  return defineTool({
    ...family,
    name: `proxmox_update_${kind}_config`,
    title: `Update ${title} configuration`,
    about: `Changes options of one ${noun}; says which of them wait for its next start.`,
    effect: 'change',
    idempotent: true,
    input,
    output: GuestResult.extend({ pending: z.array(z.string()).optional() }),
    refuses: (args) => optionProblem(optionsOf(args)) ?? guestOptionProblem('delete', [...args.remove]),
    reaches: (args) => optionGuests(optionsOf(args)),
    async run(args, context) {
      const { vmid, remove } = args;
      const change = { vmid, kind, remove, options: optionsOf(args) };
      const wait = taskWait(args.wait_seconds, context);
      const outcome = await context.ops.provisioning.configure(change, wait);
      const { pending } = outcome;
      return { ...guestResult(vmid, outcome), ...(pending.length > 0 && { pending: [...pending] }) };
    },
    show: showTask,
  });
}

const Clone = z.strictObject({
  vmid: Vmid,
  new_vmid: FreeVmid,
  name: GuestLabel.optional(),
  hostname: GuestLabel.optional(),
  full: z.boolean().optional(),
  snapshot: SnapshotName.optional(),
  storage: StorageName.optional().meta({ description: 'For its disks; makes it a full clone' }),
  target_node: NodeName.optional(),
  pool: PoolName.optional(),
  description: Description.optional(),
  wait_seconds: WaitSeconds,
});

/** A container is named by its host name, here as where it is made. */
const clones = { vm: Clone.omit({ hostname: true }), container: Clone.omit({ name: true }) } as const;

export function cloneTool({ family, kind, title, noun }: Kind): Tool {
  return defineTool({
    ...family,
    name: `proxmox_clone_${kind}`,
    title: `Clone ${title}`,
    about: `Copies one ${noun} to a new id. Templates are linked to, unless full is set.`,
    effect: 'change',
    input: clones[kind] as unknown as typeof Clone,
    output: GuestResult,
    reaches: ({ new_vmid }) => (new_vmid === undefined ? [] : [new_vmid]),
    async run({ new_vmid, hostname, target_node: targetNode, wait_seconds, ...rest }, context) {
      const newVmid = await idForNew('new_vmid', new_vmid, context);
      const request = { ...rest, kind, newVmid, targetNode, name: rest.name ?? hostname };
      const wait = taskWait(wait_seconds, context);
      return guestResult(newVmid, await context.ops.provisioning.clone(request, wait));
    },
    show: showTask,
  });
}

export function resizeTool({ family, kind, title, noun }: Kind, disk: z.ZodString): Tool {
  return defineTool({
    ...family,
    name: `proxmox_resize_${kind}_disk`,
    title: `Resize ${title} disk`,
    about: `Grows one disk of a ${noun}, by grow_gib or to size_gib. Disks never shrink.`,
    effect: 'change',
    input: z.strictObject({
      vmid: Vmid,
      disk,
      grow_gib: DiskGib.optional(),
      size_gib: DiskGib.optional(),
      wait_seconds: WaitSeconds,
    }),
    output: GuestResult,
    async run({ vmid, disk: name, grow_gib, size_gib, wait_seconds }, context) {
      if ((grow_gib === undefined) === (size_gib === undefined))
        throw failure('INVALID_ARGUMENT', { problem: 'size_gib: give either size_gib or grow_gib' });
      const size = grow_gib === undefined ? { gib: size_gib ?? 0 } : { growGib: grow_gib };
      const wait = taskWait(wait_seconds, context);
      return guestResult(vmid, await context.ops.provisioning.resize({ vmid, kind, disk: name, size }, wait));
    },
    show: showTask,
  });
}

const Migration = z.strictObject({
  vmid: Vmid,
  target_node: NodeName,
  target_storage: StorageName.optional().meta({ description: 'For its disks' }),
  with_local_disks: z.boolean().optional().meta({ description: 'Also disks on storages of its node alone' }),
  wait_seconds: WaitSeconds,
});

/** Proxmox VE moves the disks of containers without being asked. */
const ContainerMigration = Migration.omit({ with_local_disks: true }) as unknown as typeof Migration;

export function migrateTool({ family, kind, title, noun }: Kind, running: string): Tool {
  return defineTool({
    ...family,
    name: `proxmox_migrate_${kind}`,
    title: `Migrate ${title}`,
    about: `Moves one ${noun} to another node; a running one ${running}.`,
    effect: 'disrupt',
    idempotent: true,
    input: kind === 'vm' ? Migration : ContainerMigration,
    output: GuestResult,
    async run(args, context) {
      const { vmid, target_node: targetNode, target_storage: targetStorage } = args;
      const request = { vmid, kind, targetNode, targetStorage, withLocalDisks: args.with_local_disks };
      const wait = taskWait(args.wait_seconds, context);
      return guestResult(vmid, await context.ops.provisioning.migrate(request, wait));
    },
    show: showTask,
  });
}

export function deleteTool({ family, kind, title, noun }: Kind): Tool {
  return defineTool({
    ...family,
    name: `proxmox_delete_${kind}`,
    title: `Delete ${title}`,
    about: `Deletes one stopped ${noun} with its disks and snapshots, for good. Backups stay.`,
    effect: 'destroy',
    input: z.strictObject({
      vmid: Vmid,
      purge: z.boolean().default(false).meta({ description: 'Also from backup jobs, replication and HA' }),
      destroy_unreferenced_disks: z.boolean().default(false),
      wait_seconds: WaitSeconds,
    }),
    output: GuestResult,
    async run({ vmid, purge, destroy_unreferenced_disks: unreferencedDisks, wait_seconds }, context) {
      const wait = taskWait(wait_seconds, context);
      const request = { vmid, kind, purge, unreferencedDisks };
      return guestResult(vmid, await context.ops.provisioning.remove(request, wait));
    },
    show: showTask,
  });
}
