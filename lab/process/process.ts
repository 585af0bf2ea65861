/** A process of a pretend machine: identity, descriptors, signals, and its end. */
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { FsError } from '../files/fs-error.ts';
import type { Credentials } from '../files/inode.ts';
import type { Tree } from '../files/tree.ts';
import { pause } from './notice.ts';
import { type FdTable, type OpenFile, releaseFds } from './open-file.ts';
import { harmless, type SignalName, signalNumber } from './signals.ts';

/** A program runs inside a process and returns its exit status, 0 to 255. */
export type Program = (self: Process) => Promise<number>;

export type Exit = { readonly code: number } | { readonly signal: SignalName };

/** What a shell makes of an exit: 128 + n after a signal. */
export function statusOf(exit: Exit): number {
  return 'code' in exit ? exit.code : 128 + signalNumber(exit.signal);
}

export class Killed extends Error {
  readonly signal: SignalName;
  constructor(signal: SignalName) {
    super(`killed by ${signal}`);
    this.name = 'Killed';
    this.signal = signal;
  }
}

export interface Process {
  readonly table: ProcessTable;
  readonly machine: Machine;
  readonly pid: number;
  readonly parent: number;
  readonly startedMs: number;
  pgid: number;
  argv: readonly string[];
  env: ReadonlyMap<string, string>;
  cwd: string;
  who: Credentials;
  umask: number;
  /** The most a regular file may grow to by this process's writing. */
  maxFileBytes: number;
  fds: FdTable;
  /** Signals that pass this process and its children by. */
  readonly ignored: Set<SignalName>;
  readonly handlers: Map<SignalName, () => void>;
  /** Aborts with Killed when the process dies of a signal. */
  readonly signal: AbortSignal;
  readonly exited: Promise<Exit>;
  kill(signal: SignalName): void;
  /** Writes to a descriptor; dies of PIPE where nobody reads, of XFSZ beyond maxFileBytes. Throws FsError. */
  write(fd: number, bytes: Buffer | string): Promise<void>;
  /** As write, to a file that the process has opened. */
  writeTo(file: OpenFile, bytes: Buffer): Promise<void>;
  out(bytes: Buffer | string): Promise<void>;
  err(bytes: Buffer | string): Promise<void>;
  /** Nothing at the end of the input. Throws FsError. */
  read(fd: number, maxBytes: number): Promise<Buffer>;
  sleep(ms: number): Promise<void>;
  /** Lets others run when this process has kept them waiting for some milliseconds. */
  breathe(): Promise<void>;
  /** Starts a child, which inherits what is not given. Throws FsError where no more processes fit. */
  spawn(child: Child): Process;
}

/** What a child has otherwise than its parent. It takes over the descriptors it is given. */
export interface Child {
  readonly argv: readonly string[];
  readonly program: Program;
  readonly fds: FdTable;
  readonly env?: ReadonlyMap<string, string>;
  readonly cwd?: string;
  readonly who?: Credentials;
  readonly machine?: Machine;
}

/** Everything a process begins with. Without a pgid it leads a group of its own. */
export interface Birth extends Required<Child> {
  readonly parent: number;
  readonly pgid?: number | undefined;
  readonly umask: number;
  readonly maxFileBytes?: number;
  readonly ignored: Iterable<SignalName>;
}

/** What a process finds itself on: the node or one of its containers. */
export interface Machine {
  readonly kind: 'node' | 'container';
  readonly files: Tree;
  /** Programs by name; files in the tree say which of them they are. */
  readonly programs: ReadonlyMap<string, Program>;
  hostname(): string;
  /** Address of the first network interface. */
  address(): string;
  bootedMs(): number;
  readonly memoryMiB: number;
}

export interface ProcessTable {
  /** Throws FsError where no more processes fit. */
  start(birth: Birth): Process;
  /** A pid for something that is no process of the lab, such as a container's init. */
  nextPid(): number;
  /** Those a process of this machine can see: its own; on the node, all. */
  visibleFrom(machine: Machine): readonly Process[];
  /** Kills every process of the machine, or of all machines. */
  killAll(machine?: Machine): void;
}

const maxTurnMs = 8;
/** How long what is written to nobody takes, so that a flood does not spin. */
const lostWriteMs = 5;

