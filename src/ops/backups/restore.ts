/** Makes a guest from its backup: a new one, or the old one again where that is said. */
import { failure } from '../../base/errors.ts';
import { nameOf, nounOf } from '../../base/guest-name.ts';
import { apiPath } from '../../pve/api-path.ts';
import type { ApiRoom, TaskEnd, TaskWait } from '../api-room.ts';
import { carriedOut, statusNow } from '../guest-task.ts';
import { onceEach, type StoragePlace, storagePlaces } from '../storage-places.ts';
import { type Archive, archiveOf, readVolumes, type Volume } from '../volumes.ts';

export interface RestoreRequest {
  /** A volume id that names its guest, as `archiveOf` reads it. */
  readonly archive: string;
  /** An id that no guest has, or `overwrite`: the guest of which the archive is, which must be stopped. */
  readonly onto: number | 'overwrite';
  /** On which a new guest is made; undefined where only one has the archive, or it does not matter. */
  readonly node: string | undefined;
  /** For the disks; undefined for where they were, or Proxmox VE's own choice. */
  readonly storage: string | undefined;
  /** Whether network interfaces get new addresses. */
  readonly unique: boolean;
  readonly start: boolean;
}

export interface RestoredGuest {
  readonly vmid: number;
  readonly kind: 'container' | 'vm';
  readonly name: string | undefined;
  readonly node: string;
  /** When the archive was made. */
  readonly backedUpAt: Date | undefined;
  readonly end: TaskEnd | undefined;
}

export async function restore(
  room: ApiRoom,
  request: RestoreRequest,
  wait: TaskWait,
): Promise<RestoredGuest> {
  const archive = archiveOf(request.archive);
  if (archive === undefined) throw refusal('archive: it does not name the guest that it is of');
  const { onto } = request;
  const target =
    onto === 'overwrite'
      ? await oldGuest(room, archive, request, wait.signal)
      : { vmid: onto, name: undefined, ...(await newHome(room, archive, request, wait.signal)) };
  const { vmid, node } = target;
  const { kind } = archive;
  const params = {
    ...(kind === 'vm' ? { archive: request.archive } : { ostemplate: request.archive, restore: true }),
    // SECURITY: this alone lets Proxmox VE destroy the guest that there is.
    ...(onto === 'overwrite' && { force: true }),
    ...(request.unique && { unique: true }),
    ...(request.start && { start: true }),
    ...{ vmid, storage: request.storage },
  };
  const path = kind === 'vm' ? apiPath`/nodes/${node}/qemu` : apiPath`/nodes/${node}/lxc`;
  const action = `restore ${nameOf({ kind, vmid })} from a backup`;
  const end = await carriedOut({ vmid, kind }, () =>
    room.tasks.run({ method: 'POST', path, params, action }, wait),
  );
  return { ...target, kind, end };
}

type Target = Pick<RestoredGuest, 'vmid' | 'name' | 'node' | 'backedUpAt'>;

/** Looked at before anything is destroyed: that the archive is there, and the guest is what it is of. */
async function oldGuest(
  room: ApiRoom,
  archive: Archive,
  { archive: volid, node }: RestoreRequest,
  signal: AbortSignal,
): Promise<Target> {
  const guest = await room.inventory.now(archive.vmid, signal);
  const { vmid } = guest;
  if (guest.kind !== archive.kind)
    throw refusal(
      `overwrite: the backup is of a ${nounOf(archive.kind)}, and ${vmid} is a ${nounOf(guest.kind)}`,
    );
  if (node !== undefined && node !== guest.node)
    throw refusal(`node: guest ${vmid}, which is to be overwritten, is on ${guest.node}`);
  if ((await statusNow(room.pve, guest, signal)) !== 'stopped')
    throw refusal(`overwrite: guest ${vmid} is not stopped; stop it first`);
  const { createdAt } = await findArchive(room, { volid, archive, node: guest.node }, signal);
  return { vmid, name: guest.name, node: guest.node, backedUpAt: createdAt };
}

async function newHome(
  room: ApiRoom,
  archive: Archive,
  { archive: volid, node: named }: RestoreRequest,
  signal: AbortSignal,
): Promise<Pick<Target, 'node' | 'backedUpAt'>> {
  const { place, createdAt } = await findArchive(room, { volid, archive, node: named }, signal);
  return { node: named ?? (await homeOf(room, archive, place, signal)), backedUpAt: createdAt };
}

/** A shared archive is restored where its guest is, or else on a node that has the storage. */
async function homeOf(
  { inventory }: ApiRoom,
  { vmid }: Archive,
  place: StoragePlace,
  signal: AbortSignal,
): Promise<string> {
  if (!place.shared) return place.node;
  return (await inventory.find(vmid, signal))?.node ?? place.node;
}

/** Of several nodes that have a storage of that name, the one in whose storage the archive is. */
async function findArchive(
  { pve }: ApiRoom,
  { volid, archive, node }: { volid: string; archive: Archive; node: string | undefined },
  signal: AbortSignal,
): Promise<Volume> {
  const named = (await storagePlaces(pve, signal)).filter(({ storage }) => storage === archive.storage);
  const here = onceEach(node === undefined ? named : named.filter((place) => place.node === node));
  const found: Volume[] = [];
  for (const place of here) {
    const volumes = await readVolumes(pve, place, { content: 'backup', vmid: archive.vmid }, signal);
    found.push(...volumes.filter((volume) => volume.volid === volid));
  }
  const [first, second] = found;
  if (first === undefined)
    throw refusal(
      `archive: the storage ${archive.storage}${node === undefined ? '' : ` of node ${node}`} does not hold it`,
    );
  if (second !== undefined)
    throw refusal(
      `node: several have such an archive; name one of ${found.map(({ place }) => place.node).join(', ')}`,
    );
  return first;
}

function refusal(problem: string) {
  return failure('INVALID_ARGUMENT', { problem });
}
