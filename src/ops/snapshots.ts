/** Snapshots of guests of either kind. */
import { z } from 'zod';
import { failure, GatewayError } from '../base/errors.ts';
import { nameOf } from '../base/guest-name.ts';
import { clean } from '../base/text.ts';
import { guestPath } from '../pve/api-path.ts';
import { Flag, Num, Text } from './answers.ts';
import type { ApiRoom, TaskEnd, TaskWait } from './api-room.ts';
import { carriedOut, statusNow } from './guest-task.ts';
import type { Guest } from './survey.ts';
import { timeOf } from './times.ts';

export interface Snapshot {
  readonly name: string;
  /** The snapshot that it was taken after. */
  readonly parent: string | undefined;
  /** How many snapshots stand above it. */
  readonly depth: number;
  readonly takenAt: Date | undefined;
  readonly description: string;
  /** Whether it holds the memory of a running machine. */
  readonly withMemory: boolean;
  /** Set while it is made or deleted, and where that has failed: `prepare`, `delete`. */
  readonly state: string | undefined;
}

export interface SnapshotTree {
  /** Each after its parent, older ones first. */
  readonly snapshots: readonly Snapshot[];
  /** The one after which the guest goes on; undefined where it has none. */
  readonly latest: string | undefined;
}

export interface SnapshotTask {
  readonly guest: Guest;
  readonly end: TaskEnd | undefined;
}

interface Named {
  readonly vmid: number;
  readonly name: string;
}

/**
 * What changes something throws GUEST_NOT_FOUND, INVALID_ARGUMENT for a snapshot that is not there, or is there
 * already, TASK_FAILED and the like, and for a lock that it names it.
 */
export interface Snapshots {
  list(vmid: number, signal: AbortSignal): Promise<SnapshotTree>;
  /** Throws INVALID_ARGUMENT where a container's memory is asked for. */
  create(
    request: Named & { description: string | undefined; withMemory: boolean },
    wait: TaskWait,
  ): Promise<SnapshotTask>;
  /**
   * The guest is stopped, unless the snapshot holds its memory, and `start` starts it afterwards. `status` is how
   * it is then; undefined where the task still runs, or nobody can tell.
   */
  rollBack(
    request: Named & { start: boolean },
    wait: TaskWait,
  ): Promise<SnapshotTask & { readonly status: string | undefined }>;
  /** With `force` its entry goes even where its disks cannot be removed. */
  delete(request: Named & { force: boolean }, wait: TaskWait): Promise<SnapshotTask>;
}

const Entries = z.array(
  z.object({
    name: z.string(),
    parent: Text,
    snaptime: Num,
    description: Text,
    vmstate: Flag,
    snapstate: Text,
  }),
);
type Entry = z.output<typeof Entries>[number];

