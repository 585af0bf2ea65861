/** Signals that a script handles: noted when they come, acted on between commands. */
import { findSignal, type SignalName } from '../process/signals.ts';
import type { Shell } from './shell.ts';

const pending = new WeakMap<Shell, SignalName[]>();

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
