/** Copies guests, moves them to other nodes, and removes them. */
import { failure, GatewayError } from '../../base/errors.ts';
import { fullNameOf, nameOf, subjectOf } from '../../base/guest-name.ts';
import { guestPath } from '../../pve/api-path.ts';
import type { ApiRoom, TaskWait } from '../api-room.ts';
import { carriedOut, guestNow, type Outcome, statusNow } from '../guest-task.ts';
import type { Guest } from '../survey.ts';

type Target = Pick<Guest, 'vmid' | 'kind'>;

export interface CloneRequest extends Target {
  readonly newVmid: number;
  readonly name?: string | undefined;
  /** Undefined: templates are linked to, everything else is copied. */
  readonly full?: boolean | undefined;
  readonly snapshot?: string | undefined;
  /** For the disks of a full clone. */
  readonly storage?: string | undefined;
  readonly targetNode?: string | undefined;
  readonly pool?: string | undefined;
  readonly description?: string | undefined;
}

export interface MigrateRequest extends Target {
  readonly targetNode: string;
  readonly targetStorage?: string | undefined;
  /** For virtual machines: whether disks on local storages go along. */
  readonly withLocalDisks?: boolean | undefined;
}

export interface RemoveRequest extends Target {
  /** Also from backup jobs, replication and high availability. */
  readonly purge: boolean;
  /** Also disks that carry its id and stand in no configuration. */
  readonly unreferencedDisks: boolean;
}

/** All throw GUEST_NOT_FOUND, NOT_A_VM, NOT_A_CONTAINER, GUEST_LOCKED and CONTAINER_LOCKED. */
export interface Copies {
  clone(request: CloneRequest, wait: TaskWait): Promise<Outcome>;
  /** A running virtual machine goes on meanwhile; a running container is stopped here and started there. */
  migrate(request: MigrateRequest, wait: TaskWait): Promise<Outcome>;
  /** With all its disks. Throws GUEST_RUNNING, and API_REFUSED where it is protected. */
  remove(request: RemoveRequest, wait: TaskWait): Promise<Outcome>;
}

export function createCopies({ pve, tasks, inventory }: ApiRoom): Copies {
  return {
    async clone(request, wait) {
      const guest = await guestNow(inventory, request, wait.signal);
      const { newVmid, name, storage, full, targetNode, snapshot, pool, description } = request;
      const params = {
        newid: newVmid,
        [guest.kind === 'vm' ? 'name' : 'hostname']: name,
        // A linked clone stays on the storage of its template: to name another asks for a copy.
        full: full ?? (storage === undefined ? undefined : true),
        ...{ storage, target: targetNode, snapname: snapshot, pool, description },
      };
      const action = `clone ${nameOf(guest)} to ${newVmid}`;
      const path = guestPath(guest, 'clone');
      const end = await carriedOut(guest, () => tasks.run({ method: 'POST', path, params, action }, wait));
      const done = `${subjectOf(guest)} was cloned to ${newVmid}${name === undefined ? '' : ` (${name})`}.`;
      return { end, done, begun: `Proxmox VE was told to clone ${fullNameOf(guest)} to ${newVmid}.` };
    },
    async migrate({ targetNode, targetStorage, withLocalDisks, ...target }, wait) {
      const guest = await guestNow(inventory, target, wait.signal);
      if (guest.node === targetNode) {
        const done = `${subjectOf(guest)} is already on ${targetNode}.`;
        return { end: undefined, done, begun: done };
      }
      const running = (await statusNow(pve, guest, wait.signal)) === 'running';
      const params =
        guest.kind === 'vm'
          ? { online: running, targetstorage: targetStorage, 'with-local-disks': withLocalDisks }
          : { restart: running, 'target-storage': targetStorage };
      const action = `migrate ${nameOf(guest)} to ${targetNode}`;
      const request = { method: 'POST', path: guestPath(guest, 'migrate'), action } as const;
      const end = await carriedOut(guest, () =>
        tasks.run({ ...request, params: { target: targetNode, ...params } }, wait),
      );
      const done = `${subjectOf(guest)} was migrated from ${guest.node} to ${targetNode}.`;
      return { end, done, begun: `Proxmox VE was told to migrate ${fullNameOf(guest)} to ${targetNode}.` };
    },
    async remove({ purge, unreferencedDisks, ...target }, wait) {
      const guest = await guestNow(inventory, target, wait.signal);
      const params = { purge, 'destroy-unreferenced-disks': unreferencedDisks };
      const action = `delete ${nameOf(guest)}`;
      const request = { method: 'DELETE', path: guestPath(guest), params, action } as const;
      const end = await carriedOut(guest, () => tasks.run(request, wait)).catch((error: unknown) => {
        throw kept(error, action);
      });
      const begun = `Proxmox VE was told to delete ${fullNameOf(guest)}.`;
      return { end, done: `${subjectOf(guest)} was deleted.`, begun };
    },
  };
}

/** Proxmox VE looks before it touches anything. */
function kept(error: unknown, action: string): unknown {
  if (!(error instanceof GatewayError && error.code === 'API_REFUSED')) return error;
  const { evidence } = error;
  const isRunning = /is running\b/.test(evidence.stderr ?? '');
  return isRunning ? failure('GUEST_RUNNING', { action }, { cause: error, evidence }) : error;
}
