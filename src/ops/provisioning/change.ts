/** Changes a guest where it is: its options, the size of a disk. */
import { z } from 'zod';
import { failure } from '../../base/errors.ts';
import { fullNameOf, nameOf, subjectOf } from '../../base/guest-name.ts';
import { type GuestAddress, guestPath } from '../../pve/api-path.ts';
import type { Params } from '../../pve/pve.ts';
import { Anything, Flag, Text } from '../answers.ts';
import type { ApiRoom, TaskWait } from '../api-room.ts';
import { carriedOut, guestNow, type Outcome, statusNow } from '../guest-task.ts';
import type { Guest } from '../survey.ts';

export interface Configured extends Outcome {
  /** Names of options that wait for the guest's next start. */
  readonly pending: readonly string[];
}

type Target = Pick<Guest, 'vmid' | 'kind'>;

/** Both throw NOT_A_VM, NOT_A_CONTAINER, GUEST_LOCKED, CONTAINER_LOCKED. */
export interface Changes {
  /**
   * Sets options and takes others out, all or none. Throws GUEST_RUNNING where that would pull a disk or a
   * network device out of a running guest.
   */
  configure(
    change: Target & { options: Params; remove: readonly string[] },
    wait: TaskWait,
  ): Promise<Configured>;
  /** `size` in GiB, either what is added or what it is afterwards. Proxmox VE refuses to shrink disks. */
  resize(
    change: Target & { disk: string; size: { growGib: number } | { gib: number } },
    wait: TaskWait,
  ): Promise<Outcome>;
}

const Pending = z.array(z.looseObject({ key: Text, pending: Anything.optional(), delete: Flag }));

/** What Proxmox VE takes out of a running guest at once. */
const plugged = { vm: /^(net|ide|sata|scsi|virtio)\d+$/, container: /^net\d+$/ };
const disk = /^(ide|sata|scsi|virtio|mp)\d+$/;

export function createChanges({ pve, tasks, inventory }: ApiRoom): Changes {
  /** Proxmox VE does it at once for containers, in a task for virtual machines: disks may be made. */
  const send = async (guest: GuestAddress, params: Params, action: string, wait: TaskWait) => {
    const request = { path: guestPath(guest, 'config'), params, action };
    if (guest.kind === 'vm') return await tasks.run({ ...request, method: 'POST' }, wait);
    await pve.request({ ...request, method: 'PUT', signal: wait.signal }, Anything);
    return undefined;
  };

  const keepPlugged = async (guest: GuestAddress, remove: readonly string[], signal: AbortSignal) => {
    const devices = remove.filter((key) => plugged[guest.kind].test(key));
    if (devices.length > 0 && (await statusNow(pve, guest, signal)) !== 'stopped')
      throw failure('GUEST_RUNNING', { action: `take ${devices.join(', ')} out of ${nameOf(guest)}` });
  };

  /** Nothing where it cannot be told: the change itself has been made. */
  const pendingOf = async (guest: GuestAddress, signal: AbortSignal): Promise<string[]> => {
    const action = `tell the pending changes of ${nameOf(guest)}`;
    const request = { method: 'GET', path: guestPath(guest, 'pending'), action, signal } as const;
    const items = await pve.request(request, Pending).catch(() => []);
    const waits = items.filter((item) => item.delete === true || (item.pending ?? undefined) !== undefined);
    return waits.map(({ key }) => key ?? '').filter((key) => /^[a-z][\w-]{0,63}$/i.test(key));
  };

  return {
    async configure({ options, remove, ...target }, wait) {
      const guest = await guestNow(inventory, target, wait.signal);
      await keepPlugged(guest, remove, wait.signal);
      const action = `change the configuration of ${nameOf(guest)}`;
      const params = remove.length === 0 ? options : { ...options, delete: remove.join(',') };
      const end = await carriedOut(guest, () => send(guest, params, action, wait));
      const pending = end?.state === 'running' ? [] : await pendingOf(guest, wait.signal);
      const removed = remove.filter((key) => !pending.includes(key));
      const done = [
        `${subjectOf(guest)} was reconfigured.`,
        removed.length > 0 && `Removed: ${removed.join(', ')}.`,
        removed.some((key) => disk.test(key)) && 'A disk that was removed is kept as unusedN.',
        pending.length > 0 && `Pending until its next start: ${pending.join(', ')}.`,
      ];
      const begun = `Proxmox VE was told to change the configuration of ${fullNameOf(guest)}.`;
      return { end, pending, done: done.filter((sentence) => sentence !== false).join(' '), begun };
    },
    async resize({ disk: name, size, ...target }, wait) {
      const guest = await guestNow(inventory, target, wait.signal);
      const [text, words] =
        'gib' in size
          ? [`${size.gib}G`, `is ${size.gib} GiB large now`]
          : [`+${size.growGib}G`, `has grown by ${size.growGib} GiB`];
      const action = `resize ${name} of ${nameOf(guest)}`;
      const request = { method: 'PUT', path: guestPath(guest, 'resize'), action } as const;
      const params = { disk: name, size: text };
      const end = await carriedOut(guest, () => tasks.run({ ...request, params }, wait));
      const begun = `Proxmox VE was told to resize ${name} of ${fullNameOf(guest)}.`;
      return { end, done: `Disk ${name} of ${fullNameOf(guest)} ${words}.`, begun };
    },
  };
}
