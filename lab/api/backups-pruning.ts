/** Which backups need not be kept: told, and removed. */
import type { LabGuest } from '../proxmox/guest.ts';
import { badParameters } from './api-error.ts';
import { type KeepRules, type Mark, markForPruning, readKeepRules } from './backups-prune.ts';
import { type Call, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { containerKind, kindOf } from './guest-kinds.ts';
import { getStorage, seesStorage } from './storage.ts';
import type { LabStorage, LabVolume } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';

/** `keep-last=3`, as 400 where it is no such thing. */
export function keepRules({ values }: Call): KeepRules {
  try {
    return readKeepRules(values.find('prune-backups') ?? 'keep-all=1');
  } catch (error) {
    throw badParameters({ 'prune-backups': error instanceof Error ? error.message : String(error) });
  }
}

interface Marked {
  readonly volid: string;
  readonly mark: Mark;
  readonly backup: LabVolume;
}

/** By owner, each backup with what would become of it. */
export function markedBackups(
  { cluster, node }: Call,
  storage: LabStorage,
  keep: KeepRules,
  only: { vmid?: number | undefined; kind?: LabGuest['kind'] | undefined },
): Marked[] {
  const backups = storagesOf(cluster)
    .volumes(storage, node.name)
    .filter(({ content }) => content === 'backup')
    .filter(({ vmid }) => only.vmid === undefined || vmid === only.vmid)
    .filter(({ archived }) => only.kind === undefined || archived?.kind === only.kind);
  const owners = new Set(backups.map(({ vmid }) => vmid));
  return [...owners].flatMap((owner) => {
    const own = backups.filter(({ vmid }) => vmid === owner);
    const marks = markForPruning(
      own.map(({ volid, ctimeS, isProtected = false }) => ({ volid, ctimeS, isProtected })),
      keep,
    );
    return own.map((backup) => ({ backup, volid: backup.volid, mark: marks.get(backup.volid) ?? 'keep' }));
  });
}

function markedByRequest(call: Call): { storage: LabStorage; backups: Marked[] } {
  const { values } = call;
  const storage = getStorage(call, values.text('storage'));
  const type = values.find('type');
  const kind = type === undefined ? undefined : type === 'qemu' ? 'vm' : 'container';
  const keep = keepRules(call);
  return { storage, backups: markedBackups(call, storage, keep, { vmid: values.findNumber('vmid'), kind }) };
}

function prune(call: Call): string {
  const { values } = call;
  const { storage, backups } = markedByRequest(call);
  const vmid = values.findNumber('vmid');
  call.require(`/storage/${storage.storage}`, ['Datastore.AllocateSpace']);
  if (vmid === undefined) call.require(`/storage/${storage.storage}`, ['Datastore.Allocate']);
  else call.require(`/vms/${vmid}`, ['VM.Backup']);
  const id = vmid === undefined ? storage.storage : `${vmid}@${storage.storage}`;
  return call.start('prunebackups', id, async (task) => {
    await task.take();
    for (const { volid, mark } of backups) {
      if (mark !== 'remove') continue;
      storagesOf(call.cluster).remove(storage, call.node.name, volid);
      task.log(`Removed volume '${volid}'`);
    }
  });
}

const prunePath = '/nodes/{node}/storage/{storage}/prunebackups';

const pruneParameters: Parameters = {
  'prune-backups': { type: 'string', optional: true, about: 'What to keep, as in keep-last=3,keep-daily=7.' },
  type: {
    type: 'string',
    optional: true,
    enum: ['qemu', 'lxc'],
    about: 'Only backups of this kind of guest.',
  },
  vmid: { type: 'integer', optional: true, format: 'pve-vmid', about: 'Only backups of this guest.' },
};

export const pruneEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{
      method: 'GET',
      path: prunePath,
      about: 'Tells which backups pruning would remove.',
      returns: 'array',
    },
    ...{ permission: seesStorage, parameters: pruneParameters },
    run: (call) =>
      markedByRequest(call).backups.map(({ backup, volid, mark }) => ({
        ...{ volid, mark, ctime: backup.ctimeS, type: kindOf(backup.archived ?? containerKind).path },
        ...(backup.vmid !== undefined && { vmid: backup.vmid }),
      })),
  }),
  defineEndpoint({
    ...{ method: 'DELETE', path: prunePath, about: 'Removes the backups that need not be kept.' },
    ...{ returns: 'string', permission: 'all', parameters: pruneParameters, run: prune },
  }),
];
