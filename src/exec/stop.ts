/** Ends a process group on the host, through a shell that waits there or a new one. */
import { setTimeout as pause } from 'node:timers/promises';
import { oneLine } from './launch.ts';
import { asStarted, type Shells } from './shells.ts';
import type { WaitingShell } from './spares.ts';
import { createStartReader } from './start-reader.ts';
import { stopScript } from './stop-script.ts';

const timeoutMs = 5_000;
/** A shell that was opened ahead may have died unheard: another one is taken if it says nothing for so long. */
const spareMs = 500;
/** The exit can overtake the output. */
const drainMs = 250;

const unreferenced = { ref: false };

/** Resolves to whether the host has confirmed that nothing of the group is left. */
export function createStop({ shells }: { shells: Shells }): (pgid: number) => Promise<boolean> {
  return async (pgid) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const spare = shells.takeSpare();
    // To stop twice does no harm, so whatever a shell cannot confirm is left to a new one.
    if (spare !== undefined && (await confirms(spare, pgid, { signal, heardWithinMs: spareMs }))) return true;
    const shell = await shells.open({ signal, urgent: true });
    return await confirms(shell, pgid, { signal, heardWithinMs: timeoutMs });
  };
}

async function confirms(
  shell: WaitingShell,
  pgid: number,
  { signal, heardWithinMs }: { signal: AbortSignal; heardWithinMs: number },
): Promise<boolean> {
  const started = asStarted(shell);
  const reader = createStartReader(shell.nonce, undefined);
  let sent = false;
  let hear: () => void = () => {};
  const heard = new Promise<true>((resolve) => {
    hear = () => resolve(true);
  });
  started.stdin.on('error', () => {});
  started.stderr.resume();
  started.stdout.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    if (reader.started) hear();
    if (reader.pgid === undefined || sent) return;
    sent = true;
    started.stdin.end(oneLine(stopScript(pgid)));
  });
  const over = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  try {
    const exit = started.exit;
    const deadline = pause(heardWithinMs, false, unreferenced);
    if (!(await Promise.race([heard, exit.then(() => true), deadline, over]))) return false;
    const ended = await Promise.race([exit, over]);
    await Promise.race([started.outputEnded, pause(drainMs, undefined, unreferenced)]);
    return reader.started && ended?.code === 0;
  } finally {
    started.release();
  }
}
