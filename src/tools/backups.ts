/** Backing guests up, and seeing what backups there are. */
import { z } from 'zod';
import { fullNameOf, subjectOf } from '../base/guest-name.ts';
import { bytesText } from '../base/quantities.ts';
import { clean } from '../base/text.ts';
import { present } from '../ops/answers.ts';
import type { BackupJob } from '../ops/backups/jobs.ts';
import { defineTool } from './define.ts';
import { GuestResult, guestResult } from './guest-result.ts';
import { momentText } from './moments.ts';
import { Limit, Offset, pageOf, restOf } from './page.ts';
import { Description, NodeName, StorageName, Vmid } from './params.ts';
import { restoreTools } from './restore-backup.ts';
import { Rows } from './rows.ts';
import { showTask, taskWait, WaitSeconds } from './task-result.ts';
import { UnreadStorages, unreadLines, unreadOf, Volumes, volumeEntry, volumeLine } from './volume-lines.ts';

interface Job {
  readonly id: string;
  readonly enabled: boolean;
  readonly schedule: string;
  readonly next_run?: string;
  readonly guests: string;
  readonly storage?: string;
  readonly node?: string;
  readonly mode?: string;
  readonly keep?: string;
  readonly comment?: string;
}

function describe(job: BackupJob): Job {
  const { id, enabled, schedule, nextRun, storage, node, mode, keep, comment } = job;
  return present({
    ...{ id, enabled, schedule, next_run: nextRun?.toISOString(), guests: guestsOf(job), storage, node },
    ...{ mode, keep, comment: comment === '' ? undefined : comment },
  });
}

function guestsOf({ vmids, all, excluded, pool }: BackupJob): string {
  const but = excluded.length > 0 ? ` but ${excluded.join(', ')}` : '';
  if (vmids !== undefined) return vmids.join(', ');
  if (pool !== undefined) return `pool ${pool}${but}`;
  return all ? `all${but}` : 'none';
}

function sentence(job: Job): string {
  const { id, enabled, schedule, next_run, guests, storage, node, mode, keep, comment } = job;
  const facts = [
    `guests: ${guests}`,
    storage !== undefined && `to ${storage}`,
    node !== undefined && `on ${node}`,
    mode,
    keep,
    next_run !== undefined && `next at ${momentText(next_run)}`,
  ].filter((fact) => typeof fact === 'string');
  const when = enabled ? schedule || 'no schedule' : 'switched off';
  return clean(`${id}: ${when}; ${facts.join(', ')}${comment === undefined ? '' : ` – ${comment}`}`);
}

const part = { limit: Limit, offset: Offset };

export const backupTools = [
  defineTool({
    name: 'proxmox_list_backups',
    title: 'List backups',
    about:
      'Lists backups of guests, newest first, over all storages. Backups of deleted guests are there, too.',
    toolset: 'backups',
    effect: 'read',
    target: 'cluster',
    needs: 'api',
    everyday: true,
    input: z.strictObject({
      vmid: Vmid.optional(),
      storage: StorageName.optional(),
      node: NodeName.optional(),
      ...part,
    }),
    output: z.object({ backups: Volumes, total: z.number(), unread: UnreadStorages }),
    async run({ vmid, storage, node, ...page }, { ops, signal, mayReach }) {
      const { volumes, unread } = await ops.backups.list({ vmid, storage, node, mayReach }, signal);
      const backups = pageOf(volumes, page).map(volumeEntry);
      return { backups, total: volumes.length, ...unreadOf(unread) };
    },
    show({ backups, total, unread }, { offset }) {
      const none = total === 0 ? ['There are no such backups that the gateway can see.'] : [];
      const rest = restOf(backups.length, { total, offset });
      return [...none, ...backups.map(volumeLine), ...rest, ...unreadLines(unread)].join('\n');
    },
  }),
  defineTool({
    name: 'proxmox_create_backup',
    title: 'Back up guest',
    about: 'Backs one guest up while it goes on running. Older backups are kept.',
    toolset: 'backups',
    effect: 'change',
    target: 'guest',
    needs: 'api',
    everyday: true,
    input: z.strictObject({
      vmid: Vmid,
      storage: StorageName.optional().meta({ description: 'Where its node has several for backups' }),
      mode: z
        .enum(['snapshot', 'suspend'])
        .default('snapshot')
        .meta({ description: 'suspend pauses the guest for a moment' }),
      compress: z.enum(['zstd', 'gzip', 'lzo', 'none']).default('zstd'),
      notes: Description.optional().meta({ description: '{{guestname}} and {{node}} are filled in' }),
      protected: z.boolean().default(false).meta({ description: 'Keep it from being deleted' }),
      wait_seconds: WaitSeconds,
    }),
    output: GuestResult.extend({ volid: z.string().optional(), size_bytes: z.number().optional() }),
    async run({ wait_seconds, ...request }, context) {
      const { vmid } = request;
      const { guest, storage, end, archive } = await context.ops.backups.create(
        { ...request, storage: request.storage, notes: request.notes },
        taskWait(wait_seconds, context),
      );
      const size = archive?.sizeBytes === undefined ? '' : ` (${bytesText(archive.sizeBytes)})`;
      const done =
        archive === undefined
          ? `Proxmox VE says that ${fullNameOf(guest)} is backed up, but the backup was not found in ${storage}; check proxmox_list_backups.`
          : `${subjectOf(guest)} was backed up to ${clean(archive.volid)}${size}.`;
      return {
        ...guestResult(vmid, { end, done, begun: `${subjectOf(guest)} is being backed up to ${storage}.` }),
        ...(archive !== undefined && { volid: archive.volid }),
        ...(archive?.sizeBytes !== undefined && { size_bytes: archive.sizeBytes }),
      };
    },
    show: showTask,
  }),
  ...restoreTools,
  defineTool({
    name: 'proxmox_list_backup_jobs',
    title: 'List backup jobs',
    about:
      'Lists the scheduled backups of the cluster: when, of which guests, to which storage, what is kept.',
    toolset: 'backups',
    effect: 'read',
    target: 'cluster',
    needs: 'api',
    input: z.strictObject(part),
    output: z.object({ jobs: Rows<Job>(), total: z.number() }),
    async run(page, { ops, signal, mayReach }) {
      const jobs = await ops.backups.jobs(mayReach, signal);
      return { jobs: pageOf(jobs, page).map(describe), total: jobs.length };
    },
    show({ jobs, total }, { offset }) {
      if (total === 0) return 'There are no backup jobs.';
      return [...jobs.map(sentence), ...restOf(jobs.length, { total, offset })].join('\n');
    },
  }),
];
