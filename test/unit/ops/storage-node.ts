/** Storages of a node that stands in for a cluster, and what its tests expect to be asked. */
import type { Heard } from '../pve/https-server.ts';
import { container, type GuestNode, vm } from './guest-node.ts';

export interface StoredVolume {
  readonly volid: string;
  readonly content: string;
  readonly [field: string]: unknown;
}

const gibibyte = 1024 ** 3;

export function resource(node: string, storage: string, content: string, more: object = {}): object {
  return {
    ...{ id: `storage/${node}/${storage}`, type: 'storage', node, storage, content, shared: 0 },
    ...{ plugintype: 'dir', status: 'available', maxdisk: 100 * gibibyte, disk: String(40 * gibibyte) },
    ...more,
  };
}

export const storages = [
  resource('pve1', 'local', 'iso,backup,vztmpl'),
  resource('pve1', 'pool', 'rootdir,images', { plugintype: 'zfspool' }),
  resource('pve1', 'nas', 'backup', { shared: 1, plugintype: 'nfs' }),
  resource('pve2', 'local', 'iso,backup,vztmpl'),
  resource('pve2', 'nas', 'backup', { shared: 1, plugintype: 'nfs' }),
];

/** What lies where, by «pve1/local». */
export type Stored = Record<string, readonly StoredVolume[]>;

/** Answers as a node does that has these storages; everything else is left to it. */
export function serveStorages(node: GuestNode, stored: Stored, more: Record<string, unknown> = {}): void {
  node.resources = [vm, container, ...storages];
  node.answer = ({ method, path, query }: Heard) => {
    if (method !== 'GET') return undefined;
    if (Object.hasOwn(more, path)) return { data: more[path] };
    const [, of = '', storage = ''] = /^\/nodes\/([^/]+)\/storage\/([^/]+)\/content$/.exec(path) ?? [];
    if (storage === '') return undefined;
    const vmid = query.get('vmid');
    const found = (stored[`${of}/${storage}`] ?? [])
      .filter(({ content }) => [null, content].includes(query.get('content')))
      .filter((volume) => vmid === null || volume.vmid === undefined || String(volume.vmid) === vmid);
    return { data: found };
  };
}

export function backup(volid: string, vmid: number, more: object = {}): StoredVolume {
  return { volid, content: 'backup', format: 'tar.zst', vmid, size: 1000, ctime: 1_795_222_236, ...more };
}
