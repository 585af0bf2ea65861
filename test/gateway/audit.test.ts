/** What the audit log says of a call, so that it can be held against what Proxmox VE itself has noted. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

describe('the audit log', () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly({
      guests: [
        { vmid: 300, name: 'vm1', kind: 'vm', status: 'running' },
        { vmid: 301, name: 'vm2', kind: 'vm', config: { scsi0: 'local-lvm:vm-301-disk-0,size=1G' } },
      ],
    });
  });
  after(() => gateway.close());

  /** The records of one call: its beginning and its end. */
  const recordsOf = async (tool: string, args: Record<string, unknown>) => {
    const since = (await gateway.audit()).length;
    const result = await gateway.call(tool, args).catch(() => undefined);
    const [begin, finish, ...rest] = (await gateway.audit()).slice(since);
    assert.deepEqual([begin?.event, finish?.event, rest.length], ['begin', 'finish', 0]);
    return { begin: begin ?? assert.fail(), finish: finish ?? assert.fail(), data: result?.data };
  };

  test('names the task of a call, and how it stood when the answer went out', async () => {
    const done = await recordsOf('proxmox_stop_vm', { vmid: 300 });
    assert.match(String(done.finish.upid), /^UPID:pve1:.*:qmstop:300:/);
    assert.deepEqual([done.finish.upid, done.finish.task], [done.data?.upid, 'ok']);
    assert.deepEqual([done.finish.vmid, done.finish.node], [300, 'pve1']);
    const release = gateway.lab.api.control.holdTasks();
    const begun = await recordsOf('proxmox_start_vm', { vmid: 300, wait_seconds: 0 });
    release();
    assert.match(String(begun.finish.upid), /:qmstart:300:/);
    assert.deepEqual([begun.finish.outcome, begun.finish.task], ['ok', 'running']);
  });

  test('names the task that failed', async () => {
    gateway.lab.api.control.failNextTask('no space left', 'qmclone');
    const { finish } = await recordsOf('proxmox_clone_vm', { vmid: 301, new_vmid: 401 });
    assert.equal(finish.code, 'TASK_FAILED');
    assert.match(String(finish.upid), /^UPID:pve1:.*:qmclone:301:/);
  });

  test('names the guest that was made, whoever chose its id', async () => {
    const made = await recordsOf('proxmox_create_vm', { node: 'pve2', name: 'fresh' });
    assert.deepEqual([made.begin.vmid, made.begin.node], [undefined, 'pve2']);
    assert.equal(typeof made.finish.vmid, 'number');
    assert.deepEqual([made.finish.vmid, made.finish.newVmid], [made.data?.vmid, undefined]);
    const copied = await recordsOf('proxmox_clone_vm', { vmid: 301 });
    assert.deepEqual([copied.begin.vmid, copied.finish.vmid], [301, 301]);
    assert.equal(typeof copied.finish.newVmid, 'number');
    assert.equal(copied.finish.newVmid, copied.data?.vmid);
  });

  test('names guest and node of a call of any endpoint', async () => {
    const path = '/nodes/pve1/qemu/301/config';
    const { begin, finish } = await recordsOf('proxmox_api_call', { method: 'GET', path });
    assert.deepEqual([begin.vmid, begin.node, finish.vmid, finish.node], [301, 'pve1', 301, 'pve1']);
  });
});
