/** A guest made again from a backup. */
import { copyFiles } from '../files/copy.ts';
import type { LabCluster } from '../proxmox/cluster.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import { ApiError } from './api-error.ts';
import { getDiskStorage } from './guest-disks.ts';
import { kindOf } from './guest-kinds.ts';
import { readVolumeName } from './storage-names.ts';
import { disksOf, fractionOf, type LabVolume } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';
import type { TaskRun } from './tasks.ts';

export interface Restore {
  readonly cluster: LabCluster;
  /** Where the guest comes to be. */
  readonly node: string;
  readonly task: TaskRun;
  readonly vmid: number;
  readonly kind: LabGuest['kind'];
  readonly volid: string;
  /** Where its disks go; where they were unless one is given. */
  readonly storage?: string | undefined;
  /** New hardware addresses for its network cards. */
  readonly unique?: boolean;
}

function findArchive({ cluster, node, volid, kind }: Restore): LabVolume & { path: string } {
  const [, name = '', rest = ''] = /^([^:]+):(.+)$/.exec(volid) ?? [];
  const storages = storagesOf(cluster);
  const storage = storages.find(name);
  if (storage === undefined) throw new ApiError(500, `storage '${name}' does not exist`);
  const volume = storages.findVolume(storage, node, volid);
  if (volume?.archived === undefined) throw new ApiError(500, `volume '${volid}' does not exist`);
  if (volume.archived.kind !== kind) {
    const found = kind === 'vm' ? 'a container' : 'a virtual machine';
    throw new ApiError(500, `'${volid}' is the backup of ${found}`);
  }
  return { ...volume, path: readVolumeName(storage, rest)?.path ?? volid };
}

function restoredDisk(value: string, { cluster, vmid, kind, storage }: Restore, number: number): string {
  const [, ownStorage = '', rest = ''] = /^([^:]+):[^,]+(.*)$/.exec(value) ?? [];
  const target = getDiskStorage(cluster, storage ?? ownStorage, kind);
  const disk = `vm-${vmid}-disk-${number}`;
  return `${target.storage}:${target.path === undefined ? disk : `${vmid}/${disk}.raw`}${rest}`;
}

const hardwareAddress = /\b(?:[0-9A-F]{2}:){5}[0-9A-F]{2}\b/i;

function newAddress(vmid: number, key: string): string {
  const digits = Math.floor(fractionOf(`${vmid} ${key}`) * 0x1000000)
    .toString(16)
    .padStart(6, '0')
    .toUpperCase();
  return `BC:24:11:${digits.match(/../g)?.join(':')}`;
}

function restoredConfig(archived: ReadonlyMap<string, string>, restore: Restore): Map<string, string> {
  const disks = disksOf(archived).map(({ key }) => key);
  const entries = [...archived].map(([key, value]): [string, string] => {
    if (disks.includes(key)) return [key, restoredDisk(value, restore, disks.indexOf(key))];
    const renews = restore.unique === true && /^net\d+$/.test(key);
    return [key, renews ? value.replace(hardwareAddress, newAddress(restore.vmid, key)) : value];
  });
  return new Map(entries);
}

/**
 * Makes the guest of the archive, stopped, or puts it in the place of one that is there and stopped.
 * Throws ApiError where there is no such archive or storage; what was there stays then.
 */
export async function restoreGuest(restore: Restore): Promise<LabGuest> {
  const { cluster, node, task, vmid, kind } = restore;
  const { archived, path } = findArchive(restore);
  const config = restoredConfig(archived?.config ?? new Map(), restore);
  task.log(
    kind === 'vm' ? `restore vma archive: ${path}` : `recovering backed-up configuration from '${path}'`,
  );
  await task.take();
  if (cluster.guests.has(vmid)) cluster.remove(vmid);
  const name = config.get(kindOf({ kind }).nameKey) ?? `restored-${vmid}`;
  const guest = cluster.add({ vmid, name, kind, node });
  guest.config.clear();
  for (const [key, value] of config) guest.config.set(key, value);
  guest.description = archived?.description;
  if (archived?.files !== undefined && guest.machine !== undefined)
    copyFiles(archived.files, guest.machine.files);
  task.log(kind === 'vm' ? 'rescan volumes...' : `restoring '${path}' now..`);
  return guest;
}
