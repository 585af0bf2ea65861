/** Endpoints for the volumes of a storage: listed, looked at, made and removed. */
import { bytesOf } from '../proxmox/figures.ts';
import { ApiError } from './api-error.ts';
import { type Call, defineEndpoint, type Endpoint } from './endpoint.ts';
import { containerKind, kindOf } from './guest-kinds.ts';
import { getStorage, seesStorage } from './storage.ts';
import { readVolumeName, type VolumeName } from './storage-names.ts';
import { disksOf, type LabStorage, type LabVolume } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';

const volumePath = '/nodes/{node}/storage/{storage}/content/{volume}';

/** Whether the caller may see a volume: a guest's disks and backups are the affair of those who look after it. */
function mayUse(
  { may }: Call,
  { storage }: LabStorage,
  { content, vmid }: Pick<LabVolume, 'content' | 'vmid'>,
) {
  const place = `/storage/${storage}`;
  if (may(place, ['Datastore.Allocate'])) return true;
  const space = may(place, ['Datastore.AllocateSpace']);
  if (vmid === undefined)
    return space || may(place, ['Datastore.Audit', 'Datastore.AllocateTemplate'], { any: true });
  if (content === 'backup') return space && may(`/vms/${vmid}`, ['VM.Backup']);
  return may(`/vms/${vmid}`, ['VM.Config.Disk']);
}

function listEntry(volume: LabVolume) {
  const { volid, content, format, vmid, archived } = volume;
  const isDisk = content === 'images' || content === 'rootdir';
  return {
    ...{ volid, content, format, size: volume.sizeBytes, ctime: volume.ctimeS },
    ...(vmid !== undefined && { vmid }),
    ...(isDisk && { parent: null, used: volume.usedBytes ?? volume.sizeBytes }),
    ...(content === 'backup' && { subtype: kindOf(archived ?? containerKind).path }),
    ...(volume.notes !== undefined && { notes: volume.notes }),
    ...(volume.isProtected === true && { protected: 1 }),
  };
}

interface Named {
  readonly storage: LabStorage;
  readonly name: VolumeName;
}

/** The volume that the path names, with or without its storage before it. Throws ApiError 500. */
function readName(call: Call): Named {
  const { values } = call;
  const given = values.text('volume');
  const volid = given.includes(':') ? given : `${values.text('storage')}:${given}`;
  const [, storageName = '', rest = ''] = /^([^:]*):(.+)$/.exec(volid) ?? [];
  if (rest === '') throw new ApiError(500, `unable to parse volume ID '${volid}'`);
  if (storageName !== values.text('storage'))
    throw new ApiError(500, `storage ID mismatch (${values.text('storage')} != ${storageName})`);
  const storage = getStorage(call, storageName);
  const name = readVolumeName(storage, rest);
  if (name !== undefined) return { storage, name };
  const kind = storage.type === 'lvmthin' ? 'lvm' : 'directory';
  throw new ApiError(500, `unable to parse ${kind} volume name '${rest}'`);
}

function info(call: Call) {
  const { storage, name } = readName(call);
  if (!mayUse(call, storage, name))
    call.require(`/storage/${storage.storage}`, seesStorage.privileges, { any: true });
  const volume = storagesOf(call.cluster).findVolume(storage, call.node.name, name.volid);
  if (volume === undefined) throw new ApiError(500, `volume_size_info on '${name.volid}' failed - no format`);
  return {
    ...{ path: name.path, format: volume.format, size: volume.sizeBytes },
    used: volume.usedBytes ?? volume.sizeBytes,
    ...(volume.notes !== undefined && { notes: volume.notes }),
    ...(volume.isProtected === true && { protected: 1 }),
  };
}

/** Throws ApiError 403. */
function requireRemoval(call: Call, { storage, name }: Named): void {
  const place = `/storage/${storage.storage}`;
  if (name.content === 'backup' && name.vmid !== undefined) {
    call.require(place, ['Datastore.AllocateSpace']);
    call.require(`/vms/${name.vmid}`, ['VM.Backup']);
  } else call.require(place, ['Datastore.Allocate']);
}

function remove(call: Call): string {
  const named = readName(call);
  requireRemoval(call, named);
  const { storage, name } = named;
  const { cluster, node } = call;
  const storages = storagesOf(cluster);
  const id = name.vmid === undefined ? storage.storage : `${name.vmid}@${storage.storage}`;
  return call.start('imgdel', id, async (task) => {
    await task.take();
    const volume = storages.findVolume(storage, node.name, name.volid);
    const guest = cluster.guests.get(name.vmid ?? 0);
    if (guest !== undefined && disksOf(guest.config).some(({ volid }) => volid === name.volid))
      throw new ApiError(500, `volume '${name.volid}' is in use by guest ${guest.vmid}`);
    if (volume?.isProtected === true)
      throw new ApiError(500, `cannot remove protected archive '${name.path}'`);
    if (volume === undefined) task.log(`disk image '${name.path}' does not exist`);
    storages.remove(storage, node.name, name.volid);
    task.log(`Removed volume '${name.volid}'`);
  });
}

