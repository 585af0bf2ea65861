/** One signal for all that ends a call early: its caller, its time, and the end of the gateway. */

export type Why = 'cancelled' | 'too slow' | 'closing';

export interface Limit {
  readonly signal: AbortSignal;
  /** Why the signal was given; meaningless before. */
  why(): Why;
  /** To be called when the call has ended. */
  release(): void;
}

export interface Limits {
  begin(caller: AbortSignal, timeoutMs: number): Limit;
  /** Ends all calls under way, and every later one at once. */
  close(): void;
}

export function createLimits(): Limits {
  const running = new Set<AbortController>();
  let closed = false;
  return {
    begin(caller, timeoutMs) {
      const controller = new AbortController();
      const stop = (why: Why) => controller.abort(why);
      const cancel = () => stop('cancelled');
      const timer = setTimeout(stop, timeoutMs, 'too slow' satisfies Why);
      running.add(controller);
      caller.addEventListener('abort', cancel, { once: true });
      if (caller.aborted) cancel();
      if (closed) stop('closing');
      return {
        signal: controller.signal,
        why: () => controller.signal.reason as Why,
        release() {
          clearTimeout(timer);
          caller.removeEventListener('abort', cancel);
          running.delete(controller);
        },
      };
    },
    close() {
      closed = true;
      for (const controller of running) controller.abort('closing' satisfies Why);
    },
  };
}
