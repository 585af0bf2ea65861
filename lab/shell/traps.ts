/** Signals that a script handles: noted when they come, acted on between commands. */
import { findSignal, type SignalName, signalNumber } from '../process/signals.ts';
import type { Shell } from './shell.ts';

const pending = new WeakMap<Shell, SignalName[]>();
const waits = new WeakMap<Shell, AbortController>();

/** What a handled signal does to a builtin that waits. */
class Interrupted extends Error {
  readonly status: number;
  constructor(signal: SignalName) {
    super(`interrupted by ${signal}`);
    this.status = 128 + signalNumber(signal);
  }
}

/** The most signals that wait for a script at one time. */
const maxPending = 64;

/** `action` undefined restores the default, the empty string ignores. */
export function setTrap(shell: Shell, condition: string, action: string | undefined): boolean {
  const { self, traps } = shell;
  if (condition === 'EXIT' || condition === '0') {
    if (action === undefined) traps.delete('EXIT');
    else traps.set('EXIT', action);
    return true;
  }
  const signal = findSignal(condition);
  if (signal === undefined) return false;
  self.ignored.delete(signal);
  self.handlers.delete(signal);
  traps.delete(signal);
  if (action === undefined) return true;
  traps.set(signal, action);
  if (action === '') self.ignored.add(signal);
  else
    self.handlers.set(signal, () => {
      const waiting = pending.get(shell) ?? [];
      if (waiting.length < maxPending) waiting.push(signal);
      pending.set(shell, waiting);
      waits.get(shell)?.abort(new Interrupted(signal));
    });
  return true;
}

export async function runTraps(shell: Shell): Promise<void> {
  for (;;) {
    const signal = pending.get(shell)?.shift();
    if (signal === undefined) return;
    const { status } = shell;
    await shell.runner.evaluate(shell, shell.traps.get(signal) ?? '');
    shell.status = status;
  }
}

/** Runs what may wait long; a signal that the script handles ends it with 128 and the signal's number. */
export async function untilSignalled(
  shell: Shell,
  action: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const [waiting] = pending.get(shell) ?? [];
  if (waiting !== undefined) return 128 + signalNumber(waiting);
  const interruption = new AbortController();
  waits.set(shell, interruption);
  try {
    return await action(AbortSignal.any([shell.self.signal, interruption.signal]));
  } catch (error) {
    if (error instanceof Interrupted) return error.status;
    throw error;
  } finally {
    waits.delete(shell);
  }
}
