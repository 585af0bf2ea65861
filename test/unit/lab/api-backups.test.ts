import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { markForPruning, readKeepRules } from '../../../lab/api/backups-prune.ts';
import { fileNode, root } from '../../../lab/files/inode.ts';
import { findNode, plant, unlink } from '../../../lab/files/tree.ts';
import { type Lab, startLab } from '../../../lab/lab.ts';
import type { LabGuest } from '../../../lab/proxmox/guest.ts';
import {
  ask,
  assertAsGolden,
  assertSameShape,
  auditor,
  carryOut,
  get,
  golden,
  loginWith,
  withoutTranscripts,
} from './rest-client.ts';

interface Backup {
  readonly volid: string;
  readonly vmid: number;
  readonly notes?: string;
  readonly protected?: number;
}

const vzdump = '/nodes/pve1/vzdump';

let lab: Lab;

beforeEach(async () => {
  await lab?.close();
  lab = await startLab();
  lab.api.control.taskMs = 1;
});

after(() => lab.close());

async function backups(storage: string, vmid?: number): Promise<Backup[]> {
  const params = { content: 'backup', ...(vmid !== undefined && { vmid }) };
  return await get(lab, `/nodes/pve1/storage/${storage}/content`, params);
}

/** What a line of a log says whenever and wherever it is written. */
function timeless(line: string): string {
  return line
    .replaceAll(/\d{4}[-_]\d\d[-_]\d\d[- _]\d\d[:_]\d\d[:_]\d\d/g, 'WHEN')
    .replaceAll(/\d\d:\d\d:\d\d/g, 'HOW-LONG')
    .replace(/ vzdump \d+ .*$/, ' vzdump');
}

describe('backups against the transcripts', { skip: withoutTranscripts }, () => {
  test('list with the keys and types of a real node', async () => {
    await carryOut(lab, 'POST', vzdump, { vmid: 102, storage: 'nas', compress: 'zstd' });
    assertSameShape(await backups('nas'), golden('backups').body.data);
    assert.deepEqual((await get<unknown[]>(lab, '/cluster/backup')).length, 1);
  });

  test('log what a real node logs', async () => {
    const { type, id, lines } = await carryOut(lab, 'POST', vzdump, {
      vmid: 102,
      storage: 'nas',
      mode: 'stop',
    });
    assert.deepEqual({ type, id }, { type: 'vzdump', id: '102' });
    const real = golden('vzdump-task-log').body.data as { t: string }[];
    const wanted = ['starting new', 'Starting Backup', 'Backup started', 'status =', 'Finished', 'finished'];
    for (const word of wanted) {
      const [own, other] = [lines, real.map(({ t }) => t)].map((all) =>
        all.find((line) => line.includes(word)),
      );
      assert.equal(timeless(own ?? '').replace('102', '112'), timeless(other ?? ''));
    }
    assert.equal(lines.at(-1), 'TASK OK');
  });

  test('fail in its words', async () => {
    const { exitStatus, lines } = await carryOut(lab, 'POST', vzdump, { vmid: 999, storage: 'local' });
    assert.equal(exitStatus, 'job errors');
    const real = golden('vzdump-999-task-log').body.data as { t: string }[];
    assert.equal(lines[1], real[1]?.t);
    const viewer = loginWith(lab, 'viewer', auditor);
    assertAsGolden(await ask(lab, 'POST', vzdump, { vmid: 102, storage: 'local' }, viewer), 'vzdump-viewer');
    assertAsGolden(await ask(lab, 'POST', vzdump, { vmid: 102, mode: 'nosuch' }), 'vzdump-badmode');
    assertAsGolden(await ask(lab, 'POST', vzdump, { storage: 'local' }), 'vzdump-noguest');
  });

  test('are removed as there', async () => {
    await carryOut(lab, 'POST', vzdump, { vmid: 102, storage: 'nas', compress: 'zstd' });
    const [backup] = await backups('nas');
    const { type, id, lines } = await carryOut(
      lab,
      'DELETE',
      `/nodes/pve1/storage/nas/content/${encodeURIComponent(backup?.volid ?? '')}`,
    );
    const real = golden('backup-delete-task-log').body.data as { t: string }[];
    assert.deepEqual({ type, id }, { type: 'imgdel', id: '102@nas' });
    assert.equal(lines[0], real[0]?.t.replace(/'.*'/, `'${backup?.volid}'`));
    assert.deepEqual(await backups('nas'), []);
  });
});

