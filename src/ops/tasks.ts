/** What Proxmox VE does in the background, now and before. */
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { failure, GatewayError } from '../base/errors.ts';
import { guestsOfUpid } from '../base/task-guests.ts';
import { apiPath } from '../pve/api-path.ts';
import { endOf, exitOf, type LogTail, readTail, type TaskState as State } from '../pve/task-log.ts';
import { parseUpid, type TaskEnd, type TaskWait, type Upid } from '../pve/tasks.ts';
import { Anything, Num, Text } from './answers.ts';
import type { ApiRoom } from './api-room.ts';
import { timeOf } from './times.ts';

/** How tools see the state of a task. */
export type TaskState = State;
export const taskStates = ['running', 'ok', 'warnings', 'failed'] as const satisfies readonly TaskState[];

export interface Task {
  readonly upid: string;
  readonly node: string;
  readonly type: string;
  /** What it is about, mostly a guest's id; may be empty. */
  readonly id: string;
  readonly user: string;
  readonly state: TaskState;
  /** In Proxmox VE's words; undefined while it runs. */
  readonly exit: string | undefined;
  readonly startedAt: Date | undefined;
  readonly endedAt: Date | undefined;
}

export interface TaskQuery {
  readonly node?: string | undefined;
  readonly vmid?: number | undefined;
  /** Such as vzdump. */
  readonly type?: string | undefined;
  readonly state?: TaskState | undefined;
}

export interface FoundTasks {
  /** The latest first. */
  readonly tasks: readonly Task[];
  /** Whether there are no older ones that would fit. */
  readonly complete: boolean;
  /** Nodes that were asked and did not answer. */
  readonly silent: readonly string[];
}

export interface TaskList {
  /**
   * Without node and guest: the latest tasks of all nodes, as the cluster remembers them. Otherwise from the nodes'
   * own archives, at most 500 of each.
   */
  find(query: TaskQuery, signal: AbortSignal): Promise<FoundTasks>;
  /** With the last `lines` lines of its log. Throws INVALID_ARGUMENT for what is no task of this cluster. */
  show(upid: string, lines: number, signal: AbortSignal): Promise<Task & { readonly log: LogTail }>;
  /** Throws TASK_FAILED with exit status and log; TASK_LEFT_RUNNING where the caller cancels meanwhile. */
  wait(upid: string, wait: TaskWait): Promise<TaskEnd & { readonly name: string }>;
  /** Asks the task to end and waits for it at most 10 s. One that has ended is left as it is. */
  stop(upid: string, signal: AbortSignal): Promise<{ readonly before: Task; readonly after: Task }>;
}

const Listed = z.array(
  z.object({
    ...{ upid: z.string(), node: Text, type: Text, id: Text, user: Text, status: Text },
    ...{ starttime: Num, endtime: Num },
  }),
);
const archiveLimit = 500;
const filters = { ok: 'ok', warnings: 'warning', failed: 'error' } as const;
const stopsWithinMs = 10_000;
const lookMs = 250;

