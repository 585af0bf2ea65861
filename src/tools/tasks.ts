/** Seeing, awaiting and stopping tasks. */
import { z } from 'zod';
import { durationText } from '../base/quantities.ts';
import { guestsOfUpid } from '../base/task-guests.ts';
import { clean, fence } from '../base/text.ts';
import { nameOf, type Task, type TaskState, taskStates } from '../ops/tasks.ts';
import { defineTool } from './define.ts';
import { momentText } from './moments.ts';
import { Limit, Offset, pageOf, restOf } from './page.ts';
import { NodeName, Vmid } from './params.ts';
import { Open, Rows } from './rows.ts';
import { showTask, TaskResult, taskResult, taskWait, WaitSeconds } from './task-result.ts';

const Upid = z.string().max(512).meta({ description: 'Id of the task: UPID:…' });

const States = z.enum(taskStates);

interface TaskRow {
  readonly upid: string;
  readonly node: string;
  readonly type: string;
  /** What it is about, mostly the id of a guest. */
  readonly id: string;
  readonly user: string;
  readonly state: TaskState;
  readonly exit_status?: string;
  /** ISO 8601, UTC. */
  readonly started_at?: string;
  readonly ended_at?: string;
}

const family = { toolset: 'tasks', target: 'cluster', needs: 'api' } as const;
/** SECURITY: a task is as far out of reach as the guests are that it tells of. */
const ofGuest = { reaches: ({ upid }: { upid: string }) => guestsOfUpid(upid) };

export const taskTools = [
  defineTool({
    ...family,
    name: 'proxmox_list_tasks',
    title: 'List tasks',
    about: 'Lists tasks, latest first: the recent ones of all nodes or, with node or vmid, older ones, too.',
    effect: 'read',
    target: 'cluster',
    everyday: true,
    input: z.strictObject({
      node: NodeName.optional(),
      vmid: Vmid.optional(),
      type: z.string().max(64).optional().meta({ description: 'Such as vzdump or qmstart' }),
      state: States.optional(),
      limit: Limit,
      offset: Offset,
    }),
    output: z.object({
      total: z.number(),
      offset: z.number(),
      complete: z.boolean().meta({ description: 'Whether there are no older ones' }),
      tasks: Rows<TaskRow>(),
      silent_nodes: z.array(z.string()).optional(),
    }),
    async run({ limit, offset, ...query }, context) {
      const { tasks, complete, silent } = await context.ops.tasks.find(query, context.signal);
      const seen = tasks.filter(({ upid }) => [guestsOfUpid(upid)].flat().every(context.mayReach));
      return {
        total: seen.length,
        ...{ offset, complete },
        tasks: pageOf(seen, { limit, offset }).map(row),
        ...(silent.length > 0 && { silent_nodes: [...silent] }),
      };
    },
    show({ tasks, complete, silent_nodes: silent = [], ...page }) {
      const none = complete
        ? 'There are no such tasks.'
        : 'There are none among the recent tasks; with node or vmid, older ones are looked at, too.';
      return [
        ...(page.total === 0 ? [none] : tasks.map(line)),
        ...restOf(tasks.length, page),
        ...(silent.length === 0 ? [] : [`Nodes that did not answer: ${silent.join(', ')}.`]),
      ].join('\n');
    },
  }),
  defineTool({
    ...family,
    ...ofGuest,
    name: 'proxmox_task_status',
    title: 'Task status',
    about: 'Tells whether a task runs or how it ended, with the last lines of its log.',
    effect: 'read',
    everyday: true,
    input: z.strictObject({ upid: Upid, log_lines: z.int().min(0).max(500).default(20) }),
    output: z.object({ task: Open<TaskRow>(), log: z.array(z.string()), log_total_lines: z.number() }),
    async run({ upid, log_lines: lines }, context) {
      const { log, ...task } = await context.ops.tasks.show(upid, lines, context.signal);
      return { task: row(task), log: log.lines.map((text) => clean(text)), log_total_lines: log.total };
    },
    show({ task, log, log_total_lines: total }) {
      const head = `${line(task)}\n${task.upid}`;
      if (log.length === 0) return head;
      const part = log.length < total ? `last ${log.length} of ${total} lines of the log` : 'log';
      return `${head}\n${fence(part, log.join('\n'))}`;
    },
  }),
  defineTool({
    ...family,
    ...ofGuest,
    name: 'proxmox_wait_for_task',
    title: 'Wait for a task',
    about: 'Waits until a task has ended; one that fails is an error with the end of its log.',
    effect: 'read',
    everyday: true,
    input: z.strictObject({ upid: Upid, wait_seconds: WaitSeconds }),
    output: TaskResult,
    async run({ upid, wait_seconds: seconds }, context) {
      const end = await context.ops.tasks.wait(upid, taskWait(seconds, context));
      const name = clean(`${end.name} on ${end.node}`, 300);
      const done = `The task ${name} has ended${end.state === 'ok' ? ' well' : ''}.`;
      return taskResult(end, { done, begun: `${name} still runs.` });
    },
    show: showTask,
  }),
  defineTool({
    ...family,
    ...ofGuest,
    name: 'proxmox_stop_task',
    title: 'Stop task',
    about: 'Interrupts a running task, such as a backup; what it has done by then may be half done.',
    effect: 'disrupt',
    idempotent: true,
    input: z.strictObject({ upid: Upid }),
    output: z.object({ success: z.literal(true), message: z.string(), task: Open<TaskRow>() }),
    async run({ upid }, context) {
      const { before, after } = await context.ops.tasks.stop(upid, context.signal);
      return { success: true as const, message: stopped(before, after), task: row(after) };
    },
    show: ({ message, task }) => `${message}\n${line(task)}`,
  }),
];

function stopped(before: Task, after: Task): string {
  if (before.state !== 'running') return 'The task had already ended.';
  return after.state === 'running'
    ? 'The task was told to end, and has not yet; proxmox_wait_for_task tells when it has.'
    : 'The task was stopped.';
}

function row({ upid, node, type, id, user, state, exit, startedAt, endedAt }: Task): TaskRow {
  return {
    ...{ upid, node, type, id, user, state },
    ...(exit !== undefined && { exit_status: clean(exit) }),
    ...(startedAt !== undefined && { started_at: startedAt.toISOString() }),
    ...(endedAt !== undefined && { ended_at: endedAt.toISOString() }),
  };
}

/** «2026-11-21 01:06:19 UTC vzstart 101 on pve1 by root@pam: ok, after 2 s». */
function line(task: TaskRow): string {
  const { started_at: start, ended_at: end, state, exit_status: exit } = task;
  const how = exit === undefined || state === 'ok' ? state : `${state} (${clean(exit, 200)})`;
  const took = start && end ? `, after ${durationText((Date.parse(end) - Date.parse(start)) / 1000)}` : '';
  const when = start === undefined ? '' : `${momentText(start)} `;
  return clean(`${when}${nameOf(task)} on ${task.node} by ${task.user}: ${how}${took}`, 600);
}
