/** The gateway as a process of its own: what signals, standard streams and restarts are about. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { eventually } from './harness.ts';

function dockerfile(): string {
  return readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8');
}

/** What the image tells the C library about memory. */
export function imageMemory(): Record<string, string> {
  const [, arenas = ''] = /MALLOC_ARENA_MAX=(\d+)/.exec(dockerfile()) ?? [];
  return { MALLOC_ARENA_MAX: arenas };
}

/** The options of Node with which the image runs the gateway. */
export function imageFlags(): string[] {
  const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile())?.[1] ?? '[]';
  return (JSON.parse(entrypoint) as string[]).filter((word) => word.startsWith('--'));
}

export interface GatewayProcess {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly stdout: () => string;
  /** Waits for the line of the log that names the address. */
  url(): Promise<URL>;
  /** Sends the signal and gives the exit code, or the signal that ended it. */
  stop(signal: NodeJS.Signals): Promise<number | string>;
}

export function spawnGateway(
  command: 'serve' | 'stdio',
  env: Record<string, string>,
  flags: readonly string[] = [],
): GatewayProcess {
  const child = spawn(process.execPath, [...flags, 'src/main.ts', command], {
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...env },
    stdio: 'pipe',
  });
  let stderr = '';
  let stdout = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  return {
    child,
    stderr: () => stderr,
    stdout: () => stdout,
    url: () =>
      eventually(() => {
        if (child.exitCode !== null) throw new Error(`it ended: ${stderr}`);
        const address = /"url":"([^"]+)"/.exec(stderr)?.[1];
        return address === undefined ? undefined : new URL(address);
      }, 10_000),
    async stop(signal) {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill(signal);
        await exited;
      }
      return child.exitCode ?? child.signalCode ?? 'unknown';
    },
  };
}
