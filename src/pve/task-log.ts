/** How a task stands and what it has said, as its node tells. */
import { z } from 'zod';
import { apiPath } from './api-path.ts';
import type { Pve } from './pve.ts';

export type TaskState = 'running' | 'ok' | 'warnings' | 'failed';

interface Look {
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

type Named = { readonly upid: string; readonly node: string };

export interface LogTail {
  readonly lines: readonly string[];
  /** Lines of the whole log. */
  readonly total: number;
}

const Status = z.looseObject({ status: z.string(), exitstatus: z.string().nullish() });
const Log = z.looseObject({
  total: z.coerce.number().nullish(),
  data: z.array(z.looseObject({ t: z.string().nullish() })).nullish(),
});

/** Its exit status in Proxmox VE's words; undefined while it runs. */
export async function exitOf(
  pve: Pve,
  { node, upid }: Named,
  { signal, timeoutMs }: Look,
): Promise<string | undefined> {
  const path = apiPath`/nodes/${node}/tasks/${upid}/status`;
  const action = `tell the state of the task ${upid}`;
  const bounds = timeoutMs === undefined ? {} : { timeoutMs };
  const { status, exitstatus } = await pve.request(
    { method: 'GET', path, action, signal, ...bounds },
    Status,
  );
  if (status !== 'stopped') return undefined;
  // Of what was killed, nobody has written how it ended.
  return exitstatus ?? 'unexpected status';
}

/** `OK`, `WARNINGS: 2`, or what went wrong; `warnings` is 0 unless there are some. */
export function endOf(exit: string | undefined): { state: TaskState; warnings: number } {
  const warnings = /^WARNINGS: (\d{1,9})$/.exec(exit ?? '')?.[1];
  if (warnings !== undefined) return { state: 'warnings', warnings: Number(warnings) };
  return { state: exit === undefined ? 'running' : exit === 'OK' ? 'ok' : 'failed', warnings: 0 };
}

/** The last `lines` lines; `known` is how many lines the log had before, 0 where nobody has looked. */
export async function readTail(
  pve: Pve,
  { node, upid }: Named,
  { lines, known = 0 }: { lines: number; known?: number },
  { signal, timeoutMs }: Look,
): Promise<LogTail> {
  const path = apiPath`/nodes/${node}/tasks/${upid}/log`;
  const action = `read the log of the task ${upid}`;
  const bounds = timeoutMs === undefined ? {} : { timeoutMs };
  const read = async (start: number): Promise<LogTail> => {
    const params = { start, limit: Math.max(1, lines) };
    const request = { method: 'GET', path, params, action, signal, whole: true, ...bounds } as const;
    const { total, data } = await pve.request(request, Log);
    const found = (data ?? []).map(({ t }) => t ?? '');
    return { lines: lines === 0 ? [] : found, total: Math.max(total ?? 0, start + found.length) };
  };
  const start = Math.max(0, known - lines);
  const first = await read(start);
  return first.total > start + lines && lines > 0 ? await read(first.total - lines) : first;
}
