/** Which guests a call is about, and what of an answer may be shown. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { apiReach, type Reach, withinReach } from '../../../src/policy/api-reach.ts';
import type { ApiCall } from '../../../src/policy/api-rules.ts';

function reach(line: string, params: ApiCall['params'] = {}): Reach {
  const [method = '', path = ''] = line.split(' ');
  return apiReach({ method: method as ApiCall['method'], path, params });
}

const upid = (type: string, id: string) => `UPID:pve1:00000001:00000001:6B00EE00:${type}:${id}:root@pam!t:`;

describe('a call reaches', () => {
  const calls: readonly [string, ApiCall['params'], Reach][] = [
    ['GET /version', {}, []],
    ['GET /cluster/resources', { type: 'vm' }, []],
    ['GET /nodes/pve1/qemu/300/config', {}, [300]],
    ['PUT /nodes/pve1/lxc/0100/config', {}, [100]],
    ['GET /nodes/pve1/qemu/abc/config', {}, 'every'],
    ['POST /nodes/pve1/qemu/300/clone', { newid: '401' }, [300, 401]],
    ['POST /nodes/pve1/qemu/300/move_disk', { disk: 'scsi0', 'target-vmid': 101 }, [300, 101]],
    ['PUT /nodes/pve1/qemu/300/config', { scsi1: 'local:101/vm-101-disk-0.raw' }, [300, 101]],
    ['POST /nodes/pve1/qemu', { vmid: 400 }, [400]],
    ['POST /nodes/pve1/qemu', {}, 'every'],
    [
      'POST /nodes/pve1/lxc',
      { vmid: 400, ostemplate: 'local:backup/vzdump-lxc-101-2026.tar.zst' },
      [400, 101],
    ],
    ['POST /nodes/pve1/qemu', { vmid: 400, archive: 'pbs:backup/vm/101/2026-01-01T00:00:00Z' }, [400, 101]],
    ['GET /nodes/pve1/tasks', { vmid: 101 }, [101]],
    [`GET /nodes/pve1/tasks/${upid('vzstart', '101')}/log`, {}, [101]],
    [`DELETE /nodes/pve1/tasks/${upid('imgdel', '101@local')}`, {}, [101]],
    [`GET /nodes/pve1/tasks/${upid('vzdump', '')}/log`, {}, 'every'],
    [`GET /nodes/pve1/tasks/${upid('bulk-start', '')}/log`, {}, 'every'],
    [`GET /nodes/pve1/tasks/${upid('imgdel', 'vm-101-disk-0')}`, {}, [101]],
    [`GET /nodes/pve1/tasks/${upid('replicate', '101-0')}/log`, {}, [101]],
    [`GET /nodes/pve1/tasks/${upid('download', 'x.iso')}/log`, {}, []],
    [`DELETE /nodes/pve1/tasks/${upid('download', 'x.iso')}`, {}, 'every'],
    ['POST /nodes/pve1/vzdump', { vmid: '100,101' }, [100, 101]],
    ['POST /nodes/pve1/vzdump', { vmid: '100', all: 1 }, 'every'],
    ['POST /nodes/pve1/vzdump', { pool: 'lab' }, 'every'],
    ['POST /nodes/pve1/vzdump', {}, 'every'],
    ['POST /nodes/pve1/stopall', {}, 'every'],
    ['POST /nodes/pve1/stopall', { vms: '100;101' }, [100, 101]],
    ['POST /nodes/pve1/stopall', { vms: '' }, 'every'],
    ['POST /cluster/bulk-action/guest/start', { vms: [100, '101'] }, [100, 101]],
    ['PUT /pools', { poolid: 'lab', vms: '101' }, [101]],
    ['PUT /pools', { poolid: 'lab', comment: 'x' }, 'every'],
    ['POST /pools', { poolid: 'lab' }, []],
    ['DELETE /pools', { poolid: 'lab' }, 'every'],
    ['PUT /cluster/ha/resources/ct:101', {}, [101]],
    ['POST /cluster/ha/resources', { sid: 'vm:101' }, [101]],
    ['POST /cluster/ha/rules', { resources: 'vm:100,ct:101' }, [100, 101]],
    ['PUT /cluster/ha/rules/x', { resources: 'vm:100' }, 'every'],
    ['DELETE /cluster/replication/101-0', {}, [101]],
    ['GET /nodes/pve1/replication/101-0/log', {}, [101]],
    ['PUT /cluster/backup/x', { vmid: '100' }, 'every'],
    ['GET /nodes/pve1/storage/local/content/local:101/vm-101-disk-0.raw', {}, [101]],
    ['DELETE /nodes/pve1/storage/lvm/content/vm-101-disk-0', {}, [101]],
    ['DELETE /nodes/pve1/storage/local/content/local:backup/vzdump-lxc-101-2026.tar.zst', {}, [101]],
    ['DELETE /nodes/pve1/storage/local/content/local:iso/debian.iso', {}, []],
    ['DELETE /nodes/pve1/storage/local/content/local:strange', {}, 'every'],
    ['POST /nodes/pve1/storage/local/content', { filename: 'vm-101-disk-9', vmid: 100 }, [101, 100]],
    ['GET /nodes/pve1/vzdump/extractconfig', { volume: 'local:backup/vzdump-lxc-101-2026.tar.zst' }, [101]],
    ['POST /nodes/pve1/status', { command: 'reboot' }, 'every'],
    ['PUT /cluster/firewall/options', { enable: 0 }, 'every'],
    ['GET /cluster/log', {}, 'every'],
    ['GET /nodes/pve1/journal', {}, 'every'],
    ['GET /cluster/metrics/export', {}, 'every'],
  ];
  for (const [line, params, guests] of calls)
    test(`${line} ${JSON.stringify(params)}`, () => {
      assert.deepEqual(reach(line, params), guests);
    });
});

describe('an answer', () => {
  const mayReach = (vmid: number | 'every') => vmid !== 101 && vmid !== 'every';

  test('keeps what tells of guests within reach, and of none', () => {
    const data = [
      { vmid: 100, name: 'web1' },
      { type: 'node', id: 'node/pve1' },
      { id: 'lxc/100', tags: '101' },
      'text 101',
      null,
    ];
    assert.deepEqual(withinReach(data, mayReach), data);
  });

  const outside: readonly object[] = [
    { vmid: 101 },
    { vmid: '101', name: 'db1' },
    { vmid: '100,101' },
    { id: 'lxc/101' },
    { id: 'qemu/101' },
    { id: 'service:ct:101', status: 'started' },
    { id: '101-0', target: 'pve2' },
    { guest: 101 },
    { sid: 'ct:101' },
    { resources: 'vm:100,ct:101' },
    { upid: upid('vzstart', '101'), id: 101 },
    { upid: upid('imgdel', 'vm-101-disk-0') },
    { upid: upid('bulk-start', '') },
    { volid: 'local:101/vm-101-disk-0.raw' },
    { volid: 'local:backup/vzdump-lxc-101-2026.tar.zst' },
  ];
  for (const item of outside)
    test(`leaves out ${JSON.stringify(item)}`, () => {
      assert.deepEqual(withinReach([item, { vmid: 100 }], mayReach), [{ vmid: 100 }]);
      assert.equal(withinReach(item, mayReach), undefined);
    });

  test('is looked through to its parts', () => {
    assert.deepEqual(
      withinReach({ poolid: 'lab', members: [{ vmid: 101 }, { vmid: 100 }], one: { vmid: 101 } }, mayReach),
      { poolid: 'lab', members: [{ vmid: 100 }] },
    );
    assert.deepEqual(withinReach({ '/vms/101': { a: 1 }, '/vms/100': { a: 1 } }, mayReach), {
      '/vms/100': { a: 1 },
    });
  });

  test('that is deeper than any real one ends where it is too deep', () => {
    const deep = JSON.parse(`${'['.repeat(5_000)}1${']'.repeat(5_000)}`) as unknown;
    assert.ok(JSON.stringify(withinReach(deep, mayReach)).length < 40);
  });
});
