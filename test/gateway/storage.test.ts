import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

const iso = 'https://mirror.lan/images/alpine.iso';

interface Volume {
  readonly volid: string;
  readonly [field: string]: unknown;
}

describe('storages', () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly({
      env: { DOWNLOAD_URLS: 'https://mirror.lan/images, http://down.invalid/' },
    });
  });
  after(() => gateway.close());

  test('listed over all nodes, and of one with what is available', async () => {
    const all = await gateway.call('proxmox_list_storage');
    const storages = all.data.storages as Record<string, unknown>[];
    assert.deepEqual(
      storages.map(({ storage, nodes, shared }) => [storage, nodes, shared]),
      [
        ['local', ['pve1'], false],
        ['local-lvm', ['pve1'], false],
        ['nas', ['pve1', 'pve2'], true],
        ['local', ['pve2'], false],
        ['local-lvm', ['pve2'], false],
      ],
    );
    assert.deepEqual(storages[2], {
      ...{
        storage: 'nas',
        type: 'nfs',
        nodes: ['pve1', 'pve2'],
        content: ['backup', 'images', 'iso', 'rootdir'],
      },
      ...{ shared: true, active: true, total_bytes: 4096 * 1024 ** 3, used_bytes: storages[2]?.used_bytes },
    });
    assert.equal(all.data.total, 5);
    assert.match(
      all.text,
      /^nas \(nfs, shared, on pve1, pve2\): 1\.\d+ TiB of 4 TiB used; for backup, images, iso, rootdir$/m,
    );

    const one = await gateway.call('proxmox_list_storage', { node: 'pve2', content: 'vztmpl' });
    const [local] = one.data.storages as { available_bytes: number; total_bytes: number }[];
    assert.equal(one.data.total, 1);
    assert.ok((local?.available_bytes ?? 0) > 0 && (local?.available_bytes ?? 0) < (local?.total_bytes ?? 0));
    assert.match(one.text, /^local \(dir, on pve2\): .* used, .* available; for /);

    const part = await gateway.call('proxmox_list_storage', { limit: 2, offset: 1 });
    assert.equal((part.data.storages as unknown[]).length, 2);
    assert.match(part.text, /\n2 to 3 of 5; offset 3 shows more\.$/);
  });

  test('what one holds', async () => {
    const { data, text } = await gateway.call('proxmox_storage_content', { storage: 'local', node: 'pve1' });
    const sizes = (data.volumes as Volume[]).map(({ size_bytes }) => Number(size_bytes));
    assert.ok(sizes.every((size) => size > 0));
    const backup = 'local:backup/vzdump-lxc-100-2026_11_01-02_00_00.tar.zst';
    assert.deepEqual(data, {
      volumes: [
        {
          ...{ volid: backup, content: 'backup', node: 'pve1', vmid: 100, notes: 'web1' },
          ...{ size_bytes: sizes[0], created_at: '2026-11-01T02:00:00.000Z' },
        },
        {
          ...{ volid: backup.replace('lxc-100', 'qemu-300').replace('tar', 'vma'), content: 'backup' },
          ...{ node: 'pve1', vmid: 300, notes: 'vm1' },
          ...{ size_bytes: sizes[1], created_at: '2026-11-01T02:00:00.000Z' },
        },
        {
          ...{ volid: 'local:iso/debian-13.1.0-amd64-netinst.iso', content: 'iso', node: 'pve1' },
          ...{ size_bytes: 821_035_008, created_at: '2026-11-01T00:00:00.000Z' },
        },
        {
          ...{ volid: 'local:vztmpl/alpine-3.22-default_20250617_amd64.tar.zst', content: 'vztmpl' },
          ...{ node: 'pve1', size_bytes: 3_297_280, created_at: '2026-11-01T00:00:00.000Z' },
        },
        {
          ...{ volid: 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst', content: 'vztmpl' },
          ...{ node: 'pve1', size_bytes: 129_816_112, created_at: '2026-11-01T00:00:00.000Z' },
        },
      ],
      total: 5,
    });
    assert.match(
      text,
      /^local:iso\/debian-13\.1\.0-amd64-netinst\.iso: iso, 783 MiB, 2026-11-01 00:00:00 UTC, on pve1$/m,
    );
    const shared = await gateway.call('proxmox_storage_content', { storage: 'nas', content: 'iso' });
    assert.deepEqual(
      (shared.data.volumes as Volume[]).map(({ volid, node }) => [volid, node]),
      [['nas:iso/virtio-win-0.1.285.iso', undefined]],
    );
    const disks = await gateway.call('proxmox_storage_content', {
      ...{ storage: 'local-lvm', node: 'pve1', vmid: 100 },
    });
    assert.deepEqual(
      (disks.data.volumes as Volume[]).map(({ volid, vmid }) => [volid, vmid]),
      [['local-lvm:vm-100-disk-0', 100]],
    );
    const nothing = await gateway.call('proxmox_storage_content', { storage: 'nas', content: 'backup' });
    assert.equal(nothing.text, 'The storage nas holds nothing of the kind.');
  });

  test('names that are none lead nowhere', async () => {
    const mark = gateway.lab.api.control.requests.length;
    for (const storage of [
      'local:../../../etc',
      '../local',
      'local/..',
      '-rf',
      '',
      'local\n',
      'lo cal',
      'a;b',
    ]) {
      const { code } = await gateway.failing('proxmox_storage_content', { storage });
      assert.equal(code, 'INVALID_ARGUMENT', storage);
      const download = { storage, url: iso, content: 'iso' };
      assert.equal((await gateway.failing('proxmox_download_to_storage', download)).code, 'INVALID_ARGUMENT');
    }
    assert.equal(gateway.lab.api.control.requests.length, mark);
    for (const [args, words] of [
      [{ storage: 'nosuch' }, /there is no storage nosuch/],
      [{ storage: 'local' }, /name one of pve1, pve2/],
      [{ storage: 'local', node: 'evil.example' }, /node: must be/],
      [{ storage: 'local', node: 'localhost' }, /node: must be/],
      [{ storage: 'local', node: 'pve9' }, /node: there is no such node/],
    ] as const) {
      const { code, error } = await gateway.failing('proxmox_storage_content', args);
      assert.equal(code, 'INVALID_ARGUMENT');
      assert.match(error, words);
    }
  });

  test('downloads go where they are told, with a checksum that holds', async () => {
    const checksum = createHash('sha256').update(iso).digest('hex').toUpperCase();
    const args = { storage: 'local', node: 'pve2', url: iso, content: 'iso' };
    const done = await gateway.call('proxmox_download_to_storage', { ...args, checksum });
    assert.deepEqual(done.data, {
      ...{ success: true, message: 'Downloaded local:iso/alpine.iso.', upid: done.data.upid, node: 'pve2' },
      ...{ task: 'ok', volid: 'local:iso/alpine.iso' },
    });
    const { data } = await gateway.call('proxmox_storage_content', {
      ...{ storage: 'local', node: 'pve2', content: 'iso' },
    });
    assert.ok((data.volumes as Volume[]).some(({ volid }) => volid === 'local:iso/alpine.iso'));

    const wrong = { ...args, filename: 'other.iso', checksum: 'ab'.repeat(32) };
    const mismatch = await gateway.failing('proxmox_download_to_storage', wrong);
    assert.equal(mismatch.code, 'TASK_FAILED');
    assert.match(mismatch.stderr ?? '', /checksum mismatch/);
    const dead = { ...args, url: 'http://down.invalid/a.iso' };
    assert.match(
      (await gateway.failing('proxmox_download_to_storage', dead)).stderr ?? '',
      /unable to resolve/,
    );
    gateway.lab.api.control.taskMs = 1500;
    const slow = await gateway.call('proxmox_download_to_storage', {
      ...args,
      filename: 'slow.iso',
      wait_seconds: 0,
    });
    gateway.lab.api.control.taskMs = 10;
    assert.match(slow.text, /^Node pve2 is downloading local:iso\/slow\.iso\. The task UPID/);
  });

  test('SECURITY: downloads come from nowhere else', async () => {
    const mark = gateway.lab.api.control.requests.filter(({ method }) => method === 'POST').length;
    const args = { storage: 'local', node: 'pve1', content: 'iso' };
    for (const url of [
      'https://evil.example/images/a.iso',
      'http://mirror.lan/images/a.iso',
      'https://mirror.lan/images/../secret/a.iso',
      'https://mirror.lan/images/..%2fsecret/a.iso',
      'https://mirror.lan/images-evil/a.iso',
      'https://mirror.lan@evil.example/images/a.iso',
      'http://169.254.169.254/latest/a.iso',
    ]) {
      const { code, error } = await gateway.failing('proxmox_download_to_storage', { ...args, url });
      assert.equal(code, 'PERMISSION_DENIED', url);
      assert.match(error, /DOWNLOAD_URLS|encoded|user/);
    }
    for (const more of [
      { url: 'file:///etc/shadow' },
      { url: `${iso}#x` },
      { url: iso, filename: '../../etc/cron.d/a.iso' },
      { url: iso, filename: 'a.txt' },
      { url: iso, content: 'snippets' },
      { url: iso, content: 'backup' },
      { url: iso, checksum: 'short' },
    ]) {
      const { code } = await gateway.failing('proxmox_download_to_storage', { ...args, ...more });
      assert.equal(code, 'INVALID_ARGUMENT', JSON.stringify(more));
    }
    const posts = gateway.lab.api.control.requests.filter(({ method }) => method === 'POST');
    assert.equal(posts.length, mark);
  });

  test('what new guests can be made from, there already or to be had', async () => {
    const all = await gateway.call('proxmox_list_templates', { search: 'DEBIAN' });
    assert.deepEqual(
      (all.data.volumes as Volume[]).map(({ volid, node }) => `${node} ${volid}`),
      [
        'pve1 local:iso/debian-13.1.0-amd64-netinst.iso',
        'pve1 local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst',
        'pve2 local:iso/debian-13.1.0-amd64-netinst.iso',
        'pve2 local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst',
      ],
    );
    const offered = await gateway.call('proxmox_list_templates', { available: true, search: 'debian-12' });
    assert.equal(offered.data.total, 1);
    assert.match(offered.text, /^debian-12-standard_12\.12-1_amd64\.tar\.zst: Debian 12 – https?:\/\//);
  });
});

