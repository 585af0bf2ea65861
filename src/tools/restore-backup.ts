/** Making guests from their backups. */
import { z } from 'zod';
import { subjectOf } from '../base/guest-name.ts';
import { archiveOf } from '../ops/volumes.ts';
import { defineTool } from './define.ts';
import { GuestResult, guestResult } from './guest-result.ts';
import { momentText } from './moments.ts';
import { idForNew } from './new-guest.ts';
import { NewVmid, NodeName, StorageName, VolumeId } from './params.ts';
import { showTask, taskWait, WaitSeconds } from './task-result.ts';

/** SECURITY: one that does not say whose it is cannot be judged. */
const ArchiveId = VolumeId.refine(
  (volid) => archiveOf(volid) !== undefined,
  'must be a backup, as proxmox_list_backups lists it',
);

export const restoreTools = [
  defineTool({
    name: 'proxmox_restore_backup',
    title: 'Restore backup',
    about: 'Makes a new guest from a backup. Only with overwrite it replaces the guest that was backed up.',
    toolset: 'backups',
    effect: 'destroy',
    target: 'cluster',
    needs: 'api',
    input: z
      .strictObject({
        archive: ArchiveId,
        new_vmid: NewVmid.optional().meta({
          description: 'Without it and without overwrite, the next free id',
        }),
        overwrite: z.boolean().default(false).meta({
          description:
            'Replace the guest that was backed up, which must be stopped and loses everything since',
        }),
        node: NodeName.optional(),
        storage: StorageName.optional().meta({ description: 'For its disks' }),
        unique: z.boolean().default(false).meta({ description: 'New MAC addresses' }),
        start: z.boolean().default(false),
        wait_seconds: WaitSeconds,
      })
      .refine(({ overwrite, new_vmid }) => !overwrite || new_vmid === undefined, {
        path: ['new_vmid'],
        error: 'is for a new guest, not with overwrite',
      }),
    output: GuestResult,
    reaches: ({ archive, new_vmid }) =>
      [archiveOf(archive)?.vmid, new_vmid].filter((vmid) => vmid !== undefined),
    async run({ new_vmid, overwrite, start, wait_seconds, ...request }, context) {
      const onto = overwrite ? 'overwrite' : await idForNew('new_vmid', new_vmid, context);
      const { backedUpAt, node, end, ...guest } = await context.ops.backups.restore(
        { ...request, onto, start, node: request.node, storage: request.storage },
        taskWait(wait_seconds, context),
      );
      const who = subjectOf(guest);
      const what = `the backup of ${momentText(backedUpAt?.toISOString())}`;
      const started = start ? ', and started' : '';
      const [was, is] = overwrite
        ? ['was replaced by', 'is being replaced by']
        : ['was made from', 'is being made from'];
      return guestResult(guest.vmid, {
        end,
        done: `${who} ${was} ${what}, on ${node}${started}.`,
        begun: `${who} ${is} ${what}, on ${node}.`,
      });
    },
    show: showTask,
  }),
];
