/** Endpoints that tell what storages there are and how full they are. */
import { createHash } from 'node:crypto';
import { ApiError, badParameters } from './api-error.ts';
import { type Call, type Check, defineEndpoint, type Endpoint } from './endpoint.ts';
import type { LabStorage } from './storage-volumes.ts';
import { type Storages, storagesOf } from './storages.ts';

/** What one must be allowed to see a storage. */
export const seesStorage: Check = {
  path: '/storage/{storage}',
  privileges: ['Datastore.Audit', 'Datastore.AllocateSpace'],
  any: true,
};

/** Throws ApiError 500 where there is none of that name. */
export function getStorage({ cluster }: Pick<Call, 'cluster'>, name: string): LabStorage {
  const found = storagesOf(cluster).find(name);
  if (found === undefined) throw new ApiError(500, `storage '${name}' does not exist`);
  return found;
}

function maySee(call: Call, { storage }: LabStorage): boolean {
  return call.may(`/storage/${storage}`, seesStorage.privileges, { any: true });
}

function figures(storages: Storages, storage: LabStorage, node: string) {
  const total = storage.totalBytes;
  const used = storages.usedBytes(storage, node);
  return { total, used, avail: Math.max(0, total - used) };
}

function status(call: Call, storage: LabStorage) {
  return {
    ...{ type: storage.type, shared: storage.shared ? 1 : 0, content: storage.content.join(',') },
    ...{ active: 1, enabled: 1 },
    ...figures(storagesOf(call.cluster), storage, call.node.name),
  };
}

function listEntry(call: Call, storage: LabStorage) {
  const entry = { storage: storage.storage, ...status(call, storage) };
  const formats = {
    default: 'raw',
    supported: storage.path === undefined ? ['raw'] : ['qcow2', 'raw', 'vmdk'],
  };
  return {
    ...{ ...entry, used_fraction: entry.used / entry.total },
    ...(call.values.flag('format') && { formats }),
  };
}

/** The storages of one node as /cluster/resources has them. */
export function storageResources(call: Call, node: string) {
  const storages = storagesOf(call.cluster);
  return storages.all
    .filter((storage) => maySee(call, storage))
    .map((storage) => ({
      ...{ id: `storage/${node}/${storage.storage}`, type: 'storage', node, storage: storage.storage },
      ...{ plugintype: storage.type, content: storage.content.join(','), shared: storage.shared ? 1 : 0 },
      ...{ status: 'available', disk: storages.usedBytes(storage, node), maxdisk: storage.totalBytes },
    }));
}

function section(storage: LabStorage, storages: Storages) {
  const digest = createHash('sha1').update(JSON.stringify(storages.all)).digest('hex');
  return {
    ...{ storage: storage.storage, type: storage.type, content: storage.content.join(',') },
    ...(storage.path !== undefined && { path: storage.path }),
    ...(storage.shared && { shared: 1 }),
    ...{ ...storage.settings, digest },
  };
}

const subdirectories = ['content', 'download-url', 'prunebackups', 'rrddata', 'status'];

export const storageEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: '/storage', about: 'Lists how storages are configured.', returns: 'array' },
    parameters: {
      type: {
        ...{
          type: 'string',
          optional: true,
          enum: ['btrfs', 'cifs', 'dir', 'lvm', 'lvmthin', 'nfs', 'pbs', 'zfspool'],
        },
        about: 'Only storages of this type.',
      },
    },
    permission: 'all',
    run(call) {
      const storages = storagesOf(call.cluster);
      const type = call.values.find('type');
      return storages.all
        .filter((storage) => maySee(call, storage) && (type === undefined || storage.type === type))
        .map((storage) => section(storage, storages));
    },
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/storage/{storage}', about: 'Tells how one storage is configured.' },
    returns: 'object',
    permission: { path: '/storage/{storage}', privileges: ['Datastore.Allocate'] },
    run: (call) => section(getStorage(call, call.values.text('storage')), storagesOf(call.cluster)),
  }),
  defineEndpoint({
    ...{
      method: 'GET',
      path: '/nodes/{node}/storage',
      about: 'Lists the storages of a node with their sizes.',
    },
    returns: 'array',
    parameters: {
      content: {
        type: 'string',
        optional: true,
        about: 'Only storages that hold one of these kinds of content.',
      },
      enabled: { type: 'boolean', optional: true, default: 0, about: 'Only storages that are switched on.' },
      format: {
        type: 'boolean',
        optional: true,
        default: 0,
        about: 'Tell which disk formats each supports.',
      },
      storage: { type: 'string', optional: true, format: 'pve-storage-id', about: 'Only this storage.' },
      target: {
        type: 'string',
        optional: true,
        format: 'pve-node',
        about: 'Only storages that this node has, too.',
      },
    },
    permission: 'all',
    run(call) {
      const { values } = call;
      const wanted = values.list('content');
      const only = values.find('storage');
      return storagesOf(call.cluster)
        .all.filter((storage) => maySee(call, storage))
        .filter(({ storage }) => only === undefined || storage === only)
        .filter(({ content }) => wanted.length === 0 || content.some((kind) => wanted.includes(kind)))
        .map((storage) => listEntry(call, storage));
    },
  }),
  defineEndpoint({
    ...{
      method: 'GET',
      path: '/nodes/{node}/storage/{storage}',
      about: 'Lists what there is below a storage.',
    },
    ...{ returns: 'array', permission: seesStorage },
    run: () => subdirectories.map((subdir) => ({ subdir })),
  }),
  defineEndpoint({
    ...{
      method: 'GET',
      path: '/nodes/{node}/storage/{storage}/status',
      about: 'Tells how full a storage is.',
    },
    ...{ returns: 'object', permission: seesStorage },
    run(call) {
      const found = storagesOf(call.cluster).find(call.values.text('storage'));
      if (found === undefined) throw badParameters({ storage: 'No such storage.' });
      return status(call, found);
    },
  }),
];
