import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { BackupRequest } from '../../../src/ops/backups/create.ts';
import { createBackups } from '../../../src/ops/backups.ts';
import { container, failsWith, type GuestNode, startGuestNode, vm, wait } from './guest-node.ts';
import { backup, serveStorages, storages } from './storage-node.ts';

const { signal } = new AbortController();
const all = () => true;
let node: GuestNode;
let backups: ReturnType<typeof createBackups>;
before(async () => {
  node = await startGuestNode();
  backups = createBackups(node.room);
});
after(() => node.close());
beforeEach(async () => {
  node.answer = () => undefined;
  node.resources = [vm, container, ...storages];
  node.current = { status: 'stopped' };
  await node.room.inventory.now(300, signal);
  node.ends.length = node.writes.length = node.reads.length = 0;
});

const c100 = 'local:backup/vzdump-lxc-100-2026_11_21-00_50_36.tar.zst';
const v300 = 'nas:backup/vzdump-qemu-300-2026_11_21-00_50_36.vma.zst';

const plain: BackupRequest = {
  ...{ vmid: 100, storage: 'local', notes: undefined, protected: false },
  mode: 'snapshot',
  compress: 'zstd',
};

test('a backup keeps older ones, and its archive is found', async () => {
  // As long ago as the task that the node starts.
  const older = backup(c100, 100, { ctime: 0x6b00ef18 - 60 });
  const made = backup('local:backup/vzdump-lxc-100-2026_11_21-01_08_40.tar.zst', 100, {
    ctime: 0x6b00ef18 + 1,
  });
  serveStorages(node, { 'pve1/local': [older, made] });
  const { archive, end, guest, storage } = await backups.create(plain, wait());
  assert.deepEqual(node.writes, [
    'POST /nodes/pve1/vzdump vmid=100&storage=local&mode=snapshot&compress=zstd&remove=0',
  ]);
  assert.equal(archive?.volid, made.volid);
  assert.deepEqual([guest.name, storage, end?.state], ['db', 'local', 'ok']);
});

test('notes go out as one line that Proxmox VE reads back, protection and no compression as it names them', async () => {
  serveStorages(node, {});
  const notes = 'C:\\new\nsecond; line & more=1 {{guestname}} {{ }}';
  const { archive } = await backups.create({ ...plain, notes, protected: true, compress: 'none' }, wait());
  const [write = ''] = node.writes;
  assert.match(write, /compress=0&/);
  assert.match(
    write,
    /notes-template=C:\\\\new\\nsecond;[ +]line[ +]&[ +]more=1[ +]\{\{guestname\}\}[ +]\{\{[ +]\}\}&protected=1$/,
  );
  assert.equal(archive, undefined);
  const unknown = backups.create({ ...plain, notes: 'of {{owner}}' }, wait());
  await assert.rejects(unknown, failsWith('INVALID_ARGUMENT', /only guestname, node, vmid and cluster/));
  const tooLong = backups.create({ ...plain, notes: '\n'.repeat(600) }, wait());
  await assert.rejects(tooLong, failsWith('INVALID_ARGUMENT', /notes: at most 1024/));
  assert.equal(node.writes.length, 1);
});

test('the storage is chosen where there is one, and asked for where there are several', async () => {
  serveStorages(node, {});
  const choosing = backups.create({ ...plain, storage: undefined }, wait());
  await assert.rejects(choosing, failsWith('INVALID_ARGUMENT', /name one of local, nas/));
  const unfit = backups.create({ ...plain, storage: 'pool' }, wait());
  await assert.rejects(unfit, failsWith('INVALID_ARGUMENT', /pool is not for backup/));
  node.resources = [container, ...storages.slice(1)];
  await backups.create({ ...plain, storage: undefined }, wait());
  assert.match(node.writes[0] ?? '', /storage=nas/);
  node.resources = [container];
  const none = backups.create({ ...plain, storage: undefined }, wait());
  await assert.rejects(none, failsWith('INVALID_ARGUMENT', /pve1 has none for backups/));
  assert.equal(node.writes.length, 1);
});

