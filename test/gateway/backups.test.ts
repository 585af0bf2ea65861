import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

interface Backup {
  readonly volid: string;
  readonly created_at: string;
  readonly [field: string]: unknown;
}

async function listed(gateway: TokenOnly, args: Record<string, unknown> = {}): Promise<Backup[]> {
  return (await gateway.call('proxmox_list_backups', args)).data.backups as Backup[];
}

describe('backups', () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly();
  });
  after(() => gateway.close());

  test('made, listed, restored as a new guest and over the old one', async () => {
    const none = await gateway.call('proxmox_list_backups', { vmid: 102 });
    assert.deepEqual(none.data, { backups: [], total: 0 });
    assert.equal(none.text, 'There are no such backups that the gateway can see.');

    const made = await gateway.call('proxmox_create_backup', { vmid: 102, storage: 'local' });
    const { volid, size_bytes } = made.data;
    assert.match(String(volid), /^local:backup\/vzdump-lxc-102-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d\.tar\.zst$/);
    assert.match(
      made.text,
      /^Container 102 \(old1\) was backed up to local:backup\/vzdump-lxc-102-\S+ \([\d.]+ [KMG]iB\)\.$/,
    );
    assert.deepEqual(made.data, {
      ...{ success: true, message: made.text, upid: made.data.upid, node: 'pve1', task: 'ok' },
      ...{ vmid: 102, volid, size_bytes },
    });

    const { data, text } = await gateway.call('proxmox_list_backups', { vmid: 102 });
    const [{ created_at } = { created_at: '' }] = data.backups as Backup[];
    assert.deepEqual(data, {
      backups: [{ volid, content: 'backup', node: 'pve1', vmid: 102, size_bytes, created_at }],
      total: 1,
    });
    assert.match(text, /^local:backup\/\S+: backup, guest 102, [\d.]+ \wiB, \d{4}-.* UTC, on pve1$/);

    const restored = await gateway.call('proxmox_restore_backup', { archive: volid });
    assert.equal(restored.data.vmid, 103);
    const when = `the backup of ${created_at.slice(0, 19).replace('T', ' ')} UTC`;
    assert.equal(restored.text, `Container 103 was made from ${when}, on pve1.`);
    assert.equal(gateway.lab.cluster.guests.get(103)?.kind, 'container');

    const over = await gateway.call('proxmox_restore_backup', { archive: volid, overwrite: true });
    assert.equal(over.data.vmid, 102);
    assert.equal(over.text, `Container 102 (old1) was replaced by ${when}, on pve1.`);
    const { params } = gateway.lab.api.control.requests.findLast(({ method }) => method === 'POST') ?? {};
    assert.equal(params?.force, '1');
  });

  test('are found by the name of their guest', async () => {
    const [backup, ...others] = await listed(gateway, { vmid: 'web1' });
    assert.match(String(backup?.volid), /vzdump-lxc-100-/);
    assert.deepEqual(others, []);
    const { code } = await gateway.failing('proxmox_list_backups', { vmid: 'nobody' });
    assert.equal(code, 'GUEST_NAME_UNKNOWN');
  });

  test('of a virtual machine on the shared storage, with notes and protected', async () => {
    const notes = 'before\nthe $(upgrade) of {{guestname}} \\n';
    const args = { vmid: 300, storage: 'nas', mode: 'suspend', compress: 'none', notes, protected: true };
    const { data } = await gateway.call('proxmox_create_backup', args);
    assert.match(String(data.volid), /^nas:backup\/vzdump-qemu-300-.*\.vma$/);
    const [backup] = await listed(gateway, { storage: 'nas' });
    assert.equal(backup?.protected, true);
    assert.match(String(backup?.notes), /^before/);
    const restored = await gateway.call('proxmox_restore_backup', {
      ...{ archive: data.volid, new_vmid: 400, node: 'pve2', storage: 'nas', unique: true },
    });
    assert.match(restored.text, /^Virtual machine 400 was made from the backup of .* UTC, on pve2\.$/);
    assert.equal(gateway.lab.cluster.guests.get(400)?.node, 'pve2');
  });

  test('SECURITY: a guest that exists is not overwritten by mistake', async () => {
    const [backup] = await listed(gateway, { vmid: 300 });
    const archive = backup?.volid;
    const posts = () => gateway.lab.api.control.requests.filter(({ method }) => method === 'POST').length;
    const mark = posts();
    for (const [args, words] of [
      [{ new_vmid: 101 }, /there is a guest 101/],
      [{ new_vmid: 300 }, /there is a guest 300/],
      [{ overwrite: true, new_vmid: 300 }, /not with overwrite/],
      [{ overwrite: true }, /guest 300 is not stopped; stop it first/],
    ] as const) {
      const { code, error } = await gateway.failing('proxmox_restore_backup', { archive, ...args });
      assert.equal(code, 'INVALID_ARGUMENT');
      assert.match(error, words);
    }
    assert.equal(posts(), mark);
  });

  test('volume ids that are none, or not of a backup, are refused before anything is asked', async () => {
    const mark = gateway.lab.api.control.requests.length;
    for (const archive of [
      'local:backup/../../../../etc/shadow',
      'local:../../../etc',
      'local:iso/debian-13.1.0-amd64-netinst.iso',
      'local:backup/my-own.tar.zst',
      '/var/lib/vz/dump/vzdump-lxc-102-2026_11_21-00_50_36.tar.zst',
      '-',
      'local:backup/vzdump-lxc-102-x.tar\n',
    ]) {
      const { code } = await gateway.failing('proxmox_restore_backup', { archive });
      assert.equal(code, 'INVALID_ARGUMENT', archive);
    }
    assert.equal(gateway.lab.api.control.requests.length, mark);
    const gone = { archive: 'local:backup/vzdump-lxc-102-2020_01_01-00_00_00.tar.zst' };
    const { error } = await gateway.failing('proxmox_restore_backup', gone);
    assert.match(error, /the storage local does not hold it/);
  });

  test('a task that fails is a failure, one that is left goes on', async () => {
    const { control } = gateway.lab.api;
    control.failNextTask('job errors', 'vzdump');
    const failed = await gateway.failing('proxmox_create_backup', { vmid: 102, storage: 'local' });
    assert.equal(failed.code, 'TASK_FAILED');
    assert.match(failed.stderr ?? '', /job errors/);
    const [backup] = await listed(gateway, { vmid: 102 });
    control.failNextTask('unable to restore CT 500', 'vzrestore');
    const restore = { archive: backup?.volid, new_vmid: 500 };
    assert.equal((await gateway.failing('proxmox_restore_backup', restore)).code, 'TASK_FAILED');
    control.taskMs = 1500;
    const going = await gateway.call('proxmox_create_backup', {
      vmid: 102,
      storage: 'local',
      wait_seconds: 0,
    });
    control.taskMs = 10;
    assert.equal(going.data.task, 'running');
    assert.match(going.text, /^Container 102 \(old1\) is being backed up to local\. The task UPID/);
  });

  test('the storage must be named where there are several', async () => {
    const { code, error } = await gateway.failing('proxmox_create_backup', { vmid: 102 });
    assert.equal(code, 'INVALID_ARGUMENT');
    assert.match(error, /several for backups; name one of local, nas/);
    const unfit = await gateway.failing('proxmox_create_backup', { vmid: 102, storage: 'local-lvm' });
    assert.match(unfit.error, /local-lvm is not for backup/);
  });

  test('scheduled ones are listed', async () => {
    const { data, text } = await gateway.call('proxmox_list_backup_jobs');
    const [job] = data.jobs as Record<string, unknown>[];
    assert.equal(data.total, 1);
    assert.deepEqual(job, {
      ...{ id: job?.id, enabled: true, schedule: '02:30', guests: 'all', storage: 'nas', mode: 'snapshot' },
      ...(job?.next_run === undefined ? {} : { next_run: job.next_run }),
      ...{ keep: 'keep-daily=7,keep-weekly=4', comment: 'Every guest, every night' },
    });
    assert.match(text, /: 02:30; guests: all, to nas, snapshot, keep-daily=7,.* – Every guest, every night$/);
  });
});

