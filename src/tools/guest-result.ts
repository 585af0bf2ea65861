/** What tools say of something that was done to one guest. */
import { z } from 'zod';
import type { Outcome } from '../ops/guest-task.ts';
import { TaskResult, taskResult } from './task-result.ts';

export const GuestResult = TaskResult.extend({ vmid: z.number() });
export type GuestResult = z.output<typeof GuestResult>;

export function guestResult(vmid: number, outcome: Outcome): GuestResult {
  return { ...taskResult(outcome.end, outcome), vmid };
}
