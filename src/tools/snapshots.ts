/** Snapshots of guests: seeing, taking, going back, deleting. */
import { z } from 'zod';
import { fullNameOf, subjectOf } from '../base/guest-name.ts';
import { bound, clean } from '../base/text.ts';
import { present } from '../ops/answers.ts';
import type { Snapshot } from '../ops/snapshots.ts';
import { defineTool } from './define.ts';
import { GuestResult, guestResult } from './guest-result.ts';
import { momentText } from './moments.ts';
import { Limit, Offset, pageOf, restOf } from './page.ts';
import { Description, SnapshotName, Vmid } from './params.ts';
import { Rows } from './rows.ts';
import { showTask, taskWait, WaitSeconds } from './task-result.ts';

/** Of each description in the list, in code points. */
const maxDescription = 1_000;

interface Entry {
  readonly name: string;
  readonly parent?: string;
  readonly depth: number;
  readonly taken_at?: string;
  readonly description?: string;
  readonly with_memory?: true;
  readonly unfinished?: string;
}

function describe(snapshot: Snapshot): Entry {
  const { name, parent, depth, takenAt, description, withMemory, state } = snapshot;
  return present({
    ...{ name, depth, parent, taken_at: takenAt?.toISOString(), unfinished: state },
    description: description === '' ? undefined : bound(description, maxDescription).text,
    with_memory: withMemory ? (true as const) : undefined,
  });
}

function line(snapshot: Entry): string {
  const { name, depth, taken_at, description = '', with_memory, unfinished } = snapshot;
  const marks = [with_memory && 'with memory', unfinished && `unfinished: ${clean(unfinished, 40)}`];
  const said = marks.filter((mark) => typeof mark === 'string').join(', ');
  return [
    `${'  '.repeat(Math.min(depth, 20))}${clean(name, 80)}: ${momentText(taken_at)}`,
    said === '' ? '' : ` (${said})`,
    description === '' ? '' : ` – ${clean(description, 200)}`,
  ].join('');
}

const family = { toolset: 'snapshots', target: 'guest', needs: 'api' } as const;

export const snapshotTools = [
  defineTool({
    ...family,
    name: 'proxmox_list_snapshots',
    title: 'List snapshots',
    about: 'Lists the snapshots of one guest, each after the one that it builds on.',
    effect: 'read',
    everyday: true,
    input: z.strictObject({ vmid: Vmid, limit: Limit, offset: Offset }),
    output: z.object({
      snapshots: Rows<Entry>(),
      total: z.number(),
      latest: z.string().optional(),
    }),
    async run({ vmid, ...part }, { ops, signal }) {
      const { snapshots, latest } = await ops.snapshots.list(vmid, signal);
      const shown = pageOf(snapshots, part).map(describe);
      return { snapshots: shown, total: snapshots.length, ...(latest !== undefined && { latest }) };
    },
    show({ snapshots, total, latest }, { vmid, offset }) {
      if (total === 0) return `Guest ${vmid} has no snapshots.`;
      const now = latest === undefined ? [] : [`The guest goes on from ${clean(latest, 80)}.`];
      return [...snapshots.map(line), ...now, ...restOf(snapshots.length, { total, offset })].join('\n');
    },
  }),
  defineTool({
    ...family,
    name: 'proxmox_create_snapshot',
    title: 'Take snapshot',
    about: 'Takes a snapshot of one guest, to which it can be rolled back.',
    effect: 'change',
    everyday: true,
    input: z.strictObject({
      vmid: Vmid,
      name: SnapshotName,
      description: Description.optional(),
      include_memory: z
        .boolean()
        .default(false)
        .meta({ description: 'Of a running VM, which then goes on from here' }),
      wait_seconds: WaitSeconds,
    }),
    output: GuestResult,
    async run({ vmid, name, description, include_memory, wait_seconds }, context) {
      const { guest, end } = await context.ops.snapshots.create(
        { vmid, name, description, withMemory: include_memory },
        taskWait(wait_seconds, context),
      );
      const of = `The snapshot ${name} of ${fullNameOf(guest)}`;
      return guestResult(vmid, { end, done: `${of} was taken.`, begun: `${of} is being taken.` });
    },
    show: showTask,
  }),
  defineTool({
    ...family,
    name: 'proxmox_rollback_snapshot',
    title: 'Roll back to snapshot',
    about: 'Rolls one guest back to a snapshot. Everything since is lost, and a running guest is stopped.',
    effect: 'destroy',
    input: z.strictObject({
      vmid: Vmid,
      name: SnapshotName,
      start: z.boolean().default(false).meta({ description: 'Start the guest afterwards' }),
      wait_seconds: WaitSeconds,
    }),
    output: GuestResult,
    async run({ vmid, name, start, wait_seconds }, context) {
      const { guest, end, status } = await context.ops.snapshots.rollBack(
        { vmid, name, start },
        taskWait(wait_seconds, context),
      );
      const who = subjectOf(guest);
      const now = status === undefined ? '' : ` It is ${clean(status, 40)} now.`;
      return guestResult(vmid, {
        end,
        done: `${who} was rolled back to the snapshot ${name}.${now}`,
        begun: `${who} is being rolled back to the snapshot ${name}.`,
      });
    },
    show: showTask,
  }),
  defineTool({
    ...family,
    name: 'proxmox_delete_snapshot',
    title: 'Delete snapshot',
    about: 'Deletes a snapshot of one guest. The guest itself stays as it is.',
    effect: 'destroy',
    input: z.strictObject({
      vmid: Vmid,
      name: SnapshotName,
      force: z
        .boolean()
        .default(false)
        .meta({ description: 'Delete its entry even where its disks cannot be removed' }),
      wait_seconds: WaitSeconds,
    }),
    output: GuestResult,
    async run({ vmid, name, force, wait_seconds }, context) {
      const { guest, end } = await context.ops.snapshots.delete(
        { vmid, name, force },
        taskWait(wait_seconds, context),
      );
      const of = `The snapshot ${name} of ${fullNameOf(guest)}`;
      return guestResult(vmid, { end, done: `${of} was deleted.`, begun: `${of} is being deleted.` });
    },
    show: showTask,
  }),
];