test('what policy or the token does not allow is refused or left out', async () => {
  const free = await startTokenOnly();
  const { lab } = free;
  const denied = await startTokenOnly({ lab, env: { DENIED_VMIDS: '102,103,900' } });
  const undoable = await startTokenOnly({ lab, env: { ENABLE_DESTRUCTIVE: 'false' } });
  const auditor = await startTokenOnly({
    lab,
    privileges: { '/': ['VM.Audit', 'Sys.Audit', 'Datastore.Audit'] },
  });
  try {
    const { volid: archive } = (await free.call('proxmox_create_backup', { vmid: 102, storage: 'local' }))
      .data;
    const old = (await listed(free, { storage: 'local' })).map(({ volid }) => volid);
    const own = (await free.call('proxmox_create_backup', { vmid: 100, storage: 'nas' })).data.volid;
    assert.deepEqual(
      (await listed(denied)).map(({ volid }) => volid),
      [own, ...old.filter((volid) => volid !== archive)],
    );
    const calls = [
      ['proxmox_list_backups', { vmid: 102 }, /guest 102/],
      ['proxmox_create_backup', { vmid: 102, storage: 'local' }, /guest 102/],
      ['proxmox_restore_backup', { archive }, /guest 102/],
      ['proxmox_restore_backup', { archive, overwrite: true }, /guest 102/],
      ['proxmox_restore_backup', { archive: own, new_vmid: 900 }, /guest 900/],
    ] as const;
    for (const [tool, args, words] of calls) {
      const refused = await denied.failing(tool, args);
      assert.equal(refused.code, 'PERMISSION_DENIED', tool);
      assert.match(refused.error, words);
    }
    const next = await denied.failing('proxmox_restore_backup', { archive: own });
    assert.equal(next.code, 'PERMISSION_DENIED');
    assert.match(next.error, /the next free id, 103, is outside what it may reach/);
    const off = await undoable.failing('proxmox_restore_backup', { archive: own });
    assert.match(off.error, /ENABLE_DESTRUCTIVE=true/);
    const create = await auditor.failing('proxmox_create_backup', { vmid: 102, storage: 'local' });
    assert.equal(create.code, 'API_FORBIDDEN');
    assert.match(create.error, /VM\.Backup|Datastore\.AllocateSpace/);
    assert.deepEqual(await listed(auditor), []);
    assert.deepEqual([...lab.cluster.guests.keys()].sort(), [100, 101, 102, 300]);
  } finally {
    for (const gateway of [denied, undoable, auditor, free]) await gateway.close();
  }
});
