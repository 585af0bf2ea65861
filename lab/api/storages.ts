/** What storages the pretend cluster has, and the volumes that lie on them. */
import type { LabCluster } from '../proxmox/cluster.ts';
import { bytesOf } from '../proxmox/figures.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import { archiveOf } from './backups-archive.ts';
import { nameOf } from './guest-kinds.ts';
import { disksOf, fractionOf, type LabStorage, type LabVolume } from './storage-volumes.ts';

export interface Storages {
  readonly all: readonly LabStorage[];
  find(storage: string): LabStorage | undefined;
  /** The volumes that a node sees, guests' disks among them, ordered by name. */
  volumes(storage: LabStorage, node: string): LabVolume[];
  findVolume(storage: LabStorage, node: string, volid: string): LabVolume | undefined;
  put(storage: LabStorage, node: string, volume: LabVolume): void;
  remove(storage: LabStorage, node: string, volid: string): void;
  usedBytes(storage: LabStorage, node: string): number;
}

const gibibyte = 1024 ** 3;

const allStorages: readonly LabStorage[] = [
  {
    ...{ storage: 'local', type: 'dir', shared: false, path: '/var/lib/vz', settings: {} },
    content: ['iso', 'vztmpl', 'backup', 'snippets', 'import'],
    ...{ totalBytes: 96 * gibibyte, otherBytes: 9.5 * gibibyte },
  },
  {
    ...{ storage: 'local-lvm', type: 'lvmthin', shared: false, path: undefined },
    ...{ settings: { thinpool: 'data', vgname: 'pve' }, content: ['images', 'rootdir'] },
    ...{ totalBytes: 350 * gibibyte, otherBytes: 0 },
  },
  {
    ...{ storage: 'nas', type: 'nfs', shared: true, path: '/mnt/pve/nas' },
    ...{
      settings: { export: '/export/pve', server: '10.99.0.250' },
      content: ['images', 'rootdir', 'iso', 'backup'],
    },
    ...{ totalBytes: 4096 * gibibyte, otherBytes: 1210 * gibibyte },
  },
];

function diskFormat({ path }: LabStorage, volid: string): string {
  return path === undefined ? 'raw' : (/\.(raw|qcow2|subvol|vmdk)$/.exec(volid)?.[1] ?? 'raw');
}

function guestVolumes(storage: LabStorage, guest: LabGuest): LabVolume[] {
  return disksOf(guest.config)
    .filter(({ volid }) => volid.startsWith(`${storage.storage}:`))
    .map(({ volid, size }) => ({
      ...{ volid, content: guest.kind === 'container' ? 'rootdir' : 'images' },
      ...{ format: diskFormat(storage, volid), sizeBytes: bytesOf(size), vmid: guest.vmid },
      usedBytes: Math.floor(bytesOf(size) * (0.15 + fractionOf(volid) / 3)),
      ctimeS: firstDayS + guest.vmid,
    }));
}

/** The day on which everything is there already: 2026-11-01. */
const firstDayS = 1_793_491_200;

function isoImage(storage: string, name: string, sizeBytes: number): LabVolume {
  const volid = `${storage}:iso/${name}`;
  return { volid, content: 'iso', format: 'iso', sizeBytes, ctimeS: firstDayS };
}

function template(name: string, sizeBytes: number): LabVolume {
  const volid = `local:vztmpl/${name}`;
  return { volid, content: 'vztmpl', format: 'tzst', sizeBytes, ctimeS: firstDayS };
}

function localVolumes(): LabVolume[] {
  return [
    isoImage('local', 'debian-13.1.0-amd64-netinst.iso', 821_035_008),
    template('alpine-3.22-default_20250617_amd64.tar.zst', 3_297_280),
    template('debian-13-standard_13.1-2_amd64.tar.zst', 129_816_112),
  ];
}

/** One backup of the first guest of each kind, as the guest is when somebody first looks. */
function localBackups(storage: LabStorage, guests: readonly LabGuest[]): LabVolume[] {
  const kinds = ['container', 'vm'] as const;
  return kinds.flatMap((kind) => {
    const guest = guests.find((one) => one.kind === kind);
    if (guest === undefined) return [];
    return [
      {
        ...archiveOf(guest, storage, { timeS: firstDayS + 7200, compression: 'zstd' }),
        notes: nameOf(guest),
      },
    ];
  });
}

/** What is there at the start on a storage, as a node with these guests sees it. */
function firstVolumes(storage: LabStorage, guests: readonly LabGuest[]): LabVolume[] {
  if (storage.storage === 'local') return [...localVolumes(), ...localBackups(storage, guests)];
  return storage.storage === 'nas' ? [isoImage('nas', 'virtio-win-0.1.285.iso', 784_760_832)] : [];
}

const ofClusters = new WeakMap<LabCluster, Storages>();

export function storagesOf(cluster: LabCluster): Storages {
  const storages = ofClusters.get(cluster) ?? createStorages(cluster);
  ofClusters.set(cluster, storages);
  return storages;
}

function createStorages({ guests }: LabCluster): Storages {
  const kept = new Map<string, Map<string, LabVolume>>();
  const keptOn = (storage: LabStorage, node: string): Map<string, LabVolume> => {
    const place = storage.shared ? storage.storage : `${storage.storage}@${node}`;
    const own = [...guests.values()].filter((guest) => guest.node === node);
    const there = kept.get(place) ?? new Map(firstVolumes(storage, own).map((one) => [one.volid, one]));
    kept.set(place, there);
    return there;
  };
  const storages: Storages = {
    all: allStorages,
    find: (name) => allStorages.find(({ storage }) => storage === name),
    volumes(storage, node) {
      const own = [...guests.values()].filter((guest) => storage.shared || guest.node === node);
      const disks = own.flatMap((guest) => guestVolumes(storage, guest));
      const named = new Map([...disks, ...keptOn(storage, node).values()].map((one) => [one.volid, one]));
      return [...named.values()].sort((a, b) => (a.volid < b.volid ? -1 : 1));
    },
    findVolume: (storage, node, volid) =>
      storages.volumes(storage, node).find((volume) => volume.volid === volid),
    put: (storage, node, volume) => void keptOn(storage, node).set(volume.volid, volume),
    remove: (storage, node, volid) => void keptOn(storage, node).delete(volid),
    usedBytes: (storage, node) =>
      storages
        .volumes(storage, node)
        .reduce((sum, { sizeBytes, usedBytes }) => sum + (usedBytes ?? sizeBytes), storage.otherBytes),
  };
  return storages;
}
