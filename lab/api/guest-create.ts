/** Endpoints that make guests: from nothing but a template or an image, or from a backup. */
import { randomUUID } from 'node:crypto';
import type { LabGuest } from '../proxmox/guest.ts';
import { ApiError } from './api-error.ts';
import { restoreGuest } from './backups-restore.ts';
import { type Call, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { getDiskStorage, storageAskedBy } from './guest-disks.ts';
import { bandwidthLimit, type GuestKind, refuseTaken } from './guest-kinds.ts';
import { addGuest, completed } from './guest-new.ts';
import { containerParameters, vmParameters } from './guest-parameters.ts';
import { normalValue } from './guest-settings.ts';
import { getPool, joinPool } from './pools-members.ts';
import { readVolumeName } from './storage-names.ts';
import { disksOf, type LabVolume } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';
import type { TaskRun } from './tasks.ts';

/** The volume on the node; throws ApiError 500 where there is none. */
function getVolume({ cluster, node }: Call, volid: string): LabVolume & { readonly path: string } {
  const [, name = '', rest = ''] = /^([^:]+):(.+)$/.exec(volid) ?? [];
  const storages = storagesOf(cluster);
  const storage = storages.find(name);
  if (storage === undefined) throw new ApiError(500, `storage '${name}' does not exist`);
  const volume = storages.findVolume(storage, node.name, volid);
  if (volume === undefined) throw new ApiError(500, `volume '${volid}' does not exist`);
  return { ...volume, path: readVolumeName(storage, rest)?.path ?? volid };
}

const notSettings = new Set([
  ...['node', 'vmid', 'ostemplate', 'archive', 'restore', 'force', 'start', 'pool', 'storage', 'unique'],
  ...[
    'password',
    'ssh-public-keys',
    'bwlimit',
    'description',
    'live-restore',
    'ignore-unpack-errors',
    'ha-managed',
  ],
]);

/** What is asked for, each value as the configuration keeps it. */
function askedConfig({ cluster, values }: Call, guest: { vmid: number; kind: LabGuest['kind'] }) {
  const config = new Map<string, string>();
  for (const name of values.names)
    if (!notSettings.has(name))
      config.set(name, normalValue(cluster, { ...guest, config }, name, values.text(name)));
  return config;
}

/** Throws ApiError 403 without a path, as the node does here. */
function requireAllocation(call: Call, kind: LabGuest['kind'], restores: boolean): void {
  const { cluster, values } = call;
  const [vmid, pool] = [values.number('vmid'), values.find('pool')];
  const replaces = restores && values.flag('force') && cluster.guests.has(vmid);
  const may =
    call.may(`/vms/${vmid}`, ['VM.Allocate']) ||
    (pool !== undefined && call.may(`/pool/${pool}`, ['VM.Allocate'])) ||
    (replaces && call.may(`/vms/${vmid}`, ['VM.Backup']));
  if (!may) throw new ApiError(403, 'Permission check failed');
  const storages = values.names
    .map((name) => storageAskedBy(name, values.find(name) ?? ''))
    .concat(values.find('storage'));
  for (const storage of new Set(storages))
    if (storage !== undefined) {
      call.require(`/storage/${storage}`, ['Datastore.AllocateSpace']);
      getDiskStorage(cluster, storage, kind);
    }
  if (pool !== undefined) getPool(cluster, pool);
}

async function finish({ cluster, node, values }: Call, task: TaskRun, guest: LabGuest): Promise<void> {
  const pool = values.find('pool');
  if (pool !== undefined) joinPool(cluster, pool, guest.vmid);
  if (!values.flag('start')) return;
  await task.sleep(node.pace.startMs);
  node.boot(guest);
}

function restore(call: Call, kind: GuestKind, volid: string): string {
  const { cluster, node, values } = call;
  const vmid = values.number('vmid');
  const existing = cluster.guests.get(vmid);
  if (!values.flag('force')) refuseTaken(cluster, vmid);
  if (existing !== undefined && (existing.kind !== kind.kind || existing.node !== node.name))
    refuseTaken(cluster, vmid);
  if (existing?.pid !== undefined)
    throw new ApiError(
      500,
      kind.kind === 'vm'
        ? `unable to restore VM ${vmid} - vm is running`
        : "can't overwrite running container",
    );
  return call.start(`${kind.task}restore`, String(vmid), async (task) => {
    const storage = values.find('storage');
    const guest = await restoreGuest({
      ...{ cluster, node: node.name, task, vmid, kind: kind.kind, volid, storage },
      unique: values.flag('unique'),
    });
    await finish(call, task, guest);
  });
}

const containerBasis: readonly (readonly [string, string])[] = [
  ['arch', 'amd64'],
  ['memory', '512'],
  ['swap', '512'],
];

function createContainer(call: Call, kind: GuestKind): string {
  const { cluster, node, values } = call;
  const vmid = values.number('vmid');
  const restores = values.flag('restore');
  requireAllocation(call, kind.kind, restores);
  if (restores) return restore(call, kind, values.text('ostemplate'));
  if (!values.flag('unprivileged')) call.require('/', ['Sys.Modify']);
  refuseTaken(cluster, vmid);
  const own = { vmid, kind: kind.kind };
  const root = `${values.find('storage') ?? 'local'}:4`;
  return call.start('vzcreate', String(vmid), async (task) => {
    try {
      const asked = new Map(askedConfig(call, own));
      if (!asked.has('rootfs'))
        asked.set('rootfs', normalValue(cluster, { ...own, config: asked }, 'rootfs', root));
      const template = getVolume(call, values.text('ostemplate'));
      const ostype = /(alpine|ubuntu|fedora|centos|archlinux)/.exec(template.volid)?.[1] ?? 'debian';
      const config = new Map([...containerBasis, ['hostname', `CT${vmid}`], ['ostype', ostype], ...asked]);
      const guest = addGuest(cluster, {
        ...own,
        node: node.name,
        config,
        description: values.find('description'),
      });
      await completed(cluster, guest, 'create', async () => {
        task.log(`extracting archive '${template.path}'`);
        await task.take();
        task.log('Total bytes read: 139376640 (133MiB, 29MiB/s)');
        task.log('Detected container architecture: amd64');
      });
      await finish(call, task, guest);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (error instanceof ApiError) task.log(text);
      throw new ApiError(500, `unable to create CT ${vmid} - ${text}`);
    }
  });
}

/** From what a machine starts where nobody says: its first disk, its CD-ROM, its network card. */
function bootOrder(config: ReadonlyMap<string, string>): string {
  const disks = disksOf(config)
    .map(({ key }) => key)
    .filter((key) => /^(scsi|virtio|sata|ide)\d/.test(key));
  const rest = [...config.keys()].filter(
    (key) => key === 'net0' || config.get(key)?.includes('media=cdrom') === true,
  );
  const order = [...disks.slice(0, 1), ...rest];
  return order.length === 0 ? ' ' : `order=${order.join(';')}`;
}

/** What is named and not made must be there. Throws ApiError 500. */
function requireImages(call: Call): void {
  for (const name of call.values.names) {
    const [volid = ''] = (call.values.find(name) ?? '').split(',');
    if (/^(scsi|virtio|sata|ide)\d+$/.test(name) && volid.includes(':iso/')) getVolume(call, volid);
  }
}

function createVm(call: Call, kind: GuestKind): string {
  const { cluster, node, values } = call;
  const vmid = values.number('vmid');
  const archive = values.find('archive');
  requireAllocation(call, kind.kind, archive !== undefined);
  if (archive !== undefined) return restore(call, kind, archive);
  refuseTaken(cluster, vmid);
  requireImages(call);
  return call.start('qmcreate', String(vmid), async (task) => {
    const own = { vmid, kind: kind.kind };
    const asked = askedConfig(call, own);
    const config = new Map([['boot', bootOrder(asked)], ...asked]);
    const ctimeS = Math.floor(Date.now() / 1000);
    config.set('meta', `creation-qemu=10.0.13,ctime=${ctimeS}`);
    config.set('smbios1', asked.get('smbios1') ?? `uuid=${randomUUID()}`);
    config.set('vmgenid', randomUUID());
    const guest = addGuest(cluster, {
      ...own,
      node: node.name,
      config,
      description: values.find('description'),
    });
    await completed(cluster, guest, 'create', async () => {
      for (const { key, volid } of disksOf(config)) task.log(`${key}: successfully created disk '${volid}'`);
      await task.take();
    });
    await finish(call, task, guest);
  });
}

const vmid: Parameters = {
  vmid: {
    type: 'integer',
    format: 'pve-vmid',
    minimum: 100,
    maximum: 999_999_999,
    about: 'Id that the guest gets.',
  },
};

const shared: Parameters = {
  force: { type: 'boolean', optional: true, about: 'Replace a guest that is there, when restoring.' },
  pool: { type: 'string', optional: true, format: 'pve-poolid', about: 'Pool that the guest joins.' },
  start: { type: 'boolean', optional: true, default: 0, about: 'Start it afterwards.' },
  storage: {
    type: 'string',
    optional: true,
    format: 'pve-storage-id',
    about: 'Where its disks go unless they say.',
  },
  unique: { type: 'boolean', optional: true, about: 'New hardware addresses, when restoring.' },
};

export function createEndpoint(kind: GuestKind): Endpoint {
  const isVm = kind.kind === 'vm';
  const own: Parameters = isVm
    ? {
        archive: {
          type: 'string',
          optional: true,
          maxLength: 255,
          about: 'Backup from which the machine is restored.',
        },
        'live-restore': { type: 'boolean', optional: true, about: 'Start it while it is being restored.' },
      }
    : {
        ostemplate: { type: 'string', maxLength: 255, about: 'Template, or the backup with `restore`.' },
        restore: { type: 'boolean', optional: true, about: 'Make it from a backup.' },
        password: { type: 'string', optional: true, minLength: 5, about: 'Password of its root.' },
        'ssh-public-keys': {
          type: 'string',
          optional: true,
          about: 'Keys that its root lets in, one a line.',
        },
        'ignore-unpack-errors': {
          type: 'boolean',
          optional: true,
          about: 'Go on where the template is damaged.',
        },
      };
  return defineEndpoint({
    ...{ method: 'POST', path: `/nodes/{node}/${kind.path}`, permission: 'all', returns: 'string' },
    about: `Makes a ${isVm ? 'virtual machine' : 'container'}, or restores one from a backup.`,
    parameters: {
      ...vmid,
      ...(isVm ? vmParameters : containerParameters),
      ...shared,
      ...own,
      bwlimit: bandwidthLimit(kind),
    },
    run: (call) => (isVm ? createVm(call, kind) : createContainer(call, kind)),
  });
}
