/** Endpoints that make a guest from another one, and turn one into a template. */
import { copyFiles } from '../files/copy.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import { hardwareAddress } from '../proxmox/guests.ts';
import { ApiError } from './api-error.ts';
import { type Call, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { getDiskStorage } from './guest-disks.ts';
import {
  bandwidthLimit,
  type GuestKind,
  getGuest,
  nameOf,
  refuseLocked,
  refuseTaken,
} from './guest-kinds.ts';
import { addGuest, completed } from './guest-new.ts';
import { joinPool } from './pools-members.ts';
import { disksOf } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';
import type { TaskRun } from './tasks.ts';

/** What a clone does not take over. */
const notCloned = new Set(['lock', 'template', 'parent', 'snaptime', 'vmgenid', 'meta']);

const isTemplate = ({ config }: LabGuest): boolean => config.get('template') === '1';

function isFull({ values }: Call, guest: LabGuest): boolean {
  return values.has('full') ? values.flag('full') : !isTemplate(guest);
}

/** Throws ApiError 500 where the guest cannot be cloned as it is asked. */
function requireClonable(call: Call, kind: GuestKind, guest: LabGuest): void {
  const { cluster, node, values } = call;
  refuseTaken(cluster, values.number('newid'));
  refuseLocked(guest);
  const full = isFull(call, guest);
  if (!full && !isTemplate(guest))
    throw new ApiError(500, `Linked clone feature is not supported for a ${kind.word} that is no template`);
  if (full && kind.kind === 'container' && guest.pid !== undefined && !values.has('snapname'))
    throw new ApiError(
      500,
      'Full clone of a running container is only possible from a snapshot. Try shutting down the container or create a snapshot.',
    );
  const target = values.find('target') ?? node.name;
  if (!cluster.nodes.has(target)) throw new ApiError(500, `no such cluster node '${target}'`);
  const storages = disksOf(guest.config).map(
    ({ volid }) => values.find('storage') ?? volid.split(':')[0] ?? '',
  );
  for (const name of storages) {
    const storage = getDiskStorage(cluster, name, kind.kind);
    if (target !== node.name && !storage.shared)
      throw new ApiError(500, `can't clone to non-shared storage '${name}'`);
  }
}

function clonedDisk({ cluster, values }: Call, value: string, number: number): string {
  const [volid = ''] = value.split(',');
  const storage = values.find('storage') ?? volid.split(':')[0] ?? '';
  const newid = values.text('newid');
  const name = `vm-${newid}-disk-${number}`;
  const isFile = storagesOf(cluster).find(storage)?.path !== undefined;
  return `${storage}:${isFile ? `${newid}/${name}.raw` : name}${value.slice(volid.length)}`;
}

function clonedConfig(call: Call, kind: GuestKind, guest: LabGuest): Map<string, string> {
  const { values } = call;
  const snapname = values.find('snapname');
  const snapshot = guest.snapshots.find(({ name }) => name === snapname);
  if (snapname !== undefined && snapshot === undefined)
    throw new ApiError(500, `snapshot '${snapname}' does not exist`);
  const source = snapshot?.config ?? guest.config;
  const disks = disksOf(source).map(({ key }) => key);
  const address = hardwareAddress(values.number('newid'));
  const config = new Map<string, string>();
  for (const [key, value] of source) {
    if (notCloned.has(key)) continue;
    if (disks.includes(key)) config.set(key, clonedDisk(call, value, disks.indexOf(key)));
    else
      config.set(
        key,
        /^net\d+$/.test(key) ? value.replace(/(?:[0-9A-F]{2}:){5}[0-9A-F]{2}/i, address) : value,
      );
  }
  return config.set(kind.nameKey, values.find(kind.nameKey) ?? `Copy-of-${kind.word}-${nameOf(guest)}`);
}

function log(task: TaskRun, call: Call, kind: GuestKind, guest: LabGuest): void {
  if (kind.kind === 'container')
    task.log(`creating a clone of container ${guest.vmid} with ID ${call.values.text('newid')}`);
  const how = isFull(call, guest) ? 'full' : 'linked';
  const what = kind.kind === 'vm' ? 'drive' : 'mountpoint';
  for (const { key, volid } of disksOf(guest.config))
    task.log(`create ${how} clone of ${what} ${key} (${volid})`);
}

function clone(call: Call, kind: GuestKind): string {
  const { cluster, node, values } = call;
  const guest = getGuest(call, kind);
  const [newid, pool] = [values.number('newid'), values.find('pool')];
  if (pool === undefined || !call.may(`/pool/${pool}`, ['VM.Allocate']))
    call.require(`/vms/${newid}`, ['VM.Allocate']);
  requireClonable(call, kind, guest);
  const config = clonedConfig(call, kind, guest);
  return call.start(`${kind.task}clone`, String(guest.vmid), async (task) => {
    refuseTaken(cluster, newid);
    log(task, call, kind, guest);
    const description = values.find('description') ?? guest.description;
    const made = addGuest(cluster, {
      ...{ vmid: newid, kind: kind.kind, node: values.find('target') ?? node.name, config, description },
    });
    await completed(cluster, made, kind.kind === 'vm' ? 'clone' : 'create', () => task.take());
    const files =
      guest.snapshots.find(({ name }) => name === values.find('snapname'))?.files ?? guest.machine?.files;
    if (files !== undefined && made.machine !== undefined) copyFiles(files, made.machine.files);
    if (pool !== undefined) joinPool(cluster, pool, newid);
  });
}

/** The disks of a template are kept as they are, and cloned from. */
function convert(guest: LabGuest): void {
  if (isTemplate(guest)) throw new ApiError(500, "you can't convert a template to a template");
  if (guest.pid !== undefined)
    throw new ApiError(
      500,
      `you can't convert a ${guest.kind === 'vm' ? 'VM to template if VM' : 'CT to template if the CT'} is running`,
    );
  if (guest.snapshots.length > 0)
    throw new ApiError(
      500,
      `unable to create template, because ${guest.kind === 'vm' ? 'VM' : 'CT'} contains snapshots`,
    );
  refuseLocked(guest);
  for (const { key } of disksOf(guest.config))
    guest.config.set(key, (guest.config.get(key) ?? '').replace(/\bvm-(\d+-disk)/, 'base-$1'));
  guest.config.set('template', '1');
}

function template(call: Call, kind: GuestKind): string | null {
  const guest = getGuest(call, kind);
  if (kind.kind === 'container') {
    convert(guest);
    return null;
  }
  convert({ ...guest, config: new Map(guest.config) });
  return call.start('qmtemplate', String(guest.vmid), async (task) => {
    await task.take();
    convert(guest);
  });
}

function cloneParameters(kind: GuestKind): Parameters {
  const text = (about: string) => ({ type: 'string', optional: true, about }) as const;
  return {
    newid: {
      type: 'integer',
      format: 'pve-vmid',
      minimum: 100,
      maximum: 999_999_999,
      about: 'Id of the new guest.',
    },
    [kind.nameKey]: { ...text('Name of the new guest.'), format: 'dns-name' },
    bwlimit: bandwidthLimit(kind),
    description: text('Notes on the new guest.'),
    full: {
      type: 'boolean',
      optional: true,
      about: 'Copy the disks; of a template, they are shared otherwise.',
    },
    pool: { ...text('Pool that the new guest joins.'), format: 'pve-poolid' },
    snapname: { ...text('Clone this snapshot.'), format: 'pve-configid' },
    storage: { ...text('Where the copied disks go.'), format: 'pve-storage-id' },
    target: { ...text('Node of the new guest.'), format: 'pve-node' },
    ...(kind.kind === 'vm' && {
      format: { ...text('Format of the copied disks.'), enum: ['raw', 'qcow2', 'vmdk'] },
    }),
  };
}

export function cloneEndpoints(kind: GuestKind): readonly Endpoint[] {
  const what = kind.kind === 'vm' ? 'virtual machine' : 'container';
  const path = `/nodes/{node}/${kind.path}/{vmid}`;
  return [
    defineEndpoint({
      ...{ method: 'POST', path: `${path}/clone`, about: `Makes a copy of a ${what}.`, returns: 'string' },
      ...{ permission: { path: '/vms/{vmid}', privileges: ['VM.Clone'] }, parameters: cloneParameters(kind) },
      run: (call) => clone(call, kind),
    }),
    defineEndpoint({
      ...{ method: 'POST', path: `${path}/template`, about: `Turns a ${what} into a template.` },
      permission: { path: '/vms/{vmid}', privileges: ['VM.Allocate'] },
      returns: kind.kind === 'vm' ? 'string' : 'null',
      run: (call) => template(call, kind),
    }),
  ];
}
