/** What storages hold: images, archives, templates, and the guests to which they belong. */
import { z } from 'zod';
import { GatewayError } from '../base/errors.ts';
import { apiPath } from '../pve/api-path.ts';
import type { Pve } from '../pve/pve.ts';
import { Flag, Num, Text } from './answers.ts';
import { ListOf } from './list-of.ts';
import type { StoragePlace } from './storage-places.ts';
import { timeOf } from './times.ts';

export interface Volume {
  /** As in `local:iso/debian.iso`. */
  readonly volid: string;
  readonly place: StoragePlace;
  readonly content: string;
  readonly sizeBytes: number | undefined;
  readonly createdAt: Date | undefined;
  /** The guest that it belongs to, as Proxmox VE says. */
  readonly vmid: number | undefined;
  /** The first line. */
  readonly notes: string;
  readonly protected: boolean;
  readonly encrypted: boolean;
  /** How a Proxmox Backup Server found it when it last looked: `ok` or `failed`; empty where it did not look. */
  readonly verification: string;
}

const Volumes = ListOf(
  z.object({
    volid: z.string(),
    content: Text,
    size: Num,
    'approximate-size': Num,
    ctime: Num,
    vmid: Num,
    notes: Text,
    protected: Flag,
    encrypted: Text,
    verification: z.object({ state: Text }).nullish().catch(undefined),
  }),
);

export interface VolumeFilter {
  readonly content?: string | undefined;
  readonly vmid?: number | undefined;
}

/** Sorted by content and id. */
export async function readVolumes(
  pve: Pve,
  place: StoragePlace,
  { content, vmid }: VolumeFilter,
  signal: AbortSignal,
): Promise<readonly Volume[]> {
  const { node, storage } = place;
  const volumes = await pve.request(
    {
      method: 'GET',
      path: apiPath`/nodes/${node}/storage/${storage}/content`,
      params: { content, vmid },
      action: `list what the storage ${storage} holds`,
      signal,
    },
    Volumes,
  );
  return volumes
    .map((volume) => ({
      ...{ volid: volume.volid, place, content: volume.content ?? '' },
      ...{ sizeBytes: volume.size ?? volume['approximate-size'], createdAt: timeOf(volume.ctime) },
      ...{ vmid: volume.vmid, notes: volume.notes ?? '', protected: volume.protected ?? false },
      ...{ encrypted: (volume.encrypted ?? '') !== '', verification: volume.verification?.state ?? '' },
    }))
    .sort((one, other) => (sortKey(one) < sortKey(other) ? -1 : 1));
}

function sortKey({ content, volid }: Volume): string {
  return `${content} ${volid}`;
}

/** A storage that could not be read, and why, in words of the table of errors. */
export interface Unread {
  readonly storage: string;
  readonly node: string;
  readonly problem: string;
}

const readAtOnce = 4;

/**
 * Reads several storages. One that cannot be read does not keep the others from being seen, and one that is known
 * to be away is not waited for; throws only where none can be read, and what `signal` causes.
 */
export async function readEach(
  places: readonly StoragePlace[],
  read: (place: StoragePlace) => Promise<readonly Volume[]>,
  signal: AbortSignal,
): Promise<{ volumes: Volume[]; unread: Unread[] }> {
  const volumes: Volume[] = [];
  const worthATry = places.length === 1 ? places : places.filter(({ available }) => available);
  const unread: Unread[] = places
    .filter((place) => !worthATry.includes(place))
    .map(({ storage, node }) => ({ storage, node, problem: 'It is not available there.' }));
  let first: unknown;
  for (let start = 0; start < worthATry.length; start += readAtOnce) {
    const batch = worthATry.slice(start, start + readAtOnce);
    const results = await Promise.allSettled(batch.map(read));
    for (const [index, { storage, node }] of batch.entries()) {
      const result = results[index];
      if (result?.status === 'fulfilled') volumes.push(...result.value);
      if (result?.status !== 'rejected') continue;
      const error: unknown = result.reason;
      if (!(error instanceof GatewayError) || signal.aborted) throw error;
      first ??= error;
      unread.push({ storage, node, problem: error.message });
    }
  }
  if (first !== undefined && unread.length === places.length) throw first;
  return { volumes, unread };
}

export interface Archive {
  readonly storage: string;
  readonly vmid: number;
  readonly kind: 'container' | 'vm';
}

const archiveFile = /^([^:]+):backup\/vzdump-(lxc|qemu)-([1-9][0-9]{2,8})-[\w.+-]+$/;
const archiveOnServer = /^([^:]+):backup\/(?:ns\/[\w/.-]+\/)?(ct|vm)\/([1-9][0-9]{2,8})\/[\w:.-]+$/;

/** Of which guest an archive is, by its volume id; undefined where that does not tell. */
export function archiveOf(volid: string): Archive | undefined {
  const match = archiveFile.exec(volid) ?? archiveOnServer.exec(volid);
  if (match === null) return undefined;
  const [, storage = '', kind = '', vmid = ''] = match;
  return { storage, vmid: Number(vmid), kind: kind === 'lxc' || kind === 'ct' ? 'container' : 'vm' };
}

const ofGuests: ReadonlySet<string> = new Set(['images', 'rootdir', 'backup']);

/**
 * SECURITY: what belongs to a guest is seen only by who may reach that guest: the one that Proxmox VE names and
 * the one that the volume's name does. Where neither is known, by nobody.
 */
export function isSeen({ volid, content, vmid }: Volume, mayReach: (vmid: number) => boolean): boolean {
  const guests = [vmid, archiveOf(volid)?.vmid].filter((id) => id !== undefined);
  return guests.length === 0 ? !ofGuests.has(content) : guests.every(mayReach);
}
