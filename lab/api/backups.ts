/** Backs guests up, one after the other, as vzdump does. */
import type { LabGuest } from '../proxmox/guest.ts';
import type { LabNode } from '../proxmox/node.ts';
import { ApiError, badParameters } from './api-error.ts';
import { archiveOf } from './backups-archive.ts';
import { keepRules, markedBackups, pruneEndpoints } from './backups-pruning.ts';
import { type Call, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { kindOf, nameOf, refuseLocked } from './guest-kinds.ts';
import { poolMembers } from './pools-members.ts';
import { readVolumeName } from './storage-names.ts';
import type { LabStorage } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';
import type { TaskRun } from './tasks.ts';

interface Job {
  readonly call: Call;
  readonly task: TaskRun;
  readonly storage: LabStorage;
  readonly mode: string;
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}

function clock(): string {
  return new Date().toISOString().slice(0, 19).replace('T', ' ');
}

function notesOf({ values, cluster, node }: Call, guest: LabGuest): string | undefined {
  const words: Readonly<Record<string, string>> = {
    ...{ guestname: nameOf(guest), vmid: String(guest.vmid) },
    ...{ node: node.name, cluster: cluster.name ?? 'standalone node' },
  };
  return values
    .find('notes-template')
    ?.replaceAll(/\{\{(\w+)\}\}/g, (whole, word: string) => words[word] ?? whole)
    .replaceAll('\\n', '\n');
}

/** Stops the guest where the mode asks for that. Gives back how to take all of it back. */
function prepare({ task, mode }: Job, node: LabNode, guest: LabGuest): () => void {
  const { config } = guest;
  refuseLocked(guest);
  const runs = guest.pid !== undefined;
  task.log(`INFO: status = ${runs ? 'running' : 'stopped'}`);
  task.log(`INFO: backup mode: ${runs ? mode : 'stop'}`);
  task.log('INFO: ionice priority: 7');
  task.log(`INFO: ${kindOf(guest).word} Name: ${nameOf(guest)}`);
  config.set('lock', 'backup');
  const stops = runs && mode === 'stop';
  if (stops) {
    task.log('INFO: stopping virtual guest');
    node.halt(guest);
  }
  return () => {
    config.delete('lock');
    if (stops) {
      task.log('INFO: restarting vm');
      node.boot(guest);
    }
  };
}

async function backUp(job: Job, guest: LabGuest): Promise<void> {
  const { call, task, storage } = job;
  const startedS = nowS();
  const undo = prepare(job, call.node, guest);
  try {
    const { values } = call;
    const volume = archiveOf(guest, storage, {
      timeS: startedS,
      compression: values.find('compress') ?? '0',
    });
    const file = volume.volid.slice(storage.storage.length + 1);
    const path = readVolumeName(storage, file)?.path ?? file;
    task.log(`INFO: creating vzdump archive '${path}'`);
    await task.take();
    volume.notes = notesOf(call, guest);
    volume.isProtected = values.flag('protected');
    storagesOf(call.cluster).put(storage, call.node.name, volume);
    task.log(`INFO: archive file size: ${Math.ceil(volume.sizeBytes / 1024 ** 2)}MB`);
  } finally {
    undo();
  }
  pruneAfter(job, guest);
  const took = new Date((nowS() - startedS) * 1000).toISOString().slice(11, 19);
  task.log(`INFO: Finished Backup of VM ${guest.vmid} (${took})`);
  task.log(`INFO: Backup finished at ${clock()}`);
}

function pruneAfter({ call, task, storage }: Job, { vmid }: LabGuest): void {
  const keep = keepRules(call);
  const removes = (call.values.find('remove') ?? '1') === '1';
  if (keep === undefined || !removes) return;
  for (const { volid, mark } of markedBackups(call, storage, keep, { vmid })) {
    if (mark !== 'remove') continue;
    task.log(`INFO: removing backup '${volid}'`);
    storagesOf(call.cluster).remove(storage, call.node.name, volid);
  }
}

/** Goes on after a failure, and fails at the end. */
async function backUpAll(job: Omit<Job, 'storage'>, vmids: readonly number[]): Promise<void> {
  const { call, task } = job;
  const storage = backupStorage(call);
  let failed = false;
  for (const vmid of vmids) {
    const guest = call.cluster.guests.get(vmid);
    try {
      if (guest === undefined) throw new ApiError(500, `unable to find VM '${vmid}'`);
      call.require(`/vms/${vmid}`, ['VM.Backup']);
      task.log(`INFO: Starting Backup of VM ${vmid} (${kindOf(guest).path})`);
      task.log(`INFO: Backup started at ${clock()}`);
      await backUp({ ...job, storage }, guest);
    } catch (error) {
      failed = true;
      task.log(
        `ERROR: Backup of VM ${vmid} failed - ${error instanceof Error ? error.message : String(error)}`,
      );
      task.log(`INFO: Failed at ${clock()}`);
      if (task.signal.aborted) break;
    }
  }
  task.log(failed ? 'INFO: Backup job finished with errors' : 'INFO: Backup job finished successfully');
  if (failed) throw new ApiError(500, 'job errors');
}

function backupStorage(call: Call): LabStorage {
  const name = call.values.find('storage') ?? 'local';
  const found = storagesOf(call.cluster).find(name);
  if (found === undefined)
    throw new ApiError(
      500,
      `could not get storage information for '${name}': storage '${name}' does not exist`,
    );
  if (!found.content.includes('backup'))
    throw new ApiError(500, `can't use storage '${name}' for backups - wrong content type`);
  return found;
}

/** Those that the request means, whichever node they are on. Throws ApiError 400 where it means none. */
function meant({ values, cluster }: Call): number[] {
  const pool = values.find('pool');
  if (values.has('vmid')) return values.list('vmid').map(Number);
  if (pool !== undefined) return poolMembers(cluster, pool);
  if (!values.flag('all')) throw badParameters({ vmid: 'property is missing' });
  const excluded = values.list('exclude').map(Number);
  return [...cluster.guests.keys()].filter((vmid) => !excluded.includes(vmid));
}

function vzdump(call: Call): string {
  const { values, cluster, node } = call;
  keepRules(call);
  const storage = values.find('storage');
  if (storage !== undefined) call.require(`/storage/${storage}`, ['Datastore.AllocateSpace']);
  const vmids = meant(call).sort((a, b) => a - b);
  const elsewhere = vmids.filter((vmid) => (cluster.guests.get(vmid)?.node ?? node.name) !== node.name);
  const here = vmids.filter((vmid) => !elsewhere.includes(vmid));
  const id = vmids.length === 1 ? String(vmids[0]) : '';
  return call.start('vzdump', id, async (task) => {
    const options = values.names.filter((name) => name !== 'vmid' && name !== 'node');
    const said = options.map((name) => `--${name} ${values.find(name)}`).join(' ');
    task.log(`INFO: starting new backup job: vzdump ${here.join(' ')} --node ${node.name} ${said}`.trim());
    if (elsewhere.length > 0) task.log(`INFO: skip external VMs: ${elsewhere.join(', ')}`);
    await backUpAll({ call, task, mode: values.find('mode') ?? 'snapshot' }, here);
  });
}

/** What a backup is made of, whether at once or by a job. */
export const backupParameters: Parameters = {
  all: { type: 'boolean', optional: true, default: 0, about: 'Back up every guest.' },
  compress: { type: 'string', optional: true, default: '0', enum: ['0', '1', 'gzip', 'lzo', 'zstd'] },
  exclude: { type: 'string', optional: true, format: 'pve-vmid-list', about: 'Guests to leave out.' },
  mode: {
    ...{ type: 'string', optional: true, default: 'snapshot', enum: ['snapshot', 'suspend', 'stop'] },
    about: 'What happens to a running guest meanwhile.',
  },
  'notes-template': {
    ...{ type: 'string', optional: true, maxLength: 1024 },
    about: 'Notes of the backup; {{guestname}}, {{node}}, {{vmid}} and {{cluster}} are filled in.',
  },
  pool: { type: 'string', optional: true, format: 'pve-poolid', about: 'Back up the guests of this pool.' },
  protected: { type: 'boolean', optional: true, about: 'Keep the backup from being removed.' },
  'prune-backups': { type: 'string', optional: true, about: 'Which older backups to keep.' },
  remove: {
    type: 'boolean',
    optional: true,
    default: 1,
    about: 'Remove older backups that need not be kept.',
  },
  storage: { type: 'string', optional: true, format: 'pve-storage-id', about: 'Where the backup goes.' },
  vmid: { type: 'string', optional: true, format: 'pve-vmid-list', about: 'The guests.' },
};

export const backupEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'POST', path: '/nodes/{node}/vzdump', about: 'Backs guests up.', returns: 'string' },
    ...{ permission: 'all', parameters: backupParameters, run: vzdump },
  }),
  ...pruneEndpoints,
];