test('that the archive cannot be listed does not make a backup fail', async () => {
  node.answer = ({ path }) =>
    path.endsWith('/content') ? { status: 500, text: 'storage is offline' } : undefined;
  const { archive, end } = await backups.create(plain, wait());
  assert.deepEqual([archive, end?.state], [undefined, 'ok']);
});

test('a locked guest is said to be locked', async () => {
  serveStorages(node, {});
  node.ends.push('CT is locked (backup)');
  await assert.rejects(backups.create(plain, wait()), failsWith('CONTAINER_LOCKED', /backup/));
  node.ends.push('job errors');
  await assert.rejects(backups.create(plain, wait()), failsWith('TASK_FAILED', /job errors/));
});

test('backups of all nodes are listed once, newest first, without what may not be seen', async () => {
  serveStorages(node, {
    'pve1/local': [
      backup(c100, 100, { ctime: 100 }),
      backup('local:backup/own.tar', 100, { vmid: undefined }),
    ],
    'pve1/nas': [backup(v300, 300, { ctime: 300, notes: 'web\u001b' })],
    'pve2/nas': [backup(v300, 300, { ctime: 300 })],
    'pve2/local': [backup('local:backup/vzdump-lxc-101-x.tar', 101, { ctime: 200 })],
  });
  const filter = { storage: undefined, node: undefined, vmid: undefined };
  const { volumes, unread } = await backups.list({ ...filter, mayReach: (vmid) => vmid !== 101 }, signal);
  assert.deepEqual(
    volumes.map(({ volid, place }) => `${place.node} ${volid}`),
    [`pve1 ${v300}`, `pve1 ${c100}`],
  );
  assert.deepEqual(unread, []);
  const of100 = await backups.list({ ...filter, vmid: 100, mayReach: all }, signal);
  assert.deepEqual(
    of100.volumes.map(({ volid }) => volid),
    [c100],
  );
  const unknown = backups.list({ ...filter, storage: 'none', mayReach: all }, signal);
  await assert.rejects(unknown, failsWith('INVALID_ARGUMENT', /there is no storage none/));
});

const asked = {
  ...{ archive: c100, onto: 102, node: undefined, storage: undefined, unique: false, start: false },
};

test('a backup becomes a new guest, where its archive is', async () => {
  serveStorages(node, { 'pve2/local': [backup(c100, 100)] });
  const { end, ...restored } = await backups.restore(asked, wait());
  assert.deepEqual(node.writes, [`POST /nodes/pve2/lxc ostemplate=${c100}&restore=1&vmid=102`]);
  assert.deepEqual(restored, {
    ...{ vmid: 102, kind: 'container', node: 'pve2', name: undefined },
    backedUpAt: new Date(1_795_222_236_000),
  });
  assert.equal(end?.state, 'ok');
});

test('a shared archive of a machine is restored where the machine is, as it is asked for', async () => {
  serveStorages(node, { 'pve1/nas': [backup(v300, 300)], 'pve2/nas': [backup(v300, 300)] });
  node.resources = [{ ...vm, node: 'pve2' }, ...storages];
  await node.room.inventory.now(300, signal);
  const request = { ...asked, archive: v300, onto: 400, storage: 'pool', unique: true, start: true };
  await backups.restore(request, wait());
  await backups.restore({ ...request, node: 'pve1' }, wait());
  const words = `archive=${v300}&unique=1&start=1&vmid=400&storage=pool`;
  assert.deepEqual(node.writes, [`POST /nodes/pve2/qemu ${words}`, `POST /nodes/pve1/qemu ${words}`]);
});

