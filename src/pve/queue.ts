/** How many calls are under way at once, and how many may wait for one of them to end. */
import { failure } from '../base/errors.ts';

export interface Queue {
  /**
   * Resolves when there is a place, with what leaves it again. Throws BUSY where too many wait already, and the reason
   * of the signal where that comes first.
   */
  enter(signal: AbortSignal): Promise<() => void>;
}

export function createQueue({ most, waiting }: { most: number; waiting: number }): Queue {
  let taken = 0;
  const queue: (() => void)[] = [];

  const leave = () => {
    const next = queue.shift();
    if (next === undefined) taken--;
    else next();
  };

  return {
    async enter(signal) {
      signal.throwIfAborted();
      if (taken < most) {
        taken++;
        return leave;
      }
      if (queue.length >= waiting)
        throw failure('BUSY', { what: 'calls waiting for the REST API of Proxmox VE', retryInS: 5 });
      await new Promise<void>((resolve, reject) => {
        const giveUp = () => {
          queue.splice(queue.indexOf(enter), 1);
          reject(signal.reason);
        };
        const enter = () => {
          signal.removeEventListener('abort', giveUp);
          resolve();
        };
        queue.push(enter);
        signal.addEventListener('abort', giveUp, { once: true });
      });
      return leave;
    },
  };
}