describe('backups', () => {
  test('are refused of a guest that is locked, while the others are made', async () => {
    const { exitStatus, lines } = await carryOut(lab, 'POST', vzdump, { vmid: '101,102', storage: 'nas' });
    assert.equal(exitStatus, 'job errors');
    assert.ok(lines.includes('ERROR: Backup of VM 101 failed - CT is locked (backup)'), lines.join('\n'));
    assert.deepEqual(
      (await backups('nas')).map(({ vmid }) => vmid),
      [102],
    );
  });

  test('lock the guest meanwhile, and stop it where asked to', async () => {
    lab.api.control.taskMs = 60_000;
    const { data: upid } = await ask(lab, 'POST', vzdump, { vmid: 100, storage: 'nas', mode: 'stop' });
    const guest = lab.cluster.guests.get(100);
    assert.deepEqual([guest?.config.get('lock'), guest?.pid], ['backup', undefined]);
    const task = lab.api.tasks.find(String(upid));
    assert.ok(task);
    lab.api.tasks.stop(task);
    while (task.exitStatus === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(task.exitStatus, 'job errors');
    assert.equal(guest?.config.get('lock'), undefined);
    assert.notEqual(guest?.pid, undefined);
    assert.deepEqual(await backups('nas'), []);
  });

  test('carry notes and protection', async () => {
    const notes = 'of {{guestname}} ({{vmid}}) on {{node}}, {{other}}';
    await carryOut(lab, 'POST', vzdump, { vmid: 102, storage: 'nas', 'notes-template': notes, protected: 1 });
    const [backup] = await backups('nas');
    assert.equal(backup?.notes, 'of old1 (102) on pve1, {{other}}');
    const path = `/nodes/pve1/storage/nas/content/${encodeURIComponent(backup?.volid ?? '')}`;
    assert.match((await carryOut(lab, 'DELETE', path)).exitStatus, /protected archive/);
    assert.equal((await ask(lab, 'PUT', path, { protected: 0, notes: 'new' })).status, 200);
    assert.deepEqual(
      (await backups('nas')).map(({ notes: now, protected: kept }) => [now, kept]),
      [['new', undefined]],
    );
    assert.equal((await carryOut(lab, 'DELETE', path)).exitStatus, 'OK');
  });

  test('need a storage for backups', async () => {
    const onto = async (storage: string) =>
      (await carryOut(lab, 'POST', vzdump, { vmid: 102, storage })).exitStatus;
    assert.match(await onto('nosuch'), /storage 'nosuch' does not exist/);
    assert.match(await onto('local-lvm'), /wrong content type/);
  });

  test('leave guests of other nodes to those', async () => {
    await lab.close();
    lab = await startLab({ nodes: ['pve1', 'pve2'] });
    lab.api.control.taskMs = 1;
    lab.move(102, 'pve2');
    const { lines } = await carryOut(lab, 'POST', vzdump, { vmid: 102, storage: 'nas' });
    assert.ok(lines.includes('INFO: skip external VMs: 102'));
    await carryOut(lab, 'POST', '/nodes/pve2/vzdump', { vmid: 102, storage: 'nas' });
    assert.equal((await backups('nas')).length, 1, 'a shared storage shows it to every node');
  });
});

describe('restoring', () => {
  async function archive(vmid: number): Promise<string> {
    await carryOut(lab, 'POST', vzdump, { vmid, storage: 'nas' });
    return (await backups('nas', vmid))[0]?.volid ?? '';
  }

  const restore = (vmid: number, ostemplate: string, more = {}) =>
    carryOut(lab, 'POST', '/nodes/pve1/lxc', { vmid, ostemplate, restore: 1, ...more });

  function guestOf(vmid: number): LabGuest {
    const guest = lab.cluster.guests.get(vmid);
    assert.ok(guest);
    return guest;
  }

  test('makes a guest like the one in the archive', async () => {
    const volid = await archive(100);
    const { type, id, exitStatus } = await restore(700, volid, { unique: 1 });
    assert.deepEqual({ type, id, exitStatus }, { type: 'vzrestore', id: '700', exitStatus: 'OK' });
    const [old, made] = [guestOf(100), guestOf(700)];
    assert.equal(made.config.get('hostname'), 'web1');
    assert.equal(made.description, old.description);
    assert.equal(made.pid, undefined);
    assert.equal(made.config.get('rootfs'), 'local-lvm:vm-700-disk-0,size=8G');
    assert.notEqual(made.config.get('net0'), old.config.get('net0'));
    await restore(701, volid, { storage: 'nas' });
    assert.equal(guestOf(701).config.get('rootfs'), 'nas:701/vm-701-disk-0.raw,size=8G');
    assert.equal(guestOf(701).config.get('net0'), old.config.get('net0'));
  });

  test('makes virtual machines, too', async () => {
    const [planted] = await backups('local', 300);
    const path = '/nodes/pve1/qemu';
    const { type, exitStatus } = await carryOut(lab, 'POST', path, {
      vmid: 702,
      archive: planted?.volid ?? '',
    });
    assert.deepEqual([type, exitStatus, guestOf(702).kind], ['qmrestore', 'OK', 'vm']);
  });

  test('puts configuration and files back where it is forced', async () => {
    const volid = await archive(102);
    const changed = guestOf(102);
    changed.config.set('memory', '9999');
    const { files } = changed.machine ?? lab.node.machine;
    unlink(files, '/etc/os-release', root);
    plant(files, '/etc/new', fileNode(''));
    const refused = await ask(lab, 'POST', '/nodes/pve1/lxc', { vmid: 102, ostemplate: volid, restore: 1 });
    assert.equal(refused.reason, "CT 102 already exists on node 'pve1'");
    await restore(102, volid, { force: 1 });
    const { config, machine } = guestOf(102);
    assert.equal(config.get('memory'), '512');
    assert.ok(machine);
    assert.deepEqual(
      ['/etc/os-release', '/etc/new'].map((name) => findNode(machine.files, name)?.kind),
      ['file', undefined],
    );
  });

  test('leaves everything where it cannot be done', async () => {
    const volid = await archive(102);
    const before = guestOf(102);
    const why = async (ostemplate: string, more = {}) =>
      (await restore(102, ostemplate, { force: 1, ...more })).exitStatus;
    assert.match(await why(`${volid}x`), /does not exist/);
    assert.match(await why((await backups('local', 300))[0]?.volid ?? ''), /backup of a virtual machine/);
    lab.api.control.failNextTask('no space left on device');
    assert.equal(await why(volid), 'no space left on device');
    assert.equal(guestOf(102), before);
  });
});

describe('pruning', () => {
  const hour = 3600;
  const day = 24 * hour;
  const start = Date.UTC(2026, 0, 5) / 1000;
  const at = (ctimeS: number, isProtected = false) => ({
    volid: String(ctimeS - start),
    ctimeS,
    isProtected,
  });
  const kept = (rules: string, times: number[]) =>
    [
      ...markForPruning(
        times.map((time) => at(start + time)),
        readKeepRules(rules),
      ),
    ]
      .filter(([, mark]) => mark === 'keep')
      .map(([volid]) => Number(volid))
      .sort((a, b) => a - b);

  test('keeps the latest, and the last of each day after them', () => {
    const times = [0, hour, day, day + hour, 2 * day, 2 * day + hour];
    assert.deepEqual(kept('keep-last=2', times), [2 * day, 2 * day + hour]);
    assert.deepEqual(kept('keep-daily=2', times), [day + hour, 2 * day + hour]);
    assert.deepEqual(kept('keep-last=1,keep-daily=1', times), [day + hour, 2 * day + hour]);
    assert.deepEqual(kept('keep-weekly=5', times), [2 * day + hour]);
    assert.deepEqual(kept('keep-all=1', times), times);
  });

  test('does not count what is protected', () => {
    const marks = markForPruning(
      [at(start), at(start + day, true), at(start + 2 * day)],
      readKeepRules('keep-last=1'),
    );
    assert.deepEqual(Object.fromEntries(marks), { [2 * day]: 'keep', [day]: 'protected', 0: 'remove' });
  });

  test('is foretold, and done', async () => {
    const [planted] = await backups('local', 100);
    await carryOut(lab, 'POST', vzdump, { vmid: 100, storage: 'local' });
    const path = '/nodes/pve1/storage/local/prunebackups';
    const params = { 'prune-backups': 'keep-last=1', vmid: 100 };
    const marks = await get<{ volid: string; mark: string; type: string }[]>(lab, path, params);
    assert.deepEqual(
      marks.filter(({ mark }) => mark === 'remove').map(({ volid, type }) => ({ volid, type })),
      [{ volid: planted?.volid, type: 'lxc' }],
    );
    assert.equal((await backups('local', 100)).length, 2);
    await carryOut(lab, 'DELETE', path, params);
    assert.equal((await backups('local', 100)).length, 1);
    const wrong = await ask(lab, 'GET', path, { 'prune-backups': 'keep-much=1' });
    assert.deepEqual([wrong.status, Object.keys(wrong.errors ?? {})], [400, ['prune-backups']]);
  });
});

describe('backup jobs', () => {
  test('are made, changed and removed', async () => {
    const path = '/cluster/backup';
    const job = { id: 'weekly', vmid: '100,102', storage: 'nas', schedule: 'sun 03:00', enabled: 0 };
    assert.equal((await ask(lab, 'POST', path, job)).status, 200);
    const read = await get(lab, `${path}/weekly`);
    assert.deepEqual(read, { ...job, type: 'vzdump' });
    assert.equal((await ask(lab, 'PUT', `${path}/weekly`, { enabled: 1, delete: 'storage' })).status, 200);
    const { storage, ...changed } = await get<Record<string, unknown>>(lab, `${path}/weekly`);
    assert.deepEqual([storage, changed.enabled, typeof changed['next-run']], [undefined, 1, 'number']);
    assert.equal((await ask(lab, 'POST', path, { ...job, id: 'none', vmid: [] })).status, 500);
    assert.equal((await ask(lab, 'DELETE', `${path}/weekly`)).status, 200);
    assert.equal((await ask(lab, 'GET', `${path}/weekly`)).status, 400);
    const denied = await ask(lab, 'DELETE', `${path}/backup-nightly`, {}, loginWith(lab, 'viewer', auditor));
    assert.equal(denied.reason, 'Permission check failed (/, Sys.Modify)');
  });
});