test('nothing is sent for an archive that is not there, or is in two places', async () => {
  serveStorages(node, {});
  await assert.rejects(
    backups.restore(asked, wait()),
    failsWith('INVALID_ARGUMENT', /local does not hold it/),
  );
  const here = [backup(c100, 100)];
  serveStorages(node, { 'pve1/local': here, 'pve2/local': here });
  await assert.rejects(backups.restore(asked, wait()), failsWith('INVALID_ARGUMENT', /one of pve1, pve2/));
  const nameless = backups.restore({ ...asked, archive: 'local:backup/own.tar.zst' }, wait());
  await assert.rejects(nameless, failsWith('INVALID_ARGUMENT', /does not name the guest/));
  assert.deepEqual(node.writes, []);
});

test('SECURITY: no guest is overwritten unless that is said', async () => {
  serveStorages(node, { 'pve1/local': [backup(c100, 100)] });
  await backups.restore({ ...asked, onto: 100 }, wait());
  assert.match(node.writes.join(), /vmid=100/);
  assert.doesNotMatch(node.writes.join(), /force/);
});

test('only the stopped guest of which the backup is can be overwritten, on its own node', async () => {
  const stored = { 'pve1/local': [backup(c100, 100)], 'pve1/nas': [backup(v300, 300)] };
  serveStorages(node, stored);
  const overwriting = { ...asked, onto: 'overwrite' as const };
  await backups.restore(overwriting, wait());
  assert.deepEqual(node.writes, [`POST /nodes/pve1/lxc ostemplate=${c100}&restore=1&force=1&vmid=100`]);

  node.current = { status: 'running' };
  await assert.rejects(backups.restore(overwriting, wait()), failsWith('INVALID_ARGUMENT', /not stopped/));
  node.current = { status: 'stopped' };
  const elsewhere = backups.restore({ ...overwriting, node: 'pve2' }, wait());
  await assert.rejects(elsewhere, failsWith('INVALID_ARGUMENT', /is on pve1/));

  node.resources = [{ ...container, node: 'pve2' }, ...storages];
  await assert.rejects(
    backups.restore(overwriting, wait()),
    failsWith('INVALID_ARGUMENT', /local of node pve2 does not hold it/),
  );
  node.resources = [{ ...vm, vmid: 100 }, ...storages];
  const other = backups.restore(overwriting, wait());
  await assert.rejects(other, failsWith('INVALID_ARGUMENT', /of a container, and 100 is a virtual machine/));
  node.resources = storages;
  await assert.rejects(backups.restore(overwriting, wait()), failsWith('GUEST_NOT_FOUND'));
  assert.equal(node.writes.length, 1);
});

test('jobs show the guests that may be seen, and jobs of no others are left out', async () => {
  node.answer = () => ({
    data: [
      {
        id: 'a',
        vmid: '100,101',
        enabled: 1,
        schedule: 'sat 02:00',
        storage: 'nas',
        'next-run': 1_795_222_236,
      },
      { id: 'b', vmid: '101', schedule: '03:00' },
      {
        id: 'c',
        all: 1,
        exclude: '101,100',
        enabled: '0',
        'prune-backups': { 'keep-daily': '7', 'keep-last': 3 },
      },
      { id: 'd', pool: 'web', comment: null, 'prune-backups': 'keep-all=1' },
      { id: 'e', all: 1, 'prune-backups': null },
      { schedule: 'has no id' },
    ],
  });
  const jobs = await backups.jobs((vmid) => vmid !== 101, signal);
  assert.deepEqual(
    jobs.map(({ id, vmids, excluded, enabled, keep }) => ({ id, vmids, excluded, enabled, keep })),
    [
      { id: 'a', vmids: [100], excluded: [], enabled: true, keep: undefined },
      { id: 'c', vmids: undefined, excluded: [100], enabled: false, keep: 'keep-daily=7,keep-last=3' },
      { id: 'd', vmids: undefined, excluded: [], enabled: true, keep: 'keep-all=1' },
      { id: 'e', vmids: undefined, excluded: [], enabled: true, keep: undefined },
    ],
  );
});
