/** Surveys of one source: kept for a moment, and shared by all who ask for one at the same time. */
import { untilAborted } from '../base/interruption.ts';
import type { Survey } from './survey.ts';

export interface Lookout {
  /** The latest, where it is at most 5 s old. */
  known(): Survey | undefined;
  /** What is known, or else a new one. */
  recent(signal: AbortSignal): Promise<Survey>;
  /** One that ends after this call, though it may have begun before. */
  shared(signal: AbortSignal): Promise<Survey>;
  /** One that begins now. */
  fresh(signal: AbortSignal): Promise<Survey>;
}

const freshMs = 5_000;
const sharedTimeoutMs = 60_000;

export function createLookout(look: (signal: AbortSignal) => Promise<Survey>): Lookout {
  let latest: { readonly survey: Survey; readonly at: number } | undefined;
  let pending: Promise<Survey> | undefined;

  const fresh = async (signal: AbortSignal): Promise<Survey> => {
    const begunAt = performance.now();
    const survey = await look(signal);
    // One that began earlier and took longer knows less.
    if (latest === undefined || latest.at < begunAt) latest = { survey, at: begunAt };
    return survey;
  };

  const known = (): Survey | undefined =>
    latest !== undefined && performance.now() - latest.at < freshMs ? latest.survey : undefined;

  const shared = async (signal: AbortSignal): Promise<Survey> => {
    pending ??= fresh(AbortSignal.timeout(sharedTimeoutMs)).finally(() => {
      pending = undefined;
    });
    return await untilAborted(pending, signal);
  };

  return { known, shared, fresh, recent: async (signal) => known() ?? (await shared(signal)) };
}