export function createTaskList({ pve, tasks, inventory }: ApiRoom): TaskList {
  /** SECURITY: what is sent to a node goes to no other address than the cluster's own. */
  const known = async (upid: string, signal: AbortSignal): Promise<Upid> => {
    const task = parseUpid(upid);
    if (task !== undefined && (await inventory.nodes(signal)).includes(task.node)) return task;
    throw failure('INVALID_ARGUMENT', { problem: 'upid: this cluster has no such task' });
  };

  const look = async (task: Upid, signal: AbortSignal): Promise<Task> => {
    const exit = await exitOf(pve, task, { signal });
    return { ...task, state: endOf(exit).state, exit, endedAt: undefined };
  };

  /** As it is when it has ended, or when it has had its time. */
  const ended = async (task: Upid, signal: AbortSignal): Promise<Task> => {
    const until = performance.now() + stopsWithinMs;
    for (;;) {
      const state = await look(task, signal);
      if (state.state !== 'running' || performance.now() >= until) return state;
      await pause(lookMs, undefined, { signal });
    }
  };

  const recent = async (signal: AbortSignal): Promise<Task[]> => {
    const action = 'list the tasks of the cluster';
    const path = apiPath`/cluster/tasks`;
    return (await pve.request({ method: 'GET', path, signal, action }, Listed)).flatMap(listed);
  };

  const archived = async (node: string, query: TaskQuery, signal: AbortSignal): Promise<Task[]> => {
    const { state, vmid, type } = query;
    const filter = state === undefined || state === 'running' ? undefined : filters[state];
    const params = {
      ...{ limit: archiveLimit, vmid, typefilter: type, statusfilter: filter },
      source: state === 'running' ? 'active' : filter === undefined ? 'all' : 'archive',
    };
    const path = apiPath`/nodes/${node}/tasks`;
    const action = `list the tasks of ${node}`;
    return (await pve.request({ method: 'GET', path, params, signal, action }, Listed)).flatMap(listed);
  };

  return {
    async find(query, signal) {
      const { node, vmid } = query;
      if (node === undefined && vmid === undefined)
        return { tasks: ordered(await recent(signal), query), complete: false, silent: [] };
      // A guest may have lived on any of them.
      const nodes = node === undefined ? await inventory.nodes(signal) : [node];
      const answers = await Promise.all(
        nodes.map((each) =>
          archived(each, query, signal).catch((error: unknown) => {
            if (nodes.length > 1 && error instanceof GatewayError && error.retryable) return undefined;
            throw error;
          }),
        ),
      );
      return {
        tasks: ordered(
          answers.flatMap((found) => found ?? []),
          query,
        ),
        complete: answers.every((found) => found === undefined || found.length < archiveLimit),
        silent: nodes.filter((_node, index) => answers[index] === undefined),
      };
    },
    async show(upid, lines, signal) {
      const task = await known(upid, signal);
      const [state, log] = await Promise.all([
        look(task, signal),
        readTail(pve, task, { lines }, { signal }),
      ]);
      return { ...state, log };
    },
    async wait(upid, wait) {
      const { type, id } = await known(upid, wait.signal);
      const end = await tasks.follow({ upid, action: `carry out ${nameOf({ type, id })}` }, wait);
      return { ...end, name: nameOf({ type, id }) };
    },
    async stop(upid, signal) {
      const task = await known(upid, signal);
      const before = await look(task, signal);
      if (before.state !== 'running') return { before, after: before };
      const path = apiPath`/nodes/${task.node}/tasks/${upid}`;
      const action = `stop the task ${upid}`;
      await pve.request({ method: 'DELETE', path, signal, action }, Anything);
      try {
        return { before, after: await ended(task, signal) };
      } catch (error) {
        const problem = 'it was told to end, and its state afterwards could not be read';
        throw failure('API_OUTCOME_UNKNOWN', { action, problem }, { cause: error });
      }
    },
  };
}

/** «vzdump 100». */
export function nameOf({ type, id }: Pick<Task, 'type' | 'id'>): string {
  return id === '' ? type : `${type} ${id}`;
}

function listed(entry: z.output<typeof Listed>[number]): Task[] {
  const task = parseUpid(entry.upid);
  // What cannot be named cannot be followed.
  if (task === undefined) return [];
  const exit = entry.endtime === undefined ? undefined : (entry.status ?? 'unknown');
  return [{ ...task, state: endOf(exit).state, exit, endedAt: timeOf(entry.endtime) }];
}

/** Each once: a task that ends meanwhile is both active and in the archive. */
function ordered(found: readonly Task[], { vmid, type, state }: TaskQuery): Task[] {
  const byUpid = new Map(found.map((task) => [task.upid, task]));
  return [...byUpid.values()]
    .filter(
      (task) =>
        (vmid === undefined || [guestsOfUpid(task.upid)].flat().includes(vmid)) &&
        (type === undefined || task.type === type) &&
        (state === undefined || task.state === state),
    )
    .sort((one, other) => Number(other.startedAt ?? 0) - Number(one.startedAt ?? 0));
}
