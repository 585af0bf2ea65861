/** The namespaces of one pretend node: a root, processes, host name and network of its own. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type NamespaceProcess, pidNamespaceOf, processesOf } from './processes.ts';

export interface WorldOptions {
  readonly hostname?: string;
  /** Root's login shell; it must exist on the machine. */
  readonly shell?: string;
  /** Root's password; without one root has none and only keys open. */
  readonly password?: string;
}

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  /** Null where a signal ended it. */
  readonly code: number | null;
}

export interface World {
  /** Its first process, as the machine numbers it. */
  readonly pid: number;
  /** Where a file of the world lies for the machine. Absolute symbolic links on the way lead astray. */
  path(inside: string): string;
  /** Writes a file, with the directories above it. */
  write(inside: string, content: string | Buffer, mode?: number): void;
  /** Starts a program inside, in the network of the world unless told otherwise. */
  spawn(argv: readonly string[], options?: { network?: 'world' | 'machine' }): ChildProcessWithoutNullStreams;
  /** Runs a shell line inside, without sshd. */
  run(line: string, stdin?: string): Promise<Ran>;
  processes(): Promise<NamespaceProcess[]>;
  /** Ends every process of it; mounts and files go with the last. */
  close(): Promise<void>;
}

const standin = fileURLToPath(new URL('standin', import.meta.url));
const environment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' };
const readyTimeoutMs = 10_000;
const closeTimeoutMs = 5_000;

/** Throws where the namespaces cannot be made, and where the login shell is not there. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const { hostname = 'pve1', shell = '/bin/bash', password = '' } = options;
  if (!existsSync(shell)) throw new Error(`no node: there is no ${shell}`);
  const mountPoint = mkdtempSync(join(tmpdir(), 'pve-stand-'));
  const init = spawn(
    '/usr/bin/perl',
    ['-I', `${standin}/lib`, `${standin}/node-init`, standin, mountPoint, hostname, shell, password],
    { env: environment },
  );
  try {
    const pid = await readyPid(init);
    return createWorld(init, pid);
  } catch (error) {
    init.kill('SIGKILL');
    throw error;
  } finally {
    // The new root was moved away from there, so that nothing of the world lies on the machine.
    rmSync(mountPoint, { recursive: true });
  }
}

async function readyPid(init: ChildProcessWithoutNullStreams): Promise<number> {
  const complaint = text(init.stderr);
  let said = '';
  init.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said = (said + chunk).slice(0, 100);
  });
  const deadline = AbortSignal.timeout(readyTimeoutMs);
  for (;;) {
    // Two processes say it, in either order.
    const pid = /^(\d+)\n/m.exec(said)?.[1];
    if (pid !== undefined && said.includes('ready\n')) return Number(pid);
    await Promise.race([once(init.stdout, 'data', { signal: deadline }), once(init, 'close')]);
    if (init.exitCode !== null || init.signalCode !== null) throw new Error(`no node: ${await complaint}`);
  }
}

function createWorld(init: ChildProcessWithoutNullStreams, pid: number): World {
  // The world ends when this pipe does, so it cannot outlive the tests even where they are killed.
  setReferenced(init, false);
  const path = (inside: string) => `/proc/${pid}/root${inside}`;
  const start: World['spawn'] = (argv, { network = 'world' } = {}) => {
    const joined = ['--mount', '--pid', '--uts', '--ipc', ...(network === 'world' ? ['--net'] : [])];
    return spawn('nsenter', ['--target', String(pid), ...joined, '--wd=/root', '--', ...argv], {
      env: environment,
    });
  };
  return {
    pid,
    path,
    write(inside, content, mode = 0o644) {
      mkdirSync(dirname(path(inside)), { recursive: true });
      writeFileSync(path(inside), content, { mode });
    },
    spawn: start,
    async run(line, stdin = '') {
      const child = start(['/bin/sh', '-c', line]);
      child.stdin.on('error', () => {});
      child.stdin.end(stdin);
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), closed(child)]);
      return { stdout, stderr, code: child.exitCode };
    },
    async processes() {
      const namespace = await pidNamespaceOf(pid);
      return namespace === undefined ? [] : await processesOf(namespace);
    },
    async close() {
      setReferenced(init, true);
      init.stdin.end();
      const killer = setTimeout(() => process.kill(pid, 'SIGKILL'), closeTimeoutMs);
      await closed(init);
      clearTimeout(killer);
    },
  };
}

/** Whether a process of the stand keeps the tests' own process waiting; one that was forgotten must not. */
export function setReferenced(child: ChildProcessWithoutNullStreams, referenced: boolean): void {
  for (const handle of [child, child.stdin as Socket, child.stdout as Socket, child.stderr as Socket]) {
    if (referenced) handle.ref();
    else handle.unref();
  }
}

async function closed(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
