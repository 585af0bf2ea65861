/** Endpoints that tell about the cluster as a whole, and about whoever asks. */
import { badParameters } from './api-error.ts';
import { type Call, defineEndpoint, type Endpoint } from './endpoint.ts';
import { normalPath } from './tokens.ts';

export const version = { release: '9.2', repoid: '14a22df3c', version: '9.2.11' } as const;

function status({ cluster, node: here }: Call): object[] {
  const nodes = [...cluster.nodes.values()].map(({ name }, at) => ({
    ...{ id: `node/${name}`, type: 'node', name, ip: '127.0.0.1', level: '', online: 1 },
    ...{ local: name === here.name ? 1 : 0, nodeid: cluster.name === undefined ? 0 : at + 1 },
  }));
  if (cluster.name === undefined) return nodes;
  const about = { id: 'cluster', type: 'cluster', name: cluster.name, nodes: nodes.length };
  return [{ ...about, quorate: 1, version: nodes.length }, ...nodes];
}

function nextId({ cluster, values }: Call): string {
  const wanted = values.findNumber('vmid');
  if (wanted !== undefined) {
    if (cluster.guests.has(wanted)) throw badParameters({ vmid: `VM ${wanted} already exists` });
    return String(wanted);
  }
  let free = 100;
  while (cluster.guests.has(free)) free += 1;
  return String(free);
}

/** The paths at which access lists are looked at where none is asked for. */
const usualPaths = ['/', '/access', '/access/groups', '/nodes', '/pool', '/sdn', '/storage', '/vms'];

/** What the token may do, by path; paths without any right are left out. */
function permissions({ user, values }: Call): Record<string, Record<string, 1>> {
  const given = values.find('path');
  const path = given === undefined ? undefined : normalPath(given);
  if (given !== undefined && path === undefined) throw badParameters({ path: `'${given}' is no valid path` });
  const paths = path === undefined ? [...new Set([...usualPaths, ...user.paths])] : [path];
  const held = paths.map((each): [string, Record<string, 1>] => [
    each,
    Object.fromEntries(user.at(each).map((privilege) => [privilege, 1])),
  ]);
  return Object.fromEntries(held.filter(([each, rights]) => each === path || Object.keys(rights).length > 0));
}

export const clusterEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: '/version', about: 'Tells the version of the API.', permission: 'all' },
    returns: 'object',
    run: () => version,
  }),
  defineEndpoint({
    method: 'GET',
    path: '/cluster/status',
    about: 'Tells whether the cluster is quorate and its nodes online.',
    ...{ permission: { path: '/', privileges: ['Sys.Audit'] }, returns: 'array' },
    run: status,
  }),
  defineEndpoint({
    method: 'GET',
    path: '/cluster/nextid',
    about: 'Gives the lowest id that no guest has.',
    permission: 'all',
    parameters: {
      vmid: {
        ...{ type: 'integer', optional: true, format: 'pve-vmid', minimum: 100, maximum: 999_999_999 },
        about: 'Tells whether this id is free, instead.',
      },
    },
    returns: 'integer',
    run: nextId,
  }),
  defineEndpoint({
    method: 'GET',
    path: '/access/permissions',
    about: 'Tells what whoever asks may do.',
    permission: 'all',
    parameters: {
      path: { type: 'string', optional: true, about: 'Only at this path of the access list.' },
    },
    returns: 'object',
    run: permissions,
  }),
];