function allocate(call: Call): string {
  const { values, cluster, node } = call;
  const storage = getStorage(call, values.text('storage'));
  const vmid = values.number('vmid');
  const filename = values.text('filename').split('/').at(-1) ?? '';
  if (!filename.startsWith(`vm-${vmid}-`))
    throw new ApiError(500, `illegal name '${filename}' - should be 'vm-${vmid}-*'`);
  const format = values.find('format') ?? /\.(raw|qcow2|subvol|vmdk)$/.exec(filename)?.[1] ?? 'raw';
  const rest =
    storage.path === undefined ? filename : `${vmid}/${filename.replace(/(\.\w+)?$/, `.${format}`)}`;
  const name = readVolumeName(storage, rest);
  if (name === undefined) throw new ApiError(500, `unable to parse volume name '${rest}'`);
  const storages = storagesOf(cluster);
  if (storages.findVolume(storage, node.name, name.volid) !== undefined)
    throw new ApiError(500, `disk image '${name.path}' already exists`);
  const size = values.text('size');
  // Without a unit the size counts in KiB.
  const sizeBytes = bytesOf(/^\d+$/.test(size) ? `${size}K` : size);
  const ctimeS = Math.floor(Date.now() / 1000);
  const { volid } = name;
  storages.put(storage, node.name, {
    volid,
    content: 'images',
    format,
    sizeBytes,
    usedBytes: 0,
    ctimeS,
    vmid,
  });
  return volid;
}

function update(call: Call): null {
  const named = readName(call);
  requireRemoval(call, named);
  const { values } = call;
  const { storage, name } = named;
  const volume = storagesOf(call.cluster).findVolume(storage, call.node.name, name.volid);
  if (volume?.content !== 'backup')
    throw new ApiError(500, `only backups can have notes and protection, '${name.volid}' is none`);
  if (values.has('notes')) volume.notes = values.text('notes') || undefined;
  if (values.has('protected')) volume.isProtected = values.flag('protected');
  return null;
}

export const storageContentEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{
      method: 'GET',
      path: '/nodes/{node}/storage/{storage}/content',
      about: 'Lists the volumes of a storage.',
    },
    ...{ returns: 'array', permission: seesStorage },
    parameters: {
      content: {
        type: 'string',
        optional: true,
        format: 'pve-storage-content',
        about: 'Only this kind of content.',
      },
      vmid: {
        type: 'integer',
        optional: true,
        format: 'pve-vmid',
        about: 'Only disks and backups of this guest.',
      },
    },
    run(call) {
      const { values } = call;
      const storage = getStorage(call, values.text('storage'));
      const wanted = values.find('content');
      const owner = values.findNumber('vmid');
      return storagesOf(call.cluster)
        .volumes(storage, call.node.name)
        .filter(({ content }) => wanted === undefined || content === wanted)
        .filter(({ vmid }) => owner === undefined || vmid === undefined || vmid === owner)
        .filter((volume) => mayUse(call, storage, volume))
        .map(listEntry);
    },
  }),
  defineEndpoint({
    ...{
      method: 'POST',
      path: '/nodes/{node}/storage/{storage}/content',
      about: 'Makes an empty disk image.',
    },
    returns: 'string',
    parameters: {
      filename: { type: 'string', about: 'Name of the image.' },
      size: { type: 'string', pattern: /^\d+[MG]?$/, about: 'Size, in KiB where no unit follows.' },
      vmid: { type: 'integer', format: 'pve-vmid', about: 'The guest that it is for.' },
      format: { type: 'string', optional: true, enum: ['raw', 'qcow2', 'subvol', 'vmdk'] },
    },
    permission: { path: '/storage/{storage}', privileges: ['Datastore.AllocateSpace'] },
    run: allocate,
  }),
  defineEndpoint({
    ...{
      method: 'GET',
      path: volumePath,
      about: 'Tells size, format and place of a volume.',
      returns: 'object',
    },
    ...{ permission: 'all', run: info },
  }),
  defineEndpoint({
    ...{
      method: 'PUT',
      path: volumePath,
      about: 'Changes notes and protection of a backup.',
      permission: 'all',
    },
    parameters: {
      notes: { type: 'string', optional: true, about: 'New notes.' },
      protected: { type: 'boolean', optional: true, about: 'Whether it is kept from being removed.' },
    },
    run: update,
  }),
  defineEndpoint({
    ...{
      method: 'DELETE',
      path: volumePath,
      about: 'Removes a volume.',
      returns: 'string',
      permission: 'all',
    },
    parameters: {
      delay: {
        type: 'integer',
        optional: true,
        minimum: 1,
        maximum: 30,
        about: 'Seconds to wait for the end.',
      },
    },
    run: remove,
  }),
];