test('what policy or the token does not allow is refused or left out', async () => {
  const denied = await startTokenOnly({ env: { DENIED_VMIDS: '100' } });
  const { lab } = denied;
  const auditor = await startTokenOnly({
    ...{ lab, env: { DOWNLOAD_URLS: 'https://mirror.lan/' } },
    privileges: { '/': ['Sys.Audit', 'Datastore.Audit'] },
  });
  const readOnly = await startTokenOnly({ lab, env: { READ_ONLY: 'true' } });
  try {
    const { data } = await denied.call('proxmox_storage_content', { storage: 'local-lvm', node: 'pve1' });
    const owners = (data.volumes as Volume[]).map(({ vmid }) => vmid);
    assert.ok(owners.includes(102) && !owners.includes(100), String(owners));
    const args = { storage: 'local', node: 'pve1', url: iso, content: 'iso' };
    const filtered = { storage: 'local-lvm', node: 'pve1', vmid: 100 };
    assert.match((await denied.failing('proxmox_storage_content', filtered)).error, /guest 100 is outside/);
    const off = await denied.failing('proxmox_download_to_storage', args);
    assert.equal(off.code, 'PERMISSION_DENIED');
    assert.match(off.error, /switched off.*DOWNLOAD_URLS/);
    const reading = await readOnly.failing('proxmox_download_to_storage', args);
    assert.match(reading.error, /READ_ONLY/);
    const forbidden = await auditor.failing('proxmox_download_to_storage', args);
    assert.equal(forbidden.code, 'API_FORBIDDEN');
    assert.match(forbidden.error, /Datastore\.AllocateTemplate|Sys\.AccessNetwork/);
  } finally {
    for (const gateway of [auditor, readOnly, denied]) await gateway.close();
  }
});