type Output = Pick<Process, 'write' | 'writeTo' | 'out' | 'err'>;

/** How a process writes, and what it dies of. */
function output(owner: () => Process): Output {
  const writeTo: Output['writeTo'] = async (file, bytes) => {
    const self = owner();
    try {
      await file.write(bytes, self.signal, self.maxFileBytes);
    } catch (error) {
      // What runs in a container outlives the reader of its output, as it was seen on a real node.
      if (file.isLost === true && self.machine.kind === 'container')
        return await pause(lostWriteMs, self.signal);
      if (error instanceof FsError && error.code === 'EPIPE') self.kill('PIPE');
      if (error instanceof FsError && error.code === 'EFBIG') self.kill('XFSZ');
      throw error;
    }
  };
  const write: Output['write'] = async (fd, bytes) => {
    const file = owner().fds.get(fd);
    if (file === undefined) throw new FsError('EBADF', '');
    await writeTo(file, typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  };
  return {
    write,
    writeTo,
    out: (bytes) => write(1, bytes),
    async err(bytes) {
      try {
        await write(2, bytes);
      } catch (error) {
        // A complaint that nobody can hear is no failure.
        if (!(error instanceof FsError)) throw error;
      }
    },
  };
}

export function createProcess(table: ProcessTable, pid: number, birth: Birth): Process {
  const life = new AbortController();
  const { signal } = life;
  let turnSince = performance.now();
  const self: Process = {
    ...{ table, pid, signal, machine: birth.machine, parent: birth.parent, startedMs: Date.now() },
    ...{ argv: birth.argv, env: birth.env, cwd: birth.cwd, who: birth.who, umask: birth.umask },
    pgid: birth.pgid ?? pid,
    maxFileBytes: birth.maxFileBytes ?? Number.POSITIVE_INFINITY,
    fds: birth.fds,
    ignored: new Set(birth.ignored),
    handlers: new Map(),
    exited: Promise.resolve({ code: 0 }),
    kill(name) {
      const catchable = name !== 'KILL' && name !== 'STOP';
      if (catchable && self.ignored.has(name)) return;
      const handler = catchable ? self.handlers.get(name) : undefined;
      if (handler !== undefined) handler();
      else if (!harmless.has(name)) life.abort(new Killed(name));
    },
    ...output(() => self),
    async read(fd, maxBytes) {
      const file = self.fds.get(fd);
      if (file === undefined) throw new FsError('EBADF', '');
      return await file.read(maxBytes, signal);
    },
    sleep: (ms) => pause(ms, signal),
    async breathe() {
      signal.throwIfAborted();
      if (performance.now() - turnSince < maxTurnMs) return;
      await yieldToOthers();
      turnSince = performance.now();
      signal.throwIfAborted();
    },
    spawn(child) {
      // What was killed can start nothing more, however far its program still runs.
      if (signal.aborted) releaseFds(child.fds);
      signal.throwIfAborted();
      return table.start({
        ...{ machine: self.machine, env: self.env, cwd: self.cwd, who: self.who },
        ...{ parent: pid, pgid: self.pgid, umask: self.umask, ignored: self.ignored },
        maxFileBytes: self.maxFileBytes,
        ...child,
      });
    },
  };
  return Object.assign(self, { exited: live(self, birth.program) });
}

/** Runs the program to its end, or to the process's: a killed program is not waited for. */
async function live(self: Process, program: Program): Promise<Exit> {
  const { signal } = self;
  const killed = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    // A process begins in a turn of its own: whoever started it can take note of it first.
    const code = await Promise.race([yieldToOthers().then(() => program(self)), killed]);
    return { code: code & 0xff };
  } catch (error) {
    if (error instanceof Killed) return { signal: error.signal };
    await self.err(`${self.argv[0]?.split('/').at(-1) ?? ''}: ${reasonOf(error)}\n`).catch(() => {});
    return { code: error instanceof FsError ? 1 : 70 };
  } finally {
    releaseFds(self.fds);
  }
}

/** What most programs say of a failure that they do not look at. */
function reasonOf(error: unknown): string {
  if (error instanceof FsError)
    return error.path === '' ? `write error: ${error.reason}` : `${error.path}: ${error.reason}`;
  return error instanceof Error ? error.message : String(error);
}
