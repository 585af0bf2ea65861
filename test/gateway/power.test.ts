import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { failureOf, startTestGateway, type TestGateway, textOf } from './harness.ts';

describe('switching containers on and off', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({
      guests: [
        { vmid: 100, name: 'web1', status: 'running' },
        { vmid: 101, name: 'db1', status: 'running', lock: 'backup' },
        { vmid: 102, name: 'old1', status: 'stopped' },
        { vmid: 113, name: 'tmpl1', status: 'stopped', template: true },
        { vmid: 200, name: 'far1', status: 'running', node: 'pve2' },
        { vmid: 300, name: 'vm1', status: 'running', kind: 'vm' },
      ],
    });
  });
  after(() => gateway.close());

  const call = async (verb: string, args: Record<string, unknown>) => {
    const client = await gateway.modern();
    return await client.callTool({ name: `proxmox_${verb}_container`, arguments: args });
  };
  const status = async (vmid: number) => {
    const client = await gateway.legacy();
    const result = await client.callTool({ name: 'proxmox_container_status', arguments: { vmid } });
    return (result.structuredContent as { status: string }).status;
  };

  test('start, and start again', async () => {
    const first = await call('start', { vmid: 102 });
    assert.deepEqual(first.structuredContent, {
      success: true,
      message: 'Container 102 was started.',
      vmid: 102,
    });
    assert.equal(textOf(first), 'Container 102 was started.');
    assert.equal(await status(102), 'running');
    const second = await call('start', { vmid: 102 });
    assert.equal(textOf(second), 'Container 102 is already running.');
    assert.equal((second.structuredContent as { success: boolean }).success, true);
  });

  test('reboot, shut down, stop, and stop again', async () => {
    assert.equal(textOf(await call('reboot', { vmid: 100 })), 'Container 100 was rebooted.');
    assert.equal(await status(100), 'running');
    assert.equal(textOf(await call('shutdown', { vmid: 100, timeout: 5 })), 'Container 100 was shut down.');
    assert.equal(await status(100), 'stopped');
    assert.equal(textOf(await call('stop', { vmid: 100 })), 'Container 100 is already stopped.');
    assert.equal(textOf(await call('shutdown', { vmid: 100 })), 'Container 100 is already stopped.');
    assert.equal(failureOf(await call('reboot', { vmid: 100 })).code, 'CONTAINER_NOT_RUNNING');
    assert.equal(textOf(await call('start', { vmid: 100 })), 'Container 100 was started.');
    assert.equal(textOf(await call('stop', { vmid: 100 })), 'Container 100 was stopped.');
    assert.equal(await status(100), 'stopped');
  });

  test('a locked container is left alone', async () => {
    for (const verb of ['stop', 'shutdown', 'reboot']) {
      const failure = failureOf(await call(verb, { vmid: 101 }));
      assert.equal(failure.code, 'CONTAINER_LOCKED');
      assert.match(failure.error, /backup.*Nothing was changed/);
      assert.equal(failure.retryable, true);
    }
    assert.equal(await status(101), 'running');
  });

  test('templates, virtual machines and guests of other nodes are told apart', async () => {
    assert.equal(failureOf(await call('start', { vmid: 113 })).code, 'CONTAINER_IS_TEMPLATE');
    assert.equal(failureOf(await call('stop', { vmid: 300 })).code, 'NOT_A_CONTAINER');
    assert.equal(failureOf(await call('start', { vmid: 999 })).code, 'CONTAINER_NOT_FOUND');
    const far = failureOf(await call('stop', { vmid: 200 }));
    assert.equal(far.code, 'NODE_UNKNOWN');
    assert.match(far.error, /pve2/);
    assert.equal(await status(200), 'unknown');
  });
});
