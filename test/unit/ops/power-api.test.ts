import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createPower, type Power } from '../../../src/ops/power.ts';
import { powerByApi } from '../../../src/ops/power-api.ts';
import { container, failsWith, type GuestNode, startGuestNode, vm } from './guest-node.ts';

const { signal } = new AbortController();
let node: GuestNode;
let power: Power;
before(async () => {
  node = await startGuestNode();
  power = createPower({ inventory: node.room.inventory, ways: [powerByApi(node.room)] });
});
after(() => node.close());
beforeEach(async () => {
  node.resources = [vm, container];
  node.current = { status: 'stopped' };
  node.answer = () => undefined;
  await node.room.inventory.now(100, signal);
  node.ends.length = node.writes.length = node.reads.length = 0;
});

/** The container is in this state once it has been told. */
function obeys(status: string): void {
  node.answer = ({ method }) => {
    if (method !== 'GET') node.current = { status };
    return undefined;
  };
}

test('a container starts, and the state that follows is believed', async () => {
  obeys('running');
  assert.deepEqual(await power.start(100, signal), {
    ...{ vmid: 100, success: true, message: 'Container 100 was started.' },
  });
  assert.deepEqual(node.writes, ['POST /nodes/pve1/lxc/100/status/start']);
  const again = await power.start(100, signal);
  assert.equal(again.message, 'Container 100 is already running.');
  assert.equal(node.writes.length, 1);
});

test('stop, shutdown and reboot say how long and how hard', async () => {
  node.current = { status: 'running' };
  obeys('stopped');
  assert.equal((await power.stop(100, signal)).message, 'Container 100 was stopped.');
  assert.equal((await power.stop(100, signal)).message, 'Container 100 is already stopped.');
  node.current = { status: 'running' };
  const shutdown = { vmid: 100, timeoutS: 5, force: true };
  assert.equal((await power.shutdown(shutdown, signal)).message, 'Container 100 was shut down.');
  assert.equal((await power.shutdown(shutdown, signal)).message, 'Container 100 is already stopped.');
  node.current = { status: 'running' };
  await power.shutdown({ ...shutdown, force: false }, signal);
  const reboot = { vmid: 100, timeoutS: 7 };
  await assert.rejects(power.reboot(reboot, signal), failsWith('CONTAINER_NOT_RUNNING'));
  node.current = { status: 'running' };
  obeys('running');
  assert.equal((await power.reboot(reboot, signal)).message, 'Container 100 was rebooted.');
  assert.deepEqual(node.writes, [
    'POST /nodes/pve1/lxc/100/status/stop',
    'POST /nodes/pve1/lxc/100/status/shutdown timeout=5&forceStop=1',
    'POST /nodes/pve1/lxc/100/status/shutdown timeout=5&forceStop=0',
    'POST /nodes/pve1/lxc/100/status/reboot timeout=7',
  ]);
});

test('what somebody else has done meanwhile is done', async () => {
  const refuse = (text: string) => {
    node.answer = ({ method }) => (method === 'POST' ? { status: 500, text } : undefined);
  };
  refuse('CT 100 already running');
  assert.equal((await power.start(100, signal)).message, 'Container 100 is already running.');
  node.current = { status: 'running' };
  refuse('CT 100 not running');
  assert.equal((await power.stop(100, signal)).message, 'Container 100 is already stopped.');
  refuse('VM 100 not running');
  await assert.rejects(power.reboot({ vmid: 100, timeoutS: 5 }, signal), failsWith('API_REFUSED'));
});

test('locked containers and templates are left alone', async () => {
  node.current = { status: 'stopped', lock: 'backup' };
  await assert.rejects(power.start(100, signal), failsWith('CONTAINER_LOCKED', /backup/));
  node.current = { status: 'stopped', template: 1 };
  await assert.rejects(power.start(100, signal), failsWith('CONTAINER_IS_TEMPLATE'));
  assert.deepEqual(node.writes, []);
  node.current = { status: 'stopped' };
  node.ends.push('CT is locked (snapshot)');
  await assert.rejects(power.start(100, signal), failsWith('CONTAINER_LOCKED', /snapshot/));
});

test('a task that fails, and one that ends well without effect, are told apart', async () => {
  node.ends.push('startup for container 100 failed');
  await assert.rejects(power.start(100, signal), failsWith('TASK_FAILED', /startup for container/));
  await assert.rejects(power.start(100, signal), failsWith('ACTION_INCOMPLETE', /still stopped/));
});

test('under high availability only a request is filed', async () => {
  node.answer = ({ method }) =>
    method === 'POST'
      ? { data: 'UPID:pve1:00004DC4:000A73EB:6B00EF18:hastart:100:root@pam!lab:' }
      : undefined;
  assert.match(
    (await power.start(100, signal)).message,
    /high availability was asked to start container 100/,
  );
});

test('machines and guests that are not there are refused', async () => {
  await assert.rejects(power.stop(300, signal), failsWith('NOT_A_CONTAINER'));
  await assert.rejects(power.start(999, signal), failsWith('CONTAINER_NOT_FOUND'));
  assert.deepEqual(node.writes, []);
});
