/** Tasks: what the API begins and answers with a UPID, each with a log and an end of its own. */
import { toText } from '../byte-string.ts';
import { pause, unlessAborted } from '../process/notice.ts';
import type { LabNode } from '../proxmox/node.ts';
import type { Worker } from '../proxmox/worker.ts';
import { ApiError } from './api-error.ts';
import type { ApiUser } from './tokens.ts';

/** What a task is made of while it runs. */
export interface TaskRun extends Worker {
  /** A line of the log, or several. */
  log(text: string): void;
  /** A line of the log that counts: the task ends with `WARNINGS: n` unless it fails. */
  warn(text: string): void;
  /** Takes as long as a task does. */
  take(): Promise<void>;
}

export type TaskBody = (task: TaskRun) => Promise<unknown>;

export interface Task {
  readonly upid: string;
  readonly node: string;
  readonly pid: number;
  readonly pstart: number;
  /** Seconds since 1970. */
  readonly starttime: number;
  readonly type: string;
  readonly id: string;
  readonly user: string;
  readonly tokenName: string;
  readonly lines: readonly string[];
  /** `OK`, `WARNINGS: n` or why it failed; nothing while it runs. */
  readonly exitStatus: string | undefined;
  readonly endtime: number | undefined;
}

export interface Tasks {
  start(input: { node: LabNode; type: string; id: string; user: ApiUser }, body: TaskBody): Task;
  find(upid: string): Task | undefined;
  /** Latest first, at most 1000. */
  list(): readonly Task[];
  /** Ends a running task as a signal would. */
  stop(task: Task): void;
  stopAll(): void;
  /** How long a task takes at least, in milliseconds. */
  taskMs: number;
  /** Keeps every task from going on until the function that it returns is called. */
  hold(): () => void;
  /** The next task, of that type where one is given, fails with this text instead of doing anything. */
  failNext(text: string, type?: string): void;
  /** The next task, of that type where one is given, ends with one warning, its work done. */
  warnNext(text: string, type?: string): void;
}

const maxTasks = 1000;
const maxLines = 10_000;
const jiffiesPerSecond = 100;

interface Running extends Task {
  readonly lines: string[];
  exitStatus: string | undefined;
  endtime: number | undefined;
  warnings: number;
  readonly life: AbortController;
}

interface Injection {
  readonly kind: 'fail' | 'warn';
  readonly text: string;
  readonly type: string | undefined;
}

function hex(number: number): string {
  return number.toString(16).toUpperCase().padStart(8, '0');
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}

/** As PVE writes it: what would end the field is escaped in the id. */
function upidOf({ node, pid, pstart, starttime, type, id, user, tokenName }: Omit<Task, 'upid'>): string {
  const what = id.replaceAll(/[^A-Za-z0-9_.@-]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`);
  return `UPID:${node}:${hex(pid)}:${hex(pstart)}:${hex(starttime)}:${type}:${what}:${user}!${tokenName}:`;
}

export function createTasks({ taskMs }: { taskMs: number }): Tasks {
  const known = new Map<string, Running>();
  const injections: Injection[] = [];
  let held: Promise<void> = Promise.resolve();

  const take = async (signal: AbortSignal): Promise<void> => {
    await pause(tasks.taskMs, signal);
    await unlessAborted(held, signal);
  };

  const takeInjection = (type: string): Injection | undefined => {
    const at = injections.findIndex((each) => each.type === undefined || each.type === type);
    return at < 0 ? undefined : injections.splice(at, 1)[0];
  };

  const tasks: Tasks = {
    start({ node, type, id, user }, body) {
      const pid = node.processes.nextPid();
      const pstart = Math.floor(((Date.now() - node.machine.bootedMs()) / 1000) * jiffiesPerSecond) + pid;
      const facts = {
        ...{ node: node.name, pid, pstart, starttime: nowS(), type, id },
        user: user.userId,
        tokenName: user.tokenName,
        lines: [],
        exitStatus: undefined,
        endtime: undefined,
      };
      const task: Running = { ...facts, upid: upidOf(facts), warnings: 0, life: new AbortController() };
      known.set(task.upid, task);
      forgetOldest(known);
      void carryOut(task, body, takeInjection(type), take);
      return task;
    },
    find: (upid) => known.get(upid),
    list: () => [...known.values()].reverse(),
    stop: ({ upid }) => known.get(upid)?.life.abort(new Error('received interrupt')),
    stopAll() {
      for (const { life } of known.values()) life.abort(new Error('received interrupt'));
    },
    taskMs,
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return resolve;
    },
    failNext: (text, type) => void injections.push({ kind: 'fail', text, type }),
    warnNext: (text, type) => void injections.push({ kind: 'warn', text, type }),
  };
  return tasks;
}

function forgetOldest(known: Map<string, Running>): void {
  if (known.size <= maxTasks) return;
  const oldest = [...known.values()].find(({ exitStatus }) => exitStatus !== undefined);
  if (oldest !== undefined) known.delete(oldest.upid);
}

type Take = (signal: AbortSignal) => Promise<void>;

function runOf(task: Running, take: Take): TaskRun {
  const { signal } = task.life;
  const log = (text: string): void => {
    const lines = text.replace(/\n$/, '').split('\n');
    task.lines.push(...lines.slice(0, Math.max(0, maxLines - task.lines.length)));
  };
  const printed = async (bytes: string): Promise<void> => log(toText(bytes));
  return {
    ...{ log, signal, out: printed, err: printed },
    warn(text) {
      task.warnings += 1;
      log(`WARN: ${text}`);
    },
    sleep: (ms) => pause(ms, signal),
    take: () => take(signal),
  };
}

async function carryOut(
  task: Running,
  body: TaskBody,
  injection: Injection | undefined,
  take: Take,
): Promise<void> {
  const run = runOf(task, take);
  try {
    if (injection?.kind === 'fail') {
      await run.take();
      throw new ApiError(500, injection.text);
    }
    await body(run);
    if (injection !== undefined) run.warn(injection.text);
    run.signal.throwIfAborted();
    task.exitStatus = task.warnings === 0 ? 'OK' : `WARNINGS: ${task.warnings}`;
    run.log(`TASK ${task.exitStatus}`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    task.exitStatus = text.trim().replaceAll('\n', ' ');
    run.log(`TASK ERROR: ${text.trim()}`);
  }
  task.endtime = nowS();
}