export function createSnapshots({ pve, tasks, inventory }: ApiRoom): Snapshots {
  const read = async (guest: Guest, signal: AbortSignal): Promise<SnapshotTree> => {
    const action = `list the snapshots of ${nameOf(guest)}`;
    return treeOf(
      await pve.request({ method: 'GET', path: guestPath(guest, 'snapshot'), action, signal }, Entries),
    );
  };

  /** Proxmox VE finds out only when the task is under way, which is then one that has failed. */
  const check = async (guest: Guest, name: string, { wanted }: { wanted: boolean }, signal: AbortSignal) => {
    const tree = await read(guest, signal).catch(nothingWithoutTheRight);
    if (tree === undefined || tree.snapshots.some((snapshot) => snapshot.name === name) === wanted) return;
    const problem = wanted ? `has no snapshot ${name} (${known(tree)})` : `has a snapshot ${name} already`;
    throw failure('INVALID_ARGUMENT', { problem: `name: ${nameOf(guest)} ${problem}` });
  };

  return {
    list: (vmid, signal) => inventory.onOwner(vmid, signal, (guest) => read(guest, signal)),
    async create({ vmid, name, description, withMemory }, wait) {
      const guest = await inventory.now(vmid, wait.signal);
      if (withMemory && guest.kind !== 'vm')
        throw failure('INVALID_ARGUMENT', {
          problem: 'include_memory: only a virtual machine can have its memory in a snapshot',
        });
      await check(guest, name, { wanted: false }, wait.signal);
      const request = {
        method: 'POST',
        path: guestPath(guest, 'snapshot'),
        params: { snapname: name, description, ...(withMemory && { vmstate: true }) },
        action: `take the snapshot ${name} of ${nameOf(guest)}`,
      } as const;
      return { guest, end: await carriedOut(guest, () => tasks.run(request, wait)) };
    },
    async rollBack({ vmid, name, start }, wait) {
      const guest = await inventory.now(vmid, wait.signal);
      await check(guest, name, { wanted: true }, wait.signal);
      const request = {
        method: 'POST',
        path: guestPath(guest, 'snapshot', name, 'rollback'),
        params: start ? { start } : {},
        action: `roll ${nameOf(guest)} back to the snapshot ${name}`,
      } as const;
      const end = await carriedOut(guest, () => tasks.run(request, wait));
      if (end?.state === 'running') return { guest, end, status: undefined };
      // It is done: that it cannot be looked at is no reason to say otherwise.
      return { guest, end, status: await statusNow(pve, guest, wait.signal).catch(() => undefined) };
    },
    async delete({ vmid, name, force }, wait) {
      const guest = await inventory.now(vmid, wait.signal);
      await check(guest, name, { wanted: true }, wait.signal);
      const request = {
        method: 'DELETE',
        path: guestPath(guest, 'snapshot', name),
        params: force ? { force } : {},
        action: `delete the snapshot ${name} of ${nameOf(guest)}`,
      } as const;
      return { guest, end: await carriedOut(guest, () => tasks.run(request, wait)) };
    },
  };
}

/** Who may take snapshots need not be one who may see them. */
function nothingWithoutTheRight(error: unknown): undefined {
  if (error instanceof GatewayError && error.code === 'API_FORBIDDEN') return undefined;
  throw error;
}

const maxNamed = 20;

function known({ snapshots }: SnapshotTree): string {
  if (snapshots.length === 0) return 'it has none';
  const names = snapshots.slice(-maxNamed).map(({ name }) => clean(name, 40));
  return `it has ${snapshots.length > maxNamed ? '…, ' : ''}${names.join(', ')}`;
}

/** Proxmox VE lists the guest itself among its snapshots, as `current`. */
const guestItself = 'current';

/** A parent that is not there, or a circle of parents, makes no snapshot disappear. */
export function treeOf(entries: readonly Entry[]): SnapshotTree {
  const taken = entries
    .filter(({ name }) => name !== guestItself)
    .sort((one, other) => (one.snaptime ?? 0) - (other.snaptime ?? 0));
  const names = new Set(taken.map(({ name }) => name));
  const byParent = Map.groupBy(taken, ({ parent = '' }) => (names.has(parent) ? parent : ''));
  const snapshots = new Map<string, Snapshot>();
  const place = (roots: readonly Entry[]): void => {
    const waiting = roots.map((entry) => ({ entry, depth: 0 })).reverse();
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { entry, depth } = next;
      if (snapshots.has(entry.name)) continue;
      snapshots.set(entry.name, snapshotOf(entry, depth));
      const children = byParent.get(entry.name) ?? [];
      waiting.push(...children.map((child) => ({ entry: child, depth: depth + 1 })).reverse());
    }
  };
  place(byParent.get('') ?? []);
  place(taken);
  const latest = entries.find(({ name }) => name === guestItself)?.parent;
  return { snapshots: [...snapshots.values()], latest };
}

function snapshotOf(entry: Entry, depth: number): Snapshot {
  const { name, parent, snaptime, description = '', vmstate = false, snapstate } = entry;
  return {
    ...{ name, parent, depth, takenAt: timeOf(snaptime) },
    // Proxmox VE ends every description with a line break.
    ...{ description: description.replace(/\n$/, ''), withMemory: vmstate, state: snapstate },
  };
}
