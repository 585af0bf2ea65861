/** Shells that wait on the host for the next command: what becomes of them, and of commands, when they end. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../gateway/harness.ts';
import { onStand, type RealGateway, startRealGateway } from './harness.ts';
import { findProcesses } from './stand/processes.ts';

describe('shells opened ahead', onStand, () => {
  let gateway: RealGateway;
  before(async () => {
    gateway = await startRealGateway();
  });
  after(() => gateway.close());

  /** Those of this test's own node. */
  const waiting = async (): Promise<number[]> => {
    const inNode = new Set((await gateway.node.world.processes()).map(({ pid }) => pid));
    const shells = (await findProcesses('gateway_order')).filter(({ cmdline }) =>
      /^(\S*\/)?bash /.test(cmdline),
    );
    return shells.map(({ pid }) => pid).filter((pid) => inNode.has(pid));
  };
  const atLeast = (count: number) =>
    eventually(async () => {
      const pids = await waiting();
      return pids.length >= count ? pids : undefined;
    });
  const append = async (word: string) => {
    const { isError } = await gateway.exec(`echo ${word} >>/root/words`);
    assert.notEqual(isError, true);
  };
  const words = async () => {
    const result = await gateway.exec('cat /root/words');
    return (result.structuredContent as { stdout: string }).stdout;
  };

  test('there are some before the first call, and after it', async () => {
    await atLeast(1);
    await append('first');
    await atLeast(1);
  });

  test('one that the host has ended is not missed', async () => {
    for (const pid of await atLeast(1)) process.kill(pid, 'SIGKILL');
    await append('second');
    await atLeast(1);
  });

  test('one that ends before it took its order: the command runs, once', async () => {
    const shells = await atLeast(3);
    for (const pid of shells) process.kill(pid, 'SIGSTOP');
    const call = append('third');
    // The order lies in the pipe of a shell that cannot read it.
    const served = await Promise.race([call.then(() => true), new Promise((wake) => setTimeout(wake, 300))]);
    assert.notEqual(served, true);
    for (const pid of shells) process.kill(pid, 'SIGKILL');
    await call;
    assert.equal(await words(), 'first\nsecond\nthird\n');
  });

  test('no more than a few, whatever the load', async () => {
    await Promise.all(Array.from({ length: 30 }, () => gateway.exec('true')));
    await eventually(async () => ((await waiting()).length <= 3 ? true : undefined));
  });

  test('none outlives its connection', async () => {
    const pids = await atLeast(1);
    await gateway.node.sshd.killSessions();
    await eventually(async () => {
      const left = await waiting();
      return pids.every((pid) => !left.includes(pid)) ? true : undefined;
    });
  });
});
