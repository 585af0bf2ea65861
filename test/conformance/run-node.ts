/** Runs a program on this Node, with a home of its own, and waits for its end. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Ended {
  /** The exit code, or what happened in place of an exit. */
  readonly code: number | string;
  /** Both streams. */
  readonly output: string;
}

/** `signal` kills it, as the end of its time does. */
export async function runNode(
  args: readonly string[],
  { withinMs, signal }: { withinMs: number; signal: AbortSignal },
): Promise<Ended> {
  const home = await mkdtemp(join(tmpdir(), 'conformance-home-'));
  const env = { PATH: process.env.PATH ?? '', HOME: home, NO_COLOR: '1' };
  try {
    return await new Promise<Ended>((resolve) => {
      execFile(
        process.execPath,
        args,
        { env, signal, timeout: withinMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : (error.code ?? `was killed after ${withinMs} ms`);
          resolve({ code, output: `${stdout}${stderr}` });
        },
      );
    });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
