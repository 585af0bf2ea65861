/** The state of a pretend node: its machine, what runs on it, and how its guests start and stop. */
import { type LabMount, mount } from '../files/mount.ts';
import { createTree, type Tree } from '../files/tree.ts';
import { layNode } from '../machine/layout.ts';
import type { Machine, ProcessTable, Program } from '../process/process.ts';
import { createProcessTable } from '../process/process-table.ts';
import { type LabGuest, maxMachineBytes } from './guest.ts';
import { createLocks, type Locks } from './locks.ts';

export interface LabNode {
  readonly name: string;
  /** Of the whole cluster. */
  readonly guests: Map<number, LabGuest>;
  readonly machine: Machine;
  readonly files: Tree;
  readonly processes: ProcessTable;
  readonly pace: Pace;
  /** The public half of its SSH host key: `ssh-ed25519 AAAA…`. */
  readonly sshHostKey: string;
  /** SHA-256 of its API's certificate, in upper-case hexadecimal with colons; empty until the API is served. */
  apiFingerprint: string;
  /** On the guests' configurations. */
  readonly locks: Locks;
  guest(vmid: number): LabGuest | undefined;
  /** Gives a guest a running init at once; a guest that runs keeps it. */
  boot(guest: LabGuest): void;
  /** Ends a guest and what runs in it at once. */
  halt(guest: LabGuest): void;
}

/** How long things take. */
export interface Pace {
  startMs: number;
  stopMs: number;
  /** What push and pull wait after their first 64 KiB. */
  copyMs: number;
  /** How long a verb waits for a lock that is held. */
  lockMs: number;
}

const maxProcesses = 500;

export interface NodePrograms {
  readonly container: ReadonlyMap<string, Program>;
  node(labNode: LabNode): ReadonlyMap<string, Program>;
}

export function createNode({
  name,
  address,
  sshHostKey,
  guests,
  programs,
  mounts,
}: {
  name: string;
  address: string;
  sshHostKey: string;
  guests: Map<number, LabGuest>;
  programs: NodePrograms;
  mounts: readonly LabMount[];
}): LabNode {
  const processes = createProcessTable({ maxProcesses });
  const startedMs = Date.now();
  const files = createTree({ maxBytes: maxMachineBytes });
  let own: ReadonlyMap<string, Program> = new Map();
  const machine: Machine = {
    ...{ kind: 'node', files, memoryMiB: 16_384 },
    get programs() {
      return own;
    },
    hostname: () => name,
    address: () => address,
    bootedMs: () => startedMs,
  };
  const node: LabNode = {
    ...{ name, guests, machine, files, processes, sshHostKey, apiFingerprint: '' },
    pace: { startMs: 200, stopMs: 150, copyMs: 0, lockMs: 10_000 },
    locks: createLocks(),
    guest: (vmid) => guests.get(vmid),
    boot(guest) {
      if (guest.pid !== undefined) return;
      for (const [key, value] of guest.pending)
        if (value === undefined) guest.config.delete(key);
        else guest.config.set(key, value);
      guest.pending.clear();
      guest.pid = processes.nextPid();
      guest.bootedMs = Date.now();
    },
    halt(guest) {
      guest.pid = undefined;
      guest.paused = false;
      if (guest.machine !== undefined) processes.killAll(guest.machine);
    },
  };
  own = programs.node(node);
  layNode(machine);
  for (const wanted of mounts) mount(files, wanted);
  return node;
}

/** A container that this node has. */
export function findContainer(node: LabNode, vmid: number): LabGuest | undefined {
  const guest = node.guests.get(vmid);
  return guest?.kind === 'container' && guest.node === node.name ? guest : undefined;
}
