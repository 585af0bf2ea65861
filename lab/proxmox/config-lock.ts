/** The exclusive lock on a container's configuration that some of pct's verbs hold while they run. */
import { PveError } from './command-line.ts';
import type { LabNode } from './node.ts';
import type { Worker } from './worker.ts';

export interface LockRules {
  /** What runs as a task tells of its waiting on stdout, and fails with a status of its own. */
  readonly isTask: boolean;
}

/** Waits for the lock as long as pct does, then throws PveError. */
export async function withConfigLock<T>(
  self: Worker,
  { locks, pace }: LabNode,
  vmid: string,
  { isTask }: LockRules,
  action: () => Promise<T>,
): Promise<T> {
  const say = (text: string) => (isTask ? self.out(text) : self.err(text));
  let release = locks.take(Number(vmid));
  const waits = release === undefined;
  if (waits) {
    await say('trying to acquire lock...');
    release = await locks.takeWithin(Number(vmid), pace.lockMs, self.signal);
  }
  try {
    if (waits) await say(release === undefined ? '\n' : ' OK\n');
    if (release !== undefined) return await action();
  } finally {
    release?.();
  }
  const file = `/run/lock/lxc/pve-config-${vmid}.lock`;
  throw new PveError(`can't lock file '${file}' - got timeout`, isTask ? 255 : 4);
}
