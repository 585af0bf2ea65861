/** Backups of guests, and guests restored from them. */
import type { ApiRoom, TaskWait } from './api-room.ts';
import { type BackupRequest, createBackup, type MadeBackup } from './backups/create.ts';
import { type BackupJob, listJobs } from './backups/jobs.ts';
import { type RestoredGuest, type RestoreRequest, restore } from './backups/restore.ts';
import { placesOf, type StoragePlace, storagePlaces } from './storage-places.ts';
import { isSeen, readEach, readVolumes, type Unread, type Volume } from './volumes.ts';

export interface BackupFilter {
  readonly storage: string | undefined;
  readonly node: string | undefined;
  readonly vmid: number | undefined;
  readonly mayReach: (vmid: number) => boolean;
}

/** What changes something throws GUEST_NOT_FOUND, TASK_FAILED, TASK_LEFT_RUNNING and what the API throws. */
export interface Backups {
  /** Newest first, of every storage for backups that can be read. Throws INVALID_ARGUMENT for an unknown one. */
  list(
    filter: BackupFilter,
    signal: AbortSignal,
  ): Promise<{ volumes: readonly Volume[]; unread: readonly Unread[] }>;
  /** Throws INVALID_ARGUMENT where the storage is not for backups, or must be named. */
  create(request: BackupRequest, wait: TaskWait): Promise<MadeBackup>;
  /** Never onto a guest that exists, unless `overwrite` says so. Throws INVALID_ARGUMENT for what does not fit. */
  restore(request: RestoreRequest, wait: TaskWait): Promise<RestoredGuest>;
  jobs(mayReach: (vmid: number) => boolean, signal: AbortSignal): Promise<readonly BackupJob[]>;
}

export function createBackups(room: ApiRoom): Backups {
  const { pve } = room;
  return {
    async list({ mayReach, vmid, ...wanted }, signal) {
      const content = 'backup';
      const places = placesOf(await storagePlaces(pve, signal), { ...wanted, content });
      const read = (place: StoragePlace) => readVolumes(pve, place, { content, vmid }, signal);
      const { volumes, unread } = await readEach(places, read, signal);
      const seen = volumes.filter((volume) => isSeen(volume, mayReach));
      return { volumes: seen.sort(newestFirst), unread };
    },
    create: (request, wait) => createBackup(room, request, wait),
    restore: (request, wait) => restore(room, request, wait),
    jobs: (mayReach, signal) => listJobs(pve, mayReach, signal),
  };
}

function newestFirst(one: Volume, other: Volume): number {
  return (other.createdAt?.getTime() ?? 0) - (one.createdAt?.getTime() ?? 0);
}
