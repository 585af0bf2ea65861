/** What tools say of the task that they have started, and how long they wait for it. */
import { z } from 'zod';
import { clean, fence } from '../base/text.ts';
import type { TaskEnd, TaskWait } from '../ops/api-room.ts';
import type { ToolContext } from './define.ts';

export const WaitSeconds = z
  .int()
  .min(0)
  .max(3600)
  .optional()
  .meta({ description: 'Seconds to wait; else to the end, 1 h at most' });

export const TaskResult = z.object({
  success: z.literal(true),
  message: z.string(),
  upid: z.string().optional(),
  node: z.string().optional(),
  task: z.enum(['ok', 'warnings', 'running']).optional(),
  warnings: z.number().optional(),
  log: z.array(z.string()).optional(),
});
export type TaskResult = z.output<typeof TaskResult>;

export function taskWait(waitS: number | undefined, { signal, onState }: ToolContext): TaskWait {
  return { signal, onState, waitMs: waitS === undefined ? undefined : waitS * 1000 };
}

/** `done` is a sentence on what is so now, `begun` on what goes on; without a task it was done at once. */
export function taskResult(
  end: TaskEnd | undefined,
  { done, begun }: { done: string; begun: string },
): TaskResult {
  if (end === undefined) return { success: true, message: done };
  const { upid, node, state, warnings, log } = end;
  const message =
    state === 'running'
      ? `${begun} The task ${upid} goes on; proxmox_wait_for_task follows it.`
      : `${done}${state === 'warnings' ? ` The task ended with ${warnings} warning${warnings === 1 ? '' : 's'}; see its log.` : ''}`;
  return {
    ...{ success: true, message, upid, node, task: state },
    ...(state === 'warnings' && { warnings }),
    // Of a task that went well nobody reads the log, and every line costs the reader.
    ...(state !== 'ok' && { log: log.map((line) => clean(line)) }),
  };
}

export function showTask({ message, log = [] }: TaskResult): string {
  return log.length === 0 ? message : `${message}\n${fence('task log', log.join('\n'))}`;
}
