/** Endpoints that take snapshots of guests, show them, go back to them and remove them. */
import { copyFiles } from '../files/copy.ts';
import { createTree, type Tree } from '../files/tree.ts';
import { type LabGuest, maxMachineBytes } from '../proxmox/guest.ts';
import type { LabSnapshot } from '../proxmox/guests.ts';
import type { LabNode } from '../proxmox/node.ts';
import { ApiError } from './api-error.ts';
import { type Call, type Check, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { type GuestKind, getGuest, refuseLocked } from './guest-kinds.ts';
import { digestOf, type Settings, settingsOf } from './guest-settings.ts';
import { disksOf } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';
import type { TaskRun } from './tasks.ts';

/** Throws ApiError 500. */
function getSnapshot({ snapshots }: LabGuest, name: string): LabSnapshot {
  const found = snapshots.find((snapshot) => snapshot.name === name);
  if (found === undefined) throw new ApiError(500, `snapshot '${name}' does not exist`);
  return found;
}

/** The configuration as it was then. Throws ApiError 500. */
export function snapshotSettings(guest: LabGuest, name: string): Settings {
  const { config = guest.config, timeS, parent, description } = getSnapshot(guest, name);
  const then = new Map([...config, ['snaptime', String(timeS)]]);
  if (parent !== undefined) then.set('parent', parent);
  return settingsOf(guest, then, description);
}

function listed(
  { name, timeS, parent, description, vmstate = false }: LabSnapshot,
  { kind }: LabGuest,
): object {
  return {
    ...{ name, snaptime: timeS, description: description === undefined ? '' : `${description}\n` },
    ...(parent !== undefined && { parent }),
    ...(kind === 'vm' && { vmstate: vmstate ? 1 : 0 }),
  };
}

function list(guest: LabGuest): object[] {
  const current = {
    ...{ name: 'current', description: 'You are here!', digest: digestOf(guest) },
    running: guest.pid === undefined ? 0 : 1,
    ...(guest.parent !== undefined && { parent: guest.parent }),
  };
  return [...guest.snapshots.map((snapshot) => listed(snapshot, guest)), current];
}

/** Volumes in a plain directory have no snapshots, unless their format has. */
function requireFeature({ cluster }: Call, { config }: LabGuest): void {
  const storages = storagesOf(cluster);
  const lacks = disksOf(config).some(({ volid }) => {
    const storage = storages.find(volid.split(':')[0] ?? '');
    return storage?.path !== undefined && !volid.endsWith('.qcow2');
  });
  if (lacks) throw new ApiError(500, 'snapshot feature is not available');
}

function filesOf({ machine }: LabGuest): Tree | undefined {
  if (machine === undefined) return undefined;
  const files = createTree({ maxBytes: maxMachineBytes });
  copyFiles(machine.files, files);
  return files;
}

async function take(call: Call, task: TaskRun, guest: LabGuest): Promise<void> {
  const { values } = call;
  const name = values.text('snapname');
  refuseLocked(guest);
  if (guest.snapshots.some((snapshot) => snapshot.name === name))
    throw new ApiError(500, `snapshot name '${name}' already used`);
  requireFeature(call, guest);
  guest.config.set('lock', 'snapshot');
  try {
    await task.take();
  } finally {
    guest.config.delete('lock');
  }
  const description = values.find('description');
  const files = filesOf(guest);
  guest.snapshots.push({
    ...{ name, timeS: Math.floor(Date.now() / 1000), config: new Map(guest.config) },
    ...(description !== undefined && { description }),
    ...(guest.parent !== undefined && { parent: guest.parent }),
    ...(files !== undefined && { files }),
    vmstate: values.flag('vmstate') && guest.pid !== undefined,
  });
  guest.parent = name;
}

/** A guest that runs is stopped; it runs afterwards where that is asked for, or its memory was kept. */
async function rollBack(call: Call, node: LabNode, task: TaskRun, guest: LabGuest): Promise<void> {
  const snapshot = getSnapshot(guest, call.values.text('snapname'));
  refuseLocked(guest);
  node.halt(guest);
  await task.take();
  if (snapshot.config !== undefined) {
    guest.config.clear();
    for (const [key, value] of snapshot.config) guest.config.set(key, value);
  }
  guest.pending.clear();
  if (snapshot.files !== undefined && guest.machine !== undefined)
    copyFiles(snapshot.files, guest.machine.files);
  guest.parent = snapshot.name;
  if (call.values.flag('start') || snapshot.vmstate === true) node.boot(guest);
}

async function remove(call: Call, task: TaskRun, guest: LabGuest): Promise<void> {
  const gone = getSnapshot(guest, call.values.text('snapname'));
  refuseLocked(guest);
  await task.take();
  guest.snapshots = guest.snapshots
    .filter(({ name }) => name !== gone.name)
    .map(({ parent, ...snapshot }) => {
      const above = parent === gone.name ? gone.parent : parent;
      return above === undefined ? snapshot : { ...snapshot, parent: above };
    });
  if (guest.parent === gone.name) guest.parent = gone.parent;
}

const audits: Check = { path: '/vms/{vmid}', privileges: ['VM.Audit'] };
const takes: Check = { path: '/vms/{vmid}', privileges: ['VM.Snapshot'] };

function takeParameters(kind: GuestKind): Parameters {
  return {
    snapname: { type: 'string', format: 'pve-configid', maxLength: 40, about: 'Name of the snapshot.' },
    description: { type: 'string', optional: true, about: 'What it is for.' },
    ...(kind.kind === 'vm' && {
      vmstate: { type: 'boolean', optional: true, about: 'Keep the memory, too.' } as const,
    }),
  };
}

/** Looks the guest up within the task: a missing one makes the task fail, and not the request. */
function inTask(
  call: Call,
  kind: GuestKind,
  type: string,
  act: (task: TaskRun, guest: LabGuest) => Promise<void>,
) {
  return call.start(`${kind.task}${type}`, call.values.text('vmid'), async (task) => {
    await act(task, getGuest(call, kind));
  });
}

/** Where they are, and what the guest is called. */
function placeOf(kind: GuestKind) {
  const what = kind.kind === 'vm' ? 'virtual machine' : 'container';
  return { what, path: `/nodes/{node}/${kind.path}/{vmid}/snapshot` };
}

function lookingEndpoints(kind: GuestKind): readonly Endpoint[] {
  const { what, path } = placeOf(kind);
  return [
    defineEndpoint({
      method: 'GET',
      path,
      about: `Lists the snapshots of a ${what}.`,
      permission: audits,
      returns: 'array',
      run: (call) => list(getGuest(call, kind)),
    }),
    defineEndpoint({
      ...{ method: 'GET', path: `${path}/{snapname}`, about: 'Lists what there is below a snapshot.' },
      ...{ permission: 'all', returns: 'array' },
      run: () => [{ cmd: 'rollback' }, { cmd: 'config' }],
    }),
    defineEndpoint({
      method: 'GET',
      path: `${path}/{snapname}/config`,
      about: 'Shows the configuration in a snapshot.',
      permission: {
        path: '/vms/{vmid}',
        privileges: ['VM.Snapshot', 'VM.Snapshot.Rollback', 'VM.Audit'],
        any: true,
      },
      returns: 'object',
      run: (call) => snapshotSettings(getGuest(call, kind), call.values.text('snapname')),
    }),
  ];
}

function changingEndpoints(kind: GuestKind): readonly Endpoint[] {
  const { what, path } = placeOf(kind);
  return [
    defineEndpoint({
      method: 'POST',
      path,
      about: `Takes a snapshot of a ${what}.`,
      permission: takes,
      returns: 'string',
      parameters: takeParameters(kind),
      run(call) {
        if (call.values.text('snapname') === 'current')
          throw new ApiError(500, "unable to use snapshot name 'current' (reserved name)");
        return inTask(call, kind, 'snapshot', (task, guest) => take(call, task, guest));
      },
    }),
    defineEndpoint({
      method: 'PUT',
      path: `${path}/{snapname}/config`,
      about: 'Changes the description of a snapshot.',
      permission: takes,
      parameters: { description: { type: 'string', optional: true, about: 'What it is for.' } },
      run(call) {
        const guest = getGuest(call, kind);
        const { name } = getSnapshot(guest, call.values.text('snapname'));
        const description = call.values.find('description');
        guest.snapshots = guest.snapshots.map((each) =>
          each.name === name && description !== undefined ? { ...each, description } : each,
        );
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: `${path}/{snapname}/rollback`,
      about: `Takes a ${what} back to a snapshot.`,
      permission: { path: '/vms/{vmid}', privileges: ['VM.Snapshot', 'VM.Snapshot.Rollback'], any: true },
      parameters: { start: { type: 'boolean', optional: true, default: 0, about: 'Start it afterwards.' } },
      returns: 'string',
      run: (call) => inTask(call, kind, 'rollback', (task, guest) => rollBack(call, call.node, task, guest)),
    }),
    defineEndpoint({
      ...{ method: 'DELETE', path: `${path}/{snapname}`, about: `Removes a snapshot of a ${what}.` },
      ...{ permission: takes, returns: 'string' },
      parameters: {
        force: { type: 'boolean', optional: true, about: 'Forget it even where its disk cannot be removed.' },
      },
      run: (call) => inTask(call, kind, 'delsnapshot', (task, guest) => remove(call, task, guest)),
    }),
  ];
}

export function snapshotEndpoints(kind: GuestKind): readonly Endpoint[] {
  return [...lookingEndpoints(kind), ...changingEndpoints(kind)];
}
