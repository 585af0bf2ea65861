/** Runs docker, and what else a check needs, as a person would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface Ran {
  /** Null where a signal ended it, as when its time was over. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Beside what docker itself needs; nothing else of this process's environment is handed on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly timeoutMs?: number;
  /** Also after stopAll(). */
  readonly late?: boolean;
}

const handedOn = ['PATH', 'HOME', 'DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'XDG_RUNTIME_DIR'];

function environment(): Record<string, string> {
  return Object.fromEntries(
    handedOn.flatMap((name) => [[name, process.env[name] ?? '']].filter(([, v]) => v)),
  );
}

const running = new Set<ChildProcess>();

let stopped = false;

export class Interrupted extends Error {}

/** Ends what runs now, and lets nothing more be started. */
export function stopAll(): void {
  stopped = true;
  for (const child of running) child.kill('SIGTERM');
}

/** Whatever its exit code. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  if (stopped && options.late !== true) throw new Interrupted('interrupted');
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    env: { ...environment(), ...options.env },
    timeout: options.timeoutMs ?? 300_000,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  running.add(child);
  child.once('close', () => running.delete(child));
  child.stdin.on('error', () => {});
  child.stdin.end(options.stdin ?? '');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}

/** Gives back stdout; throws with all that was said where the exit code is not 0. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code === 0) return stdout;
  throw new Error(`${argv.join(' ')}: exit code ${code}\n${stdout}${stderr}`.trim().slice(-4_000));
}

export async function docker(...args: string[]): Promise<string> {
  return await must(['docker', ...args]);
}

export async function inspect<T>(kind: 'image' | 'container' | 'volume', name: string): Promise<T> {
  const [found] = JSON.parse(await docker(kind, 'inspect', name)) as T[];
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

/** Fields of `docker container inspect` that the checks read. */
export interface ContainerFacts {
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Health?: { readonly Status: string };
  };
  readonly HostConfig: { readonly PortBindings: Readonly<Record<string, unknown>> };
  readonly Config: { readonly Env: readonly string[]; readonly Labels: Readonly<Record<string, string>> };
}
