/** Endpoints that show pools of guests and storages, and change them. */
import { ApiError } from './api-error.ts';
import { type Call, type Check, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { getPool, leavePool, type Pool, poolOf, poolsOf } from './pools-members.ts';
import { guestResource } from './resources.ts';
import { storageResources } from './storage.ts';
import { storagesOf } from './storages.ts';

function members(call: Call, { vmids, storages }: Pool) {
  const { cluster, values } = call;
  const type = values.find('type');
  const guests = [...vmids].flatMap((vmid) => {
    const guest = cluster.guests.get(vmid);
    return guest === undefined ? [] : [guestResource(cluster, guest)];
  });
  const stored = [...cluster.nodes.keys()].flatMap((node) => storageResources(call, node));
  return [...guests, ...stored.filter(({ storage }) => storages.has(storage))].filter(
    (member) => type === undefined || member.type === type,
  );
}

function entry({ poolid, comment }: Pool) {
  return { poolid, ...(comment !== undefined && { comment }) };
}

function whole(call: Call, poolid: string) {
  const pool = getPool(call.cluster, poolid);
  return { ...entry(pool), members: members(call, pool) };
}

function list(call: Call) {
  const poolid = call.values.find('poolid');
  if (poolid !== undefined) {
    call.require(`/pool/${poolid}`, ['Pool.Audit']);
    return [whole(call, poolid)];
  }
  return [...poolsOf(call.cluster).values()]
    .filter((pool) => call.may(`/pool/${pool.poolid}`, ['Pool.Audit', 'Pool.Allocate'], { any: true }))
    .map(entry);
}

function create({ cluster, values }: Call): null {
  const poolid = values.text('poolid');
  const pools = poolsOf(cluster);
  if (pools.has(poolid)) throw new ApiError(500, `create pool failed: pool '${poolid}' already exists`);
  const parent = /^(.+)\/[^/]+$/.exec(poolid)?.[1];
  if (parent !== undefined && !pools.has(parent))
    throw new ApiError(500, `create pool failed: parent '${parent}' for pool '${poolid}' does not exist`);
  pools.set(poolid, { poolid, comment: values.find('comment'), vmids: new Set(), storages: new Set() });
  return null;
}

function updateFailed(text: string): ApiError {
  return new ApiError(500, `update pools failed: ${text}`);
}

/** Checks all of what is to come and go before anything does. */
function requireChanges({ cluster, values }: Call, pool: Pool): void {
  const removes = values.flag('delete');
  for (const vmid of values.list('vms').map(Number)) {
    const present = poolOf(cluster, vmid);
    if (removes && !pool.vmids.has(vmid)) throw updateFailed(`VM ${vmid} is not a pool member`);
    if (removes) continue;
    if (!cluster.guests.has(vmid)) throw updateFailed(`VM ${vmid} does not exist`);
    if (present === pool.poolid) throw updateFailed(`VM ${vmid} is already a pool member`);
    if (present !== undefined && !values.flag('allow-move'))
      throw updateFailed(`VM ${vmid} belongs already to pool '${present}' and 'allow-move' is not set`);
  }
  for (const name of values.list('storage')) {
    if (removes && !pool.storages.has(name)) throw updateFailed(`Storage '${name}' is not a pool member`);
    if (removes) continue;
    if (storagesOf(cluster).find(name) === undefined) throw updateFailed(`storage '${name}' does not exist`);
    if (pool.storages.has(name)) throw updateFailed(`Storage '${name}' is already a pool member`);
  }
}

function update(call: Call): null {
  const { cluster, values } = call;
  const pool = getPool(cluster, values.text('poolid'));
  for (const vmid of values.list('vms')) call.require(`/vms/${vmid}`, ['VM.Allocate']);
  for (const name of values.list('storage')) call.require(`/storage/${name}`, ['Datastore.Allocate']);
  requireChanges(call, pool);
  for (const vmid of values.list('vms').map(Number)) {
    leavePool(cluster, vmid);
    if (!values.flag('delete')) pool.vmids.add(vmid);
  }
  for (const name of values.list('storage')) {
    if (values.flag('delete')) pool.storages.delete(name);
    else pool.storages.add(name);
  }
  if (values.has('comment')) pool.comment = values.text('comment');
  return null;
}

function remove({ cluster, values }: Call): null {
  const poolid = values.text('poolid');
  const failed = (text: string) => new ApiError(500, `delete pool failed: ${text}`);
  const pool = poolsOf(cluster).get(poolid);
  if (pool === undefined) throw failed(`pool '${poolid}' does not exist`);
  const [vmid] = pool.vmids;
  if (vmid !== undefined) throw failed(`pool '${poolid}' is not empty (contains VM ${vmid})`);
  const [storage] = pool.storages;
  if (storage !== undefined) throw failed(`pool '${poolid}' is not empty (contains storage '${storage}')`);
  const child = [...poolsOf(cluster).keys()].find((name) => name.startsWith(`${poolid}/`));
  if (child !== undefined) throw failed(`pool '${poolid}' contains pool '${child}'`);
  poolsOf(cluster).delete(poolid);
  return null;
}

const allocate: Check = { path: '/pool/{poolid}', privileges: ['Pool.Allocate'] };

const poolid = { type: 'string', format: 'pve-poolid', about: 'Name of the pool.' } as const;
const comment = { type: 'string', optional: true, about: 'What the pool is for.' } as const;
const type = {
  type: 'string',
  optional: true,
  enum: ['qemu', 'lxc', 'storage'],
  about: 'Only such members.',
} as const;

const changes: Parameters = {
  'allow-move': {
    ...{ type: 'boolean', optional: true, default: 0 },
    about: 'Whether guests may be taken from another pool.',
  },
  comment,
  delete: {
    type: 'boolean',
    optional: true,
    default: 0,
    about: 'Take the named members out, rather than in.',
  },
  storage: { type: 'string', optional: true, about: 'Storages.' },
  vms: { type: 'string', optional: true, format: 'pve-vmid-list', about: 'Guests.' },
};

export const poolEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: '/pools', about: 'Lists the pools, or shows one.', returns: 'array' },
    ...{ permission: 'all', parameters: { poolid: { ...poolid, optional: true }, type }, run: list },
  }),
  defineEndpoint({
    ...{ method: 'POST', path: '/pools', about: 'Makes a pool.', permission: allocate },
    ...{ parameters: { poolid, comment }, run: create },
  }),
  defineEndpoint({
    ...{
      method: 'PUT',
      path: '/pools',
      about: 'Changes members or comment of a pool.',
      permission: allocate,
    },
    ...{ parameters: { poolid, ...changes }, run: update },
  }),
  defineEndpoint({
    ...{ method: 'DELETE', path: '/pools', about: 'Removes an empty pool.', permission: allocate },
    ...{ parameters: { poolid }, run: remove },
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/pools/{poolid}', about: 'Shows a pool and its members.', returns: 'object' },
    ...{ permission: { path: '/pool/{poolid}', privileges: ['Pool.Audit'] }, parameters: { type } },
    run: (call) => whole(call, call.values.text('poolid')),
  }),
  defineEndpoint({
    ...{ method: 'PUT', path: '/pools/{poolid}', about: 'Changes a pool, as PUT /pools does.' },
    ...{ permission: allocate, parameters: changes, run: update },
  }),
  defineEndpoint({
    ...{ method: 'DELETE', path: '/pools/{poolid}', about: 'Removes an empty pool, as DELETE /pools does.' },
    ...{ permission: allocate, run: remove },
  }),
];
