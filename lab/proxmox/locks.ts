/** Exclusive locks by guest, for those who may have to wait. */
import { createNotice } from '../process/notice.ts';

type Release = () => void;

export interface Locks {
  /** Takes the lock where it is free. */
  take(vmid: number): Release | undefined;
  /** Takes it as soon as it is free; nothing where that does not come in time. Rejects with the signal's reason. */
  takeWithin(vmid: number, withinMs: number, signal: AbortSignal): Promise<Release | undefined>;
}

export function createLocks(): Locks {
  const held = new Set<number>();
  const changed = createNotice();
  const take = (vmid: number): Release | undefined => {
    if (held.has(vmid)) return undefined;
    held.add(vmid);
    return () => {
      held.delete(vmid);
      changed.notify();
    };
  };
  return {
    take,
    async takeWithin(vmid, withinMs, signal) {
      const deadline = AbortSignal.timeout(withinMs);
      const either = AbortSignal.any([signal, deadline]);
      for (;;) {
        const release = take(vmid);
        if (release !== undefined) return release;
        await changed.wait(either).catch(() => signal.throwIfAborted());
        if (deadline.aborted) return take(vmid);
      }
    },
  };
}
