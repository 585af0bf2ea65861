/** A link that falls silent and a host that goes away: found out in time, told, and survived without a restart. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { eventually, failureOf } from '../../gateway/harness.ts';
import { newMarker, onStand, startRealGateway } from '../harness.ts';
import { startFaultProxy } from '../stand/fault-proxy.ts';
import { findProcesses, waitUntilGone } from '../stand/processes.ts';

/** Three keepalives 10 s apart go unanswered; a second for timers on a busy machine. */
const foundOutWithinMs = 40_000 + 1_000;
const recoversWithinMs = 15_000;

async function start(t: TestContext) {
  const link = await startFaultProxy();
  const gateway = await startRealGateway({ env: { SSH_PORT: String(link.port) } });
  t.after(async () => {
    link.thaw();
    await gateway.close();
    await link.close();
  });
  link.leadTo(gateway.node.sshd);
  const readiness = async () => {
    const answer = await fetch(new URL('/readyz', gateway.url));
    return { ready: answer.ok, text: await answer.text() };
  };
  const ready = (waitMs?: number) => eventually(async () => (await readiness()).ready || undefined, waitMs);
  const stdoutOf = async (command: string) =>
    ((await gateway.exec(command)).structuredContent as { stdout?: string } | undefined)?.stdout;
  const runs = (marker: string) =>
    eventually(async () => {
      const found = await findProcesses(marker);
      return found.some(({ cmdline }) => cmdline.startsWith(marker)) || undefined;
    }, 10_000);
  await ready(10_000);
  return { link, gateway, readiness, ready, stdoutOf, runs };
}

describe('a way to the host that is gone for a while', { concurrency: true, ...onStand }, () => {
  for (const direction of [undefined, 'to-host', 'to-gateway'] as const) {
    test(`half-open (${direction ?? 'both ways'}): found out by keepalive, unready, back after it`, async (t) => {
      const { link, gateway, readiness, ready, stdoutOf, runs } = await start(t);
      const marker = newMarker();
      const call = gateway.exec(`exec -a ${marker} sleep 90`, { timeout: 100 });
      await runs(marker);
      const frozenAt = performance.now();
      link.freeze(direction);
      const { code, outcome } = failureOf(await call);
      assert.ok(performance.now() - frozenAt <= foundOutWithinMs);
      assert.deepEqual([code, outcome], ['CONNECTION_LOST', 'unknown']);
      assert.match((await readiness()).text, /no connection to the host/);
      link.thaw();
      await ready(recoversWithinMs);
      assert.equal(await stdoutOf('echo back'), 'back\n');
    });
  }

  test('a host that reboots: calls fail fast while it is down, and work within 15 s of its return', async (t) => {
    const { link, gateway, ready, stdoutOf } = await start(t);
    const { sshd } = gateway.node;
    await link.refuse();
    await sshd.stop();
    const downUntil = performance.now() + 12_000;
    await eventually(async () => {
      const askedAt = performance.now();
      const { code, outcome, retryable } = failureOf(await gateway.exec('true'));
      assert.ok(performance.now() - askedAt < 1_000);
      if (code !== 'CONNECTION_LOST')
        assert.deepEqual([code, outcome, retryable], ['HOST_UNREACHABLE', 'not_started', true]);
      return performance.now() > downUntil || undefined;
    }, 15_000);
    await sshd.start();
    await link.accept();
    await ready(recoversWithinMs);
    assert.equal(await stdoutOf('echo back'), 'back\n');
  });

  test('a silence shorter than the keepalive allows costs no call', async (t) => {
    const { link, gateway, runs } = await start(t);
    const marker = newMarker();
    const call = gateway.exec(`bash -c 'exec -a ${marker} sleep 2'; echo done`);
    await runs(marker);
    link.freeze();
    await waitUntilGone(marker, 5_000);
    link.thaw();
    assert.equal(((await call).structuredContent as { stdout?: string }).stdout, 'done\n');
    assert.equal(link.taken, 1);
  });

  test('a timeout on a silent link is told in time, as one whose end is not known; the host sees to it', async (t) => {
    const { link, gateway, runs } = await start(t);
    const marker = newMarker();
    const calledAt = performance.now();
    const call = gateway.exec(`trap '' TERM; exec -a ${marker} sleep 90`, { timeout: 2 });
    await runs(marker);
    link.freeze();
    const { code, error } = failureOf(await call);
    assert.ok(performance.now() - calledAt < 2_000 + 3_500);
    assert.equal(code, 'COMMAND_TIMEOUT');
    assert.match(error, /Whether it could be stopped is not known/);
    await waitUntilGone(marker, 2_000 + 5_000 + 2_000);
  });
});
