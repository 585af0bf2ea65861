/** What is inside a virtual machine: its files, and the commands that its guest agent has started. */

import { toByteString } from '../byte-string.ts';
import { root } from '../files/inode.ts';
import { createTree } from '../files/tree.ts';
import { layContainer } from '../machine/layout.ts';
import { counted, type OpenFile, openText } from '../process/open-file.ts';
import type { Exit, Machine } from '../process/process.ts';
import { containerPrograms } from '../programs/catalog.ts';
import { NotRunnable, resolveProgram } from '../programs/resolve.ts';
import { type LabGuest, maxMachineBytes } from '../proxmox/guest.ts';
import type { LabNode } from '../proxmox/node.ts';

/** A command and what it has written so far. */
export interface Run {
  readonly pid: number;
  readonly out: Sink;
  readonly err: Sink;
  /** Nothing while it runs, or while a child of it still holds its output. */
  exit: Exit | undefined;
}

export interface Inside {
  readonly machine: Machine;
  readonly runs: Map<number, Run>;
  /** Of the boot that these commands belong to. */
  initPid: number | undefined;
  /** The agent waits for the rest of a request that will not come, and misses the next one. */
  isStuck: boolean;
}

/** The agent keeps so much of each stream. */
const maxOutputBytes = 16 * 1024 * 1024;

/** Takes what a command writes to one of its streams. */
export interface Sink {
  readonly file: OpenFile;
  /** Resolves when nobody can write any more. */
  readonly closed: Promise<void>;
  bytes(): Buffer;
  isTruncated(): boolean;
}

function createSink(): Sink {
  const chunks: Buffer[] = [];
  let size = 0;
  let truncated = false;
  const closed = Promise.withResolvers<void>();
  return {
    closed: closed.promise,
    bytes: () => Buffer.concat(chunks),
    isTruncated: () => truncated,
    file: {
      read: async () => Buffer.alloc(0),
      async write(bytes, signal) {
        signal.throwIfAborted();
        const fitting = bytes.subarray(0, maxOutputBytes - size);
        truncated ||= fitting.length < bytes.length;
        size += fitting.length;
        chunks.push(Buffer.from(fitting));
      },
      ...counted(() => closed.resolve()),
    },
  };
}

const insides = new WeakMap<LabGuest, Inside>();

/** The address that cloud-init gave the machine, else one of the lab's network. */
export function addressInside({ vmid, config }: LabGuest): string {
  const given = /\bip=([\d.]+)/.exec(config.get('ipconfig0') ?? '')?.[1];
  return given ?? `10.99.${Math.floor(vmid / 250) % 250}.${(vmid % 250) + 1}`;
}

/** Commands of an earlier boot are forgotten, and end. */
export function insideOf(node: LabNode, guest: LabGuest): Inside {
  const inside = insides.get(guest) ?? createInside(guest);
  insides.set(guest, inside);
  if (inside.initPid !== guest.pid) {
    node.processes.killAll(inside.machine);
    inside.runs.clear();
    inside.initPid = guest.pid;
    inside.isStuck = false;
  }
  return inside;
}

function createInside(guest: LabGuest): Inside {
  const machine: Machine = {
    ...{ kind: 'container', files: createTree({ maxBytes: maxMachineBytes }), programs: containerPrograms },
    get memoryMiB() {
      return Number(guest.config.get('memory') ?? 512);
    },
    hostname: () => toByteString(guest.config.get('name') ?? `VM${guest.vmid}`),
    address: () => addressInside(guest),
    bootedMs: () => guest.bootedMs ?? Date.now(),
  };
  layContainer(machine);
  return { machine, runs: new Map(), initPid: guest.pid, isStuck: false };
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Starts a command as root; nothing where there is no such program. `argv` is in byte strings. Throws FsError. */
export async function startInside(
  node: LabNode,
  { machine, runs }: Inside,
  { argv, input }: { argv: readonly string[]; input: Buffer },
): Promise<Run | undefined> {
  const started = Promise.withResolvers<boolean>();
  const out = createSink();
  const err = createSink();
  const process = node.processes.start({
    ...{ argv, machine, who: root, cwd: '/', umask: 0o077, ignored: [], parent: 1 },
    env: new Map([['PATH', path]]),
    fds: new Map([
      [0, openText(input)],
      [1, out.file],
      [2, err.file],
    ]),
    async program(self) {
      try {
        const { program, argv: resolved } = resolveProgram(self, argv, path);
        self.argv = resolved;
        started.resolve(true);
        return await program(self);
      } catch (error) {
        if (!(error instanceof NotRunnable)) throw error;
        started.resolve(false);
        return error.status;
      }
    },
  });
  const run: Run = { pid: process.pid, out, err, exit: undefined };
  if (!(await started.promise)) return undefined;
  runs.set(run.pid, run);
  void Promise.all([process.exited, out.closed, err.closed]).then(([exit]) => {
    run.exit = exit;
  });
  return run;
}
