/** Follows what Proxmox VE does in the background: from a UPID to how the task ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type ErrorCode, failure, GatewayError } from '../base/errors.ts';
import { clean } from '../base/text.ts';
import type { Pve, PveRequest } from './pve.ts';
import { endOf, exitOf, readTail } from './task-log.ts';

export interface Upid {
  readonly upid: string;
  readonly node: string;
  readonly type: string;
  /** What it is about, mostly a guest's id; may be empty. */
  readonly id: string;
  readonly user: string;
  readonly startedAt: Date;
}

/** How a task stands when a call stops waiting. A task that failed is an error: TASK_FAILED. */
export interface TaskEnd {
  readonly upid: string;
  readonly node: string;
  readonly state: 'ok' | 'warnings' | 'running';
  /** 0 unless state is 'warnings'. */
  readonly warnings: number;
  /** The last lines of its log, at most 20. */
  readonly log: readonly string[];
}

export interface TaskWait {
  readonly signal: AbortSignal;
  /** How long to wait, in ms; 0 does not wait. Undefined: to the end, at most an hour. */
  readonly waitMs: number | undefined;
  /** Hears the latest line of the log. */
  readonly onState?: ((text: string) => void) | undefined;
}

export interface Sent {
  readonly answer: unknown;
  readonly end: TaskEnd | undefined;
}

export interface Tasks {
  /** Sends a request whose answer is a UPID, and waits. Undefined where Proxmox VE did it at once, without a task. */
  run(request: Omit<PveRequest, 'signal'>, wait: TaskWait): Promise<TaskEnd | undefined>;
  /** Sends any request, and waits where it has begun a task; a GET begins none. */
  send(request: Omit<PveRequest, 'signal'>, wait: TaskWait): Promise<Sent>;
  /** Throws TASK_FAILED with exit status and log; TASK_LEFT_RUNNING where the caller cancels meanwhile. */
  follow(task: { upid: string; action: string }, wait: TaskWait): Promise<TaskEnd>;
}

/** Undefined for what is none. */
export function parseUpid(text: string): Upid | undefined {
  // SECURITY: Proxmox VE decodes a path before it routes it, so a slash in a UPID would lead to another endpoint.
  if (!/^[!-~]+$/.test(text) || /[/?#%]/.test(text)) return undefined;
  const match =
    /^UPID:([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?):[0-9A-F]{8}:[0-9A-F]{8,9}:([0-9A-F]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/i.exec(
      text,
    );
  if (match === null) return undefined;
  const [, node = '', started = '', type = '', id = '', user = ''] = match;
  return { upid: text, node, type, id, user, startedAt: new Date(Number.parseInt(started, 16) * 1000) };
}

/** Without a limit of the caller's: nobody waits longer for one call. */
const maxWaitMs = 3_600_000;
const firstPollMs = 50;
const maxPollMs = 1_000;
const betweenStatesMs = 2_000;
/** A node that restarts is back within minutes, and its task then has an end that can be told. */
const patienceMs = 300_000;
const minLookMs = 2_000;
const maxLookMs = 30_000;
const logLookMs = 5_000;
const maxLogLines = 20;
const maxLineChars = 200;

/** What a task without an end is asked for again; anything else is a reason to stop asking. */
const passing: readonly ErrorCode[] = [
  'API_NO_ANSWER',
  'API_UNREACHABLE',
  'API_TLS_REFUSED',
  'UNEXPECTED_ANSWER',
  'BUSY',
];

const Anything = z.unknown();

interface Followed extends Upid {
  readonly action: string;
}

export function createTasks({ pve }: { pve: Pve }): Tasks {
  const follow = async (task: Followed, wait: TaskWait): Promise<TaskEnd> => {
    const { signal, waitMs, onState } = wait;
    const { upid, node } = task;
    const tail = createTail(pve, task, signal);
    const startedAt = performance.now();
    const until = startedAt + Math.min(waitMs ?? maxWaitMs, maxWaitMs);
    let readAt = startedAt;
    let toldAt = startedAt - betweenStatesMs / 2;
    for (let pollMs = firstPollMs; ; pollMs = Math.min(maxPollMs, pollMs * 1.5)) {
      const timeoutMs = Math.min(maxLookMs, Math.max(minLookMs, until - performance.now()));
      const look = await exitOf(pve, task, { signal, timeoutMs }).then(
        (exit) => ({ exit }),
        (error: unknown) => {
          if (performance.now() - readAt < patienceMs && isPassing(error)) return undefined;
          throw error;
        },
      );
      const now = performance.now();
      if (look !== undefined) readAt = now;
      if (look?.exit !== undefined) return ended(task, look.exit, await tail());
      // Who has just not answered is not asked for more.
      if (now >= until)
        return { upid, node, state: 'running', warnings: 0, log: look === undefined ? [] : await tail() };
      if (look !== undefined && onState !== undefined && now - toldAt >= betweenStatesMs) {
        toldAt = now;
        const latest = (await tail()).findLast((line) => line.trim() !== '');
        if (latest !== undefined) onState(clean(latest, maxLineChars));
      }
      await sleep(Math.max(1, Math.min(pollMs, until - now)), undefined, { signal });
    }
  };

  /** Whoever stops waiting leaves the task as it is. */
  const leaving = (task: Followed, error: unknown) => {
    const { action, upid } = task;
    return failure('TASK_LEFT_RUNNING', { action, upid }, { cause: error });
  };

  const send = async (request: Omit<PveRequest, 'signal'>, wait: TaskWait): Promise<Sent> => {
    const answer = await pve.request({ ...request, signal: wait.signal }, Anything);
    const upid = request.method !== 'GET' && typeof answer === 'string' ? parseUpid(answer) : undefined;
    if (upid === undefined) return { answer, end: undefined };
    const task = { ...upid, action: request.action };
    const end = await follow(task, wait).catch((error: unknown) => {
      throw hasFailed(error) ? error : leaving(task, error);
    });
    return { answer, end };
  };

  return {
    send,
    run: async (request, wait) => (await send({ ...request, startsTask: true }, wait)).end,
    async follow({ upid: text, action }, wait) {
      const upid = parseUpid(text);
      if (upid === undefined) throw failure('INVALID_ARGUMENT', { problem: 'upid: is not the id of a task' });
      const task = { ...upid, action };
      return await follow(task, wait).catch((error: unknown) => {
        throw !hasFailed(error) && (wait.signal.aborted || isPassing(error)) ? leaving(task, error) : error;
      });
    },
  };
}

function isPassing(error: unknown): boolean {
  return error instanceof GatewayError && passing.includes(error.code);
}

function hasFailed(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'TASK_FAILED';
}

function ended({ action, upid, node }: Followed, exit: string, log: readonly string[]): TaskEnd {
  const { state, warnings } = endOf(exit);
  if (state === 'ok' || state === 'warnings') return { upid, node, state, warnings, log };
  const stderr = [exit, ...log].map((line) => clean(line, maxLineChars)).join('\n');
  throw failure('TASK_FAILED', { action, upid }, { evidence: { stderr } });
}

/** The end of a task's log, which grows meanwhile. What cannot be read is empty: the state is what counts. */
function createTail(pve: Pve, task: Upid, signal: AbortSignal): () => Promise<readonly string[]> {
  let known = 0;
  return async () => {
    try {
      const look = { signal, timeoutMs: logLookMs };
      const { lines, total } = await readTail(pve, task, { lines: maxLogLines, known }, look);
      known = total;
      return lines;
    } catch (error) {
      if (error instanceof GatewayError && !signal.aborted) return [];
      throw error;
    }
  };
}
