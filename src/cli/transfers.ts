/** What transfers need besides calls: a folder that is there, and somebody who sweeps. */
import { mkdirSync } from 'node:fs';
import { GatewayError } from '../base/errors.ts';
import { describeError, type Log } from '../observe/log.ts';
import { createTransferFolder, type TransferFolder } from '../ops/files/transfer-folder.ts';
import type { Files } from '../ops/files.ts';

/** One that cannot be made is told to whoever wants to use it; nothing else depends on it. */
export function openTransferFolder(directory: string): TransferFolder {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch {}
  return createTransferFolder({ directory });
}

const everyMs = 10_000;
const localEveryMs = 3600_000;
/** No transfer takes longer: what is older is nobody's. */
const localAgeMs = 25 * 3600_000;

/** Sweeps when the host has been reached, and from then on regularly. */
export function sweepRegularly(input: { files: Files; connected: () => boolean; log: Log }): {
  close(): void;
} {
  const { files, connected, log } = input;
  const stop = new AbortController();
  let sweeping = false;

  const sweep = async () => {
    if (sweeping || !connected()) return;
    sweeping = true;
    try {
      await files.sweep(stop.signal);
    } catch (error) {
      const foreseen = error instanceof GatewayError;
      if (!foreseen) log.error('sweeping failed', { error: describeError(error) });
    } finally {
      sweeping = false;
    }
  };
  const sweepFolder = () => files.folder.sweep(localAgeMs).catch(() => {});
  void sweepFolder();
  const timers = [setInterval(sweep, everyMs), setInterval(sweepFolder, localEveryMs)];
  for (const timer of timers) timer.unref();
  return {
    close() {
      stop.abort();
      for (const timer of timers) clearInterval(timer);
    },
  };
}
