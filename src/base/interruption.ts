/** Lets waits end when a signal aborts, whatever it is that they wait for. */
import { failure } from './errors.ts';

export interface Interruption {
  /** Settles as the action does, or rejects with the signal's reason when that comes first. */
  race<T>(action: Promise<T>): Promise<T>;
}

/** The signal's reason must be an Error. */
export function interruption(signal: AbortSignal): Interruption {
  const waiting = new Set<(reason: unknown) => void>();
  const interrupt = () => {
    for (const reject of waiting) reject(signal.reason);
    waiting.clear();
  };
  signal.addEventListener('abort', interrupt, { once: true });
  return {
    race: (action) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          // Nobody else hears of it any more.
          action.catch(() => {});
          return reject(signal.reason);
        }
        waiting.add(reject);
        action.then(resolve, reject).finally(() => waiting.delete(reject));
      }),
  };
}

/** What is pending goes on for others; who gives it up gets CANCELLED_EARLY. */
export async function untilAborted<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await interruption(signal).race(pending);
  } catch (error) {
    throw signal.aborted ? failure('CANCELLED_EARLY', {}, { cause: error }) : error;
  }
}
