import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

describe('switching containers on and off with an API token alone', () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly({
      guests: [
        { vmid: 100, name: 'web1', status: 'running' },
        { vmid: 101, name: 'db1', status: 'running', lock: 'backup' },
        { vmid: 102, name: 'old1' },
        { vmid: 113, name: 'tmpl1', template: true },
        { vmid: 200, name: 'far1', node: 'pve2' },
        { vmid: 201, name: 'slow1', status: 'running', shutdownMs: 60_000 },
        { vmid: 300, name: 'vm1', status: 'running', kind: 'vm' },
      ],
    });
  });
  after(() => gateway.close());

  const said = async (verb: string, args: Record<string, unknown>) =>
    (await gateway.call(`proxmox_${verb}_container`, args)).text;
  const refused = async (verb: string, args: Record<string, unknown>) =>
    (await gateway.failing(`proxmox_${verb}_container`, args)).code;

  test('each obeys, and what is done already succeeds, too, on whichever node', async () => {
    for (const vmid of [102, 'far1']) {
      const id = vmid === 102 ? 102 : 200;
      assert.equal(await said('start', { vmid }), `Container ${id} was started.`);
      assert.equal(await said('start', { vmid }), `Container ${id} is already running.`);
      assert.equal(await said('reboot', { vmid }), `Container ${id} was rebooted.`);
      assert.equal(await said('shutdown', { vmid, timeout: 5 }), `Container ${id} was shut down.`);
      assert.equal(await said('stop', { vmid }), `Container ${id} is already stopped.`);
      assert.equal(await refused('reboot', { vmid }), 'CONTAINER_NOT_RUNNING');
    }
    assert.equal(await said('stop', { vmid: 100 }), 'Container 100 was stopped.');
    const status = await gateway.call('proxmox_container_status', { vmid: 100 });
    assert.equal(status.data.status, 'stopped');
  });

  test('who does not shut down in time goes on, or is stopped where that was asked', async () => {
    const slow = { vmid: 201, timeout: 1 };
    assert.equal(await refused('shutdown', slow), 'SHUTDOWN_TIMED_OUT');
    assert.equal(await said('shutdown', { ...slow, force: true }), 'Container 201 was shut down.');
  });

  test('locks, templates and machines are told apart', async () => {
    for (const verb of ['stop', 'shutdown', 'reboot'])
      assert.equal(await refused(verb, { vmid: 101 }), 'CONTAINER_LOCKED', verb);
    assert.equal(await refused('start', { vmid: 113 }), 'CONTAINER_IS_TEMPLATE');
    assert.equal(await refused('stop', { vmid: 300 }), 'NOT_A_CONTAINER');
    assert.equal(await refused('start', { vmid: 999 }), 'CONTAINER_NOT_FOUND');
  });

  test('a task that fails says why', async () => {
    gateway.lab.api.control.failNextTask('startup for container 102 failed', 'vzstart');
    const failed = await gateway.failing('proxmox_start_container', { vmid: 102 });
    assert.equal(failed.code, 'TASK_FAILED');
    assert.match(failed.stderr ?? '', /startup for container 102 failed/);
  });
});
