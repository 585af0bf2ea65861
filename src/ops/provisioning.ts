/** Makes, changes, moves and removes guests of either kind; names of options are those of Proxmox VE. */
import { failure } from '../base/errors.ts';
import { fullNameOf, nameOf, subjectOf } from '../base/guest-name.ts';
import { apiPath } from '../pve/api-path.ts';
import type { Params } from '../pve/pve.ts';
import { Num } from './answers.ts';
import type { ApiRoom, TaskWait } from './api-room.ts';
import type { Outcome } from './guest-task.ts';
import { type Changes, createChanges } from './provisioning/change.ts';
import { type Copies, createCopies } from './provisioning/copy.ts';

/** How tools see the options of guests. */
export type GuestOptions = Params;

export interface NewGuest {
  readonly kind: 'container' | 'vm';
  /** Undefined: the only node of the cluster. */
  readonly node: string | undefined;
  readonly vmid: number;
  readonly options: GuestOptions;
}

export interface Provisioning extends Changes, Copies {
  /** The lowest id that no guest has; another call may take it first. */
  freeVmid(signal: AbortSignal): Promise<number>;
  /** Throws INVALID_ARGUMENT where no node is named and there are several. */
  create(guest: NewGuest, wait: TaskWait): Promise<Outcome>;
}

export function createProvisioning(room: ApiRoom): Provisioning {
  const { pve, tasks, inventory } = room;

  const onlyNode = async (signal: AbortSignal): Promise<string> => {
    const nodes = await inventory.nodes(signal);
    const [only, other] = nodes;
    if (only !== undefined && other === undefined) return only;
    throw failure('INVALID_ARGUMENT', { problem: `node: name one of ${nodes.join(', ')}` });
  };

  return {
    ...createChanges(room),
    ...createCopies(room),
    async freeVmid(signal) {
      const action = 'name a free id';
      const request = { method: 'GET', path: apiPath`/cluster/nextid`, action, signal } as const;
      const vmid = await pve.request(request, Num);
      if (vmid === undefined) throw failure('UNEXPECTED_ANSWER', { from: 'Proxmox VE' });
      return vmid;
    },
    async create({ kind, node: named, vmid, options }, wait) {
      const node = named ?? (await onlyNode(wait.signal));
      const path = kind === 'vm' ? apiPath`/nodes/${node}/qemu` : apiPath`/nodes/${node}/lxc`;
      const name = options[kind === 'vm' ? 'name' : 'hostname'];
      const guest = { kind, vmid, name: typeof name === 'string' ? name : undefined };
      const action = `create ${nameOf(guest)} on ${node}`;
      const end = await tasks.run({ method: 'POST', path, params: { ...options, vmid }, action }, wait);
      return {
        end,
        begun: `Proxmox VE was told to create ${fullNameOf(guest)} on ${node}.`,
        // Its start is a task of its own, which begins when this one ends.
        done: `${subjectOf(guest)} was created on ${node}${options.start === true ? ' and is starting' : ''}.`,
      };
    },
  };
}
