/** What the start-up files of root's login shell may do to waiting shells: no command is lost or run twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, failureOf } from '../gateway/harness.ts';
import { newMarker, onStand, type RealGateway, startRealGateway } from './harness.ts';
import { findProcesses, waitUntilGone } from './stand/processes.ts';

async function withBashrc(bashrc: string, play: (gateway: RealGateway) => Promise<void>): Promise<void> {
  const gateway = await startRealGateway();
  try {
    gateway.node.world.write('/root/.bashrc', bashrc);
    // The shells that wait already have not read it.
    await gateway.node.sshd.killSessions();
    await eventually(async () => ((await gateway.exec('true')).isError === true ? undefined : true), 15_000);
    await play(gateway);
  } finally {
    await gateway.close();
  }
}

const stdoutOf = (result: Awaited<ReturnType<RealGateway['exec']>>) =>
  (result.structuredContent as { stdout: string } | undefined)?.stdout;

const noisy = {
  'that print late': '(sleep 0.2; echo update check done; echo and more >&2) &\n',
  'that print at every command': `trap 'echo "about to: $BASH_COMMAND"' DEBUG\n`,
  'that print and read-only variables': 'echo welcome; readonly TMOUT=5; shopt -s expand_aliases\n',
};

for (const [what, bashrc] of Object.entries(noisy)) {
  test(`start-up files ${what}: each command runs once, and its output is its own`, onStand, () =>
    withBashrc(bashrc, async (gateway) => {
      const marker = newMarker();
      for (let call = 0; call < 6; call++) {
        const result = await gateway.exec(`echo ${call} >>/root/${marker}; echo done`);
        assert.equal(stdoutOf(result), 'done\n', JSON.stringify(result.content));
        await pause(150);
      }
      assert.equal(stdoutOf(await gateway.exec(`cat /root/${marker}`)), '0\n1\n2\n3\n4\n5\n');
    }),
  );
}

test('spares that hang do not keep a command from being stopped', onStand, async () => {
  const gateway = await startRealGateway();
  try {
    const marker = newMarker();
    const stop = new AbortController();
    const call = gateway
      .exec(`trap '' TERM; exec -a ${marker} sleep 60`, {}, stop.signal)
      .catch(() => 'gone');
    await eventually(async () => ((await findProcesses(marker)).length > 1 ? true : undefined));
    const inNode = new Set((await gateway.node.world.processes()).map(({ pid }) => pid));
    const spares = (await findProcesses('gateway_order')).filter(
      ({ pid, cmdline }) => inNode.has(pid) && !cmdline.includes(marker),
    );
    assert.ok(spares.length > 0);
    for (const { pid } of spares) process.kill(pid, 'SIGSTOP');
    stop.abort();
    await call;
    await waitUntilGone(marker, 4_000);
    await eventually(async () => (/"outcome":"cancelled"/.test(await gateway.audit()) ? true : undefined));
  } finally {
    await gateway.close();
  }
});

test('a start-up file that takes its time costs other calls nothing', onStand, async () => {
  const gateway = await startRealGateway();
  try {
    const slow = 12;
    await gateway.exec('true');
    const inNode = new Set((await gateway.node.world.processes()).map(({ pid }) => pid));
    await eventually(async () =>
      (await findProcesses('gateway_order')).some(({ pid }) => inNode.has(pid)) ? true : undefined,
    );
    gateway.node.world.write('/root/.bashrc', `sleep ${slow}\n`);
    // On a spare that waits since before.
    const running = gateway.exec(`sleep ${slow + 2}; echo ran`);
    const calls = await Promise.all(Array.from({ length: 5 }, () => gateway.exec('echo came')));
    for (const result of calls)
      if (result.isError === true) assert.notEqual(failureOf(result).code, 'CONNECTION_LOST');
    assert.equal(stdoutOf(await running), 'ran\n');
  } finally {
    await gateway.close();
  }
});
