/** The disks that a configuration asks for: made on a storage, and grown. */
import type { LabCluster } from '../proxmox/cluster.ts';
import { bytesOf } from '../proxmox/figures.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import { ApiError } from './api-error.ts';
import { disksOf, type LabStorage } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';

/** `local-lvm:8`: a new disk of so many GiB there. */
const wanted = /^([a-z][\w.-]*):(\d+(?:\.\d+)?)(?=,|$)/i;

const diskKey = /^(rootfs|mp\d+|(scsi|virtio|sata|ide)\d+|efidisk0|tpmstate0)$/;

export function isDiskKey(key: string): boolean {
  return diskKey.test(key);
}

/** The storage on which the value of a key asks for a new disk. */
export function storageAskedBy(key: string, value: string): string | undefined {
  return isDiskKey(key) ? wanted.exec(value)?.[1] : undefined;
}

/** Throws ApiError 500 where there is none of that name, or it does not hold disks of such guests. */
export function getDiskStorage(cluster: LabCluster, name: string, kind: LabGuest['kind']): LabStorage {
  const storage = storagesOf(cluster).find(name);
  if (storage === undefined) throw new ApiError(500, `storage '${name}' does not exist`);
  if (!storage.content.includes(kind === 'vm' ? 'images' : 'rootdir')) {
    const what = kind === 'vm' ? 'vm images' : 'container directories';
    throw new ApiError(500, `storage '${name}' does not support ${what}`);
  }
  return storage;
}

function freeDiskName(guest: Pick<LabGuest, 'vmid' | 'config'>, storage: LabStorage): string {
  const taken = new Set(disksOf(guest.config).map(({ volid }) => /disk-(\d+)/.exec(volid)?.[1]));
  let number = 0;
  while (taken.has(String(number))) number += 1;
  const name = `vm-${guest.vmid}-disk-${number}`;
  return storage.path === undefined ? name : `${guest.vmid}/${name}.raw`;
}

/** The value as it is kept, with the name and the size of the disk that was made for it. Throws ApiError 500. */
export function withNewDisk(
  cluster: LabCluster,
  guest: Pick<LabGuest, 'vmid' | 'config' | 'kind'>,
  value: string,
): string {
  const [asked = '', name = '', size = ''] = wanted.exec(value) ?? [];
  if (asked === '') return value;
  const storage = getDiskStorage(cluster, name, guest.kind);
  return `${name}:${freeDiskName(guest, storage)}${value.slice(asked.length)},size=${size}G`;
}

function sizeText(bytes: number): string {
  const units: readonly [string, number][] = [
    ['G', 1024 ** 3],
    ['M', 1024 ** 2],
    ['K', 1024],
  ];
  const [unit, step] = units.find(([, each]) => bytes % each === 0) ?? ['', 1];
  return `${bytes / step}${unit}`;
}

/** Grows a disk to a size, or by one that begins with a plus. Throws ApiError 500 with the node's refusals. */
export function resizeDisk({ config, kind }: LabGuest, key: string, size: string): void {
  const value = config.get(key);
  if (value === undefined)
    throw new ApiError(
      500,
      kind === 'vm' ? `disk '${key}' does not exist` : `no such disk '${key}' in the configuration`,
    );
  const now = bytesOf(/\bsize=([\d.]+[KMGT]?)/.exec(value)?.[1] ?? '');
  const asked = bytesOf(size.replace('+', ''));
  const then = size.startsWith('+') ? now + asked : asked;
  if (then < now)
    throw new ApiError(
      500,
      kind === 'vm' ? 'shrinking disks is not supported' : 'unable to shrink disk size',
    );
  const sized = `size=${sizeText(then)}`;
  config.set(key, /\bsize=/.test(value) ? value.replace(/\bsize=[^,]*/, sized) : `${value},${sized}`);
}
