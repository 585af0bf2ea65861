/** The state of the pretend node: its guests, their machines, and how they start and stop. */

import { toByteString } from '../byte-string.ts';
import { type LabMount, mount } from '../files/mount.ts';
import { createTree, type Tree } from '../files/tree.ts';
import { layContainer, layNode } from '../machine/layout.ts';
import type { Machine, ProcessTable, Program } from '../process/process.ts';
import { createProcessTable } from '../process/process-table.ts';
import { addressOf, configOf, type LabGuestSpec, type LabSnapshot } from './guests.ts';
import { createLocks, type Locks } from './locks.ts';

export interface LabGuest {
  readonly vmid: number;
  readonly kind: 'container' | 'vm';
  node: string;
  /** The configuration's keys; `hostname`, `lock`, `tags` and `template` are among them. */
  readonly config: Map<string, string>;
  description: string | undefined;
  snapshots: LabSnapshot[];
  shutdownMs: number;
  /** Of the guest's init, while it runs. */
  pid: number | undefined;
  /** Of the latest start; lxc knows nothing of a container before its first. */
  bootedMs: number | undefined;
  /** Where a container's commands run. */
  readonly machine: Machine | undefined;
}

export interface LabNode {
  readonly name: string;
  readonly guests: Map<number, LabGuest>;
  readonly machine: Machine;
  readonly files: Tree;
  readonly processes: ProcessTable;
  readonly pace: Pace;
  /** On the guests' configurations. */
  readonly locks: Locks;
  guest(vmid: number): LabGuest | undefined;
  add(spec: LabGuestSpec): LabGuest;
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

const nodeName = 'pve1';
/** Bounds on what the machines may hold together: 256 MiB for the node and for each container. */
const maxMachineBytes = 256 * 1024 * 1024;
const maxProcesses = 500;

export interface NodePrograms {
  readonly container: ReadonlyMap<string, Program>;
  node(labNode: LabNode): ReadonlyMap<string, Program>;
}

export function createNode({
  guests,
  programs,
  mounts,
}: {
  guests: readonly LabGuestSpec[];
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
    hostname: () => nodeName,
    address: () => '10.99.0.2',
    bootedMs: () => startedMs,
  };
  const node: LabNode = {
    ...{ name: nodeName, guests: new Map(), machine, files, processes },
    pace: { startMs: 200, stopMs: 150, copyMs: 0, lockMs: 10_000 },
    locks: createLocks(),
    guest: (vmid) => node.guests.get(vmid),
    add(spec) {
      const guest = createGuest(spec, programs.container);
      node.guests.set(guest.vmid, guest);
      if (spec.status === 'running') node.boot(guest);
      return guest;
    },
    boot(guest) {
      if (guest.pid !== undefined) return;
      guest.pid = processes.nextPid();
      guest.bootedMs = Date.now();
    },
    halt(guest) {
      guest.pid = undefined;
      if (guest.machine !== undefined) processes.killAll(guest.machine);
    },
  };
  own = programs.node(node);
  layNode(machine);
  for (const wanted of mounts) mount(files, wanted);
  for (const spec of guests) node.add(spec);
  return node;
}

function createGuest(spec: LabGuestSpec, programs: ReadonlyMap<string, Program>): LabGuest {
  const { vmid, kind = 'container', node = nodeName } = spec;
  const config = configOf(spec);
  const files = createTree({ maxBytes: maxMachineBytes });
  const { without = [] } = spec;
  const own = new Map([...programs].filter(([name]) => !without.includes(name)));
  const machine: Machine = {
    ...{ kind: 'container', files, programs: own, memoryMiB: Number(config.get('memory') ?? 512) },
    hostname: () => toByteString(config.get('hostname') ?? `CT${vmid}`),
    address: () => addressOf(config),
    bootedMs: () => guest.bootedMs ?? Date.now(),
  };
  const guest: LabGuest = {
    ...{ vmid, kind, node, config, description: spec.description, shutdownMs: spec.shutdownMs ?? 200 },
    snapshots: [...(spec.snapshots ?? [])],
    ...{ pid: undefined, bootedMs: undefined, machine: kind === 'container' ? machine : undefined },
  };
  if (kind === 'container') layContainer(machine);
  for (const wanted of spec.mounts ?? []) mount(files, wanted);
  return guest;
}

/** A container that this node has. */
export function findContainer(node: LabNode, vmid: number): LabGuest | undefined {
  const guest = node.guests.get(vmid);
  return guest?.kind === 'container' && guest.node === node.name ? guest : undefined;
}
