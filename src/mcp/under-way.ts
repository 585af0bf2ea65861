/** The calls under way, and their end when the gateway stops. */
import { setTimeout as pause } from 'node:timers/promises';

export interface UnderWay {
  /** Is aborted when calls have to end. */
  readonly ended: AbortSignal;
  readonly draining: boolean;
  during<T>(serving: Promise<T>): Promise<T>;
  /** Waits at most graceMs for calls, then cancels them and waits for their end, at most 6 s. */
  drain(graceMs: number): Promise<void>;
}

/** How long a cancelled call may take to end before it is left behind. */
const cancelledWithinMs = 6_000;

export function createUnderWay(): UnderWay {
  const calls = new Set<Promise<unknown>>();
  const cancelAll = new AbortController();
  let draining = false;
  return {
    ended: cancelAll.signal,
    get draining() {
      return draining;
    },
    async during(serving) {
      calls.add(serving);
      return await serving.finally(() => calls.delete(serving));
    },
    async drain(graceMs) {
      draining = true;
      const ended = Promise.allSettled([...calls]);
      const late = await Promise.race([ended, pause(graceMs, 'late', { ref: false })]);
      cancelAll.abort();
      if (late === 'late') await Promise.race([ended, pause(cancelledWithinMs, undefined, { ref: false })]);
    },
  };
}
