/** Endpoints that show and change the configuration of guests, and grow their disks. */
import type { LabGuest } from '../proxmox/guest.ts';
import { ApiError, badParameters } from './api-error.ts';
import { type Call, type Check, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { resizeDisk, storageAskedBy } from './guest-disks.ts';
import { type GuestKind, getGuest, refuseLocked } from './guest-kinds.ts';
import { changeParameters, privilegeOf } from './guest-parameters.ts';
import {
  type Changes,
  change,
  currentSettings,
  digestOf,
  parametersOf,
  typedValue,
} from './guest-settings.ts';
import { snapshotSettings } from './guest-snapshots.ts';

const audits: Check = { path: '/vms/{vmid}', privileges: ['VM.Audit'] };

function configure(kind: GuestKind): Check {
  const groups =
    kind.kind === 'vm'
      ? ['Disk', 'CDROM', 'CPU', 'Memory', 'Network', 'HWType', 'Options', 'Cloudinit']
      : ['Disk', 'CPU', 'Memory', 'Network', 'Options'];
  return { path: '/vms/{vmid}', privileges: groups.map((group) => `VM.Config.${group}`), any: true };
}

function show(call: Call, kind: GuestKind): object {
  const { values } = call;
  const guest = getGuest(call, kind);
  const snapshot = values.find('snapshot');
  if (snapshot !== undefined) return { ...snapshotSettings(guest, snapshot), digest: digestOf(guest) };
  return currentSettings(guest, { current: values.flag('current') });
}

function pending(call: Call, kind: GuestKind): object[] {
  const guest = getGuest(call, kind);
  const now = Object.entries(currentSettings(guest, { current: true }));
  const waiting = (key: string): object => {
    if (!guest.pending.has(key)) return {};
    const value = guest.pending.get(key);
    return value === undefined ? { delete: 1 } : { pending: typedValue(guest, key, value) };
  };
  const fresh = [...guest.pending.keys()].filter((key) => now.every(([known]) => known !== key));
  return [
    ...now.map(([key, value]) => ({ key, value, ...waiting(key) })),
    ...fresh.map((key) => ({ key, ...waiting(key) })),
  ];
}

function changesIn({ values }: Call): Changes {
  const own = new Set([
    'node',
    'vmid',
    'skiplock',
    'background_delay',
    'force',
    ...Object.keys(changeParameters),
  ]);
  const set = values.names
    .filter((name) => !own.has(name))
    .map((name): [string, string] => [name, values.text(name)]);
  return { set: new Map(set), delete: values.list('delete'), revert: values.list('revert') };
}

/** Everything that can be refused before anything changes. Throws ApiError. */
function requireChanges(call: Call, guest: LabGuest, changes: Changes): void {
  const keys = [...changes.set.keys(), ...changes.delete, ...changes.revert];
  if (keys.length === 0) throw new ApiError(500, 'no options specified');
  for (const key of keys) call.require(`/vms/${guest.vmid}`, [privilegeOf(key)]);
  for (const [key, value] of changes.set) {
    const storage = storageAskedBy(key, value);
    if (storage !== undefined) call.require(`/storage/${storage}`, ['Datastore.AllocateSpace']);
  }
  if (call.values.flag('skiplock')) throw badParameters({ skiplock: 'Only root may use this option.' });
  refuseLocked(guest);
  const digest = call.values.find('digest');
  if (digest !== undefined && digest !== digestOf(guest))
    throw new ApiError(500, 'detected modified configuration - file changed by other user? Try again.');
}

function update(call: Call, kind: GuestKind): null {
  const guest = getGuest(call, kind);
  const changes = changesIn(call);
  requireChanges(call, guest, changes);
  change(call.cluster, guest, changes);
  return null;
}

function updateInTask(call: Call, kind: GuestKind): string {
  const guest = getGuest(call, kind);
  const changes = changesIn(call);
  requireChanges(call, guest, changes);
  return call.start('qmconfig', String(guest.vmid), async (task) => {
    const words = [...changes.set].map(([key, value]) => `-${key} ${value}`);
    task.log(`update VM ${guest.vmid}: ${words.join(' ')}`);
    await task.take();
    change(call.cluster, guest, changes);
  });
}

function resize(call: Call, kind: GuestKind): string {
  const { values } = call;
  const guest = getGuest(call, kind);
  refuseLocked(guest);
  const [disk, size] = [values.text('disk'), values.text('size')];
  // A trial on a copy: what cannot be is refused before there is a task.
  resizeDisk({ ...guest, config: new Map(guest.config) }, disk, size);
  return call.start('resize', String(guest.vmid), async (task) => {
    await task.take();
    resizeDisk(guest, disk, size);
  });
}

const resizeParameters: Parameters = {
  disk: {
    type: 'string',
    pattern: /^(rootfs|mp\d+|(?:ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0)$/,
    about: 'Key of the disk: `rootfs`, `scsi0`.',
  },
  size: {
    ...{ type: 'string', pattern: /^\+?\d+(\.\d+)?[KMGT]?$/ },
    about: 'The new size, or with a plus by how much it grows: `+10G`.',
  },
  digest: {
    type: 'string',
    optional: true,
    maxLength: 40,
    about: 'Refuse where the configuration has another digest.',
  },
};

/** Where the endpoints are, and what the guest is called. */
function placeOf(kind: GuestKind) {
  const what = kind.kind === 'vm' ? 'virtual machine' : 'container';
  return { what, path: `/nodes/{node}/${kind.path}/{vmid}` };
}

function lookingEndpoints(kind: GuestKind): readonly Endpoint[] {
  const { what, path } = placeOf(kind);
  return [
    defineEndpoint({
      ...{ method: 'GET', path: `${path}/config`, about: `Shows the configuration of a ${what}.` },
      ...{ permission: audits, returns: 'object' },
      parameters: {
        current: {
          type: 'boolean',
          optional: true,
          default: 0,
          about: 'As it is in force, without pending changes.',
        },
        snapshot: {
          type: 'string',
          optional: true,
          format: 'pve-configid',
          about: 'As it was in this snapshot.',
        },
      },
      run: (call) => show(call, kind),
    }),
    defineEndpoint({
      method: 'GET',
      path: `${path}/pending`,
      about: `Shows the configuration of a ${what} and what waits for its next start.`,
      ...{ permission: audits, returns: 'array' },
      run: (call) => pending(call, kind),
    }),
  ];
}

function changingEndpoints(kind: GuestKind): readonly Endpoint[] {
  const { what, path } = placeOf(kind);
  const changing: Parameters = { ...parametersOf(kind), ...changeParameters };
  const forVm: Parameters = {
    skiplock: { type: 'boolean', optional: true, about: 'Pass over a lock; for root alone.' },
  };
  const permission = configure(kind);
  return [
    defineEndpoint({
      method: 'PUT',
      path: `${path}/config`,
      about: `Changes the configuration of a ${what}.`,
      permission,
      parameters: kind.kind === 'vm' ? { ...changing, ...forVm } : changing,
      run: (call) => update(call, kind),
    }),
    ...(kind.kind === 'vm'
      ? [
          defineEndpoint({
            ...{ method: 'POST', path: `${path}/config`, permission, returns: 'string' },
            about: 'Changes the configuration of a virtual machine in a task.',
            parameters: {
              ...{ ...changing, ...forVm },
              background_delay: {
                type: 'integer',
                optional: true,
                minimum: 1,
                maximum: 30,
                about: 'Seconds to wait for the end.',
              },
            },
            run: (call) => updateInTask(call, kind),
          }),
        ]
      : []),
    defineEndpoint({
      ...{ method: 'PUT', path: `${path}/resize`, about: `Grows a disk of a ${what}.`, returns: 'string' },
      permission: { path: '/vms/{vmid}', privileges: ['VM.Config.Disk'] },
      parameters: resizeParameters,
      run: (call) => resize(call, kind),
    }),
  ];
}

export function configEndpoints(kind: GuestKind): readonly Endpoint[] {
  return [...lookingEndpoints(kind), ...changingEndpoints(kind)];
}
