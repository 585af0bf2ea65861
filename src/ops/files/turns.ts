/** One at a time for each key, in the order of asking. */
import { failure } from '../../base/errors.ts';

export interface Turns {
  /** Resolves when it is the caller's turn, with what ends it. Throws TRANSFER_CANCELLED, and BUSY behind 64 others. */
  take(key: number, signal: AbortSignal): Promise<() => void>;
}

const maxWaiting = 64;

export function createTurns(): Turns {
  const queues = new Map<number, (() => void)[]>();

  const leave = (key: number) => {
    const queue = queues.get(key);
    const next = queue?.shift();
    if (next === undefined) queues.delete(key);
    else next();
  };

  return {
    async take(key, signal) {
      if (signal.aborted) throw failure('TRANSFER_CANCELLED', {});
      const queue = queues.get(key);
      const end = once(() => leave(key));
      if (queue === undefined) {
        queues.set(key, []);
        return end;
      }
      if (queue.length >= maxWaiting)
        throw failure('BUSY', { what: 'transfers for one container', retryInS: 10 });
      await new Promise<void>((resolve, reject) => {
        const cancel = () => {
          const at = queue.indexOf(enter);
          if (at >= 0) queue.splice(at, 1);
          reject(failure('TRANSFER_CANCELLED', {}));
        };
        const enter = () => {
          signal.removeEventListener('abort', cancel);
          resolve();
        };
        queue.push(enter);
        signal.addEventListener('abort', cancel, { once: true });
      });
      return end;
    },
  };
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
