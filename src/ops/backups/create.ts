/** Makes a backup of one guest, and finds the archive that came of it. */
import { failure, GatewayError } from '../../base/errors.ts';
import { nameOf } from '../../base/guest-name.ts';
import { apiPath } from '../../pve/api-path.ts';
import { parseUpid } from '../../pve/tasks.ts';
import type { ApiRoom, TaskEnd, TaskWait } from '../api-room.ts';
import { carriedOut } from '../guest-task.ts';
import { placesOf, type StoragePlace, storagePlaces } from '../storage-places.ts';
import type { Guest } from '../survey.ts';
import { readVolumes, type Volume } from '../volumes.ts';

export interface BackupRequest {
  readonly vmid: number;
  /** Undefined where the node has only one for backups. */
  readonly storage: string | undefined;
  readonly mode: 'snapshot' | 'suspend';
  readonly compress: 'zstd' | 'gzip' | 'lzo' | 'none';
  /** May hold `{{guestname}}`, `{{node}}`, `{{vmid}}`, `{{cluster}}`, which Proxmox VE fills in. */
  readonly notes: string | undefined;
  readonly protected: boolean;
}

export interface MadeBackup {
  readonly guest: Guest;
  readonly storage: string;
  readonly end: TaskEnd | undefined;
  /** Undefined where the task still runs, and where none was found afterwards. */
  readonly archive: Volume | undefined;
}

const content = 'backup';
const maxNotes = 1024;

export async function createBackup(
  { pve, tasks, inventory }: ApiRoom,
  request: BackupRequest,
  wait: TaskWait,
): Promise<MadeBackup> {
  const { vmid, mode, compress } = request;
  const notes = request.notes === undefined ? undefined : oneLine(request.notes);
  const guest = await inventory.now(vmid, wait.signal);
  const { node } = guest;
  const places = await storagePlaces(pve, wait.signal);
  const place = placeFor(placesOf(places, { storage: request.storage, node, content }), node);
  const params = {
    ...{ vmid, storage: place.storage, mode, compress: compress === 'none' ? '0' : compress },
    // Otherwise older backups go where the storage keeps only so many.
    remove: false,
    ...(notes !== undefined && { 'notes-template': notes }),
    ...(request.protected && { protected: true }),
  };
  const path = apiPath`/nodes/${node}/vzdump`;
  const action = `back up ${nameOf(guest)}`;
  const end = await carriedOut(guest, () => tasks.run({ method: 'POST', path, params, action }, wait));
  const { storage } = place;
  if (end === undefined || end.state === 'running') return { guest, storage, end, archive: undefined };
  const made = readVolumes(pve, place, { content, vmid }, wait.signal);
  return { guest, storage, end, archive: newestSince(end, await made.catch(nothingForFailures)) };
}

/** Where none is named, the only one there is. */
function placeFor(places: readonly StoragePlace[], node: string): StoragePlace {
  const [first, second] = places;
  if (first !== undefined && second === undefined) return first;
  throw failure('INVALID_ARGUMENT', {
    problem:
      first === undefined
        ? `storage: node ${node} has none for backups that the gateway can see`
        : `storage: node ${node} has several for backups; name one of ${places.map(({ storage }) => storage).join(', ')}`,
  });
}

const variable = /\{\{(?!(?:guestname|node|vmid|cluster)\}\})[^\s}]+\}\}/;

/** Proxmox VE takes notes as one line, in which it reads \n and \\, and gives up at a variable unknown to it. */
function oneLine(notes: string): string {
  if (variable.test(notes))
    throw failure('INVALID_ARGUMENT', {
      problem: 'notes: in {{ }} only guestname, node, vmid and cluster are known',
    });
  const line = notes.replaceAll('\\', '\\\\').replace(/\r\n?|\n/g, '\\n');
  if (line.length > maxNotes)
    throw failure('INVALID_ARGUMENT', { problem: `notes: at most ${maxNotes} characters` });
  return line;
}

/** The backup is made: that it cannot be looked at is no reason to say otherwise. */
function nothingForFailures(error: unknown): readonly Volume[] {
  if (error instanceof GatewayError) return [];
  throw error;
}

/** The archive's time is that of its guest's turn, which comes after the task's start. */
function newestSince({ upid }: TaskEnd, volumes: readonly Volume[]): Volume | undefined {
  const startedAt = parseUpid(upid)?.startedAt;
  if (startedAt === undefined) return undefined;
  return volumes.find(({ createdAt }) => createdAt !== undefined && createdAt >= startedAt);
}
