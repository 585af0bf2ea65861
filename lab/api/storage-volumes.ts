/** What storages and volumes are, and what a guest's configuration says of its disks. */
import type { Tree } from '../files/tree.ts';
import type { LabGuest } from '../proxmox/guest.ts';

export type Content = 'images' | 'rootdir' | 'iso' | 'vztmpl' | 'backup' | 'snippets' | 'import';

export interface LabStorage {
  readonly storage: string;
  readonly type: 'dir' | 'lvmthin' | 'nfs';
  readonly content: readonly Content[];
  /** Whether all nodes see the same volumes. */
  readonly shared: boolean;
  /** Of a storage that consists of files. */
  readonly path: string | undefined;
  /** The further keys of its section in storage.cfg. */
  readonly settings: Readonly<Record<string, string>>;
  readonly totalBytes: number;
  /** What is used by something else than volumes. */
  readonly otherBytes: number;
}

/** What a backup keeps of a guest. */
export type Archived = Pick<LabGuest, 'kind' | 'description'> & {
  readonly config: ReadonlyMap<string, string>;
  /** Those of a container. */
  readonly files: Tree | undefined;
};

export interface LabVolume {
  readonly volid: string;
  readonly content: Content;
  readonly format: string;
  readonly sizeBytes: number;
  /** What it takes on the storage, where that is another figure. */
  readonly usedBytes?: number;
  /** Seconds since 1970. */
  readonly ctimeS: number;
  readonly vmid?: number | undefined;
  readonly archived?: Archived;
  notes?: string | undefined;
  isProtected?: boolean;
}

const diskKey = /^(?:rootfs|mp\d+|(?:scsi|virtio|ide|sata|unused)\d+|efidisk0|tpmstate0)$/;

/** The volume ids that a configuration names as disks, with what it says of each. */
export function disksOf(config: ReadonlyMap<string, string>): { key: string; volid: string; size: string }[] {
  return [...config].flatMap(([key, value]) => {
    const [volid = '', ...options] = value.split(',');
    const isDisk = diskKey.test(key) && /^[a-z][\w.-]*:/i.test(volid) && !options.includes('media=cdrom');
    const size = options.find((option) => option.startsWith('size='))?.slice('size='.length) ?? '0';
    return isDisk ? [{ key, volid, size }] : [];
  });
}

/** A number from 0 below 1 that is the same for the same text. */
export function fractionOf(text: string): number {
  // FNV-1a, and at its end what MurmurHash3 does, so that texts much alike come out far apart.
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
