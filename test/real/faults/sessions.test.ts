/** A host that takes few sessions, few handshakes, or the credentials no more. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, failureOf } from '../../gateway/harness.ts';
import { newMarker, onStand, startRealGateway } from '../harness.ts';
import { startFaultProxy } from '../stand/fault-proxy.ts';
import type { NodeOptions } from '../stand/node.ts';
import { waitUntilGone } from '../stand/processes.ts';

async function start(t: TestContext, options: { node?: NodeOptions; env?: Record<string, string> } = {}) {
  const link = await startFaultProxy();
  const gateway = await startRealGateway({
    ...options,
    env: { SSH_PORT: String(link.port), ...options.env },
  });
  t.after(async () => {
    link.thaw();
    await gateway.close();
    await link.close();
  });
  const lead = () => link.leadTo(gateway.node.sshd);
  const readyz = async () => await (await fetch(new URL('/readyz', gateway.url))).text();
  const ready = () => eventually(async () => (await readyz()).includes('"ready"') || undefined, 15_000);
  return { link, gateway, lead, ready, readyz };
}

describe('a host that takes few', { concurrency: true, ...onStand }, () => {
  test('one session a connection: all calls are served, and a timeout still stops its command', async (t) => {
    const { gateway, lead } = await start(t, { node: { maxSessions: 1 } });
    lead();
    const results = await Promise.all(
      Array.from({ length: 6 }, (_, index) => gateway.exec(`sleep 0.1; echo ${index}`)),
    );
    assert.deepEqual(
      results.map((result) => (result.structuredContent as { stdout?: string } | undefined)?.stdout),
      Array.from({ length: 6 }, (_, index) => `${index}\n`),
    );
    const marker = newMarker();
    const failure = failureOf(await gateway.exec(`trap '' TERM; exec -a ${marker} sleep 60`, { timeout: 1 }));
    assert.equal(failure.code, 'COMMAND_TIMEOUT');
    await waitUntilGone(marker, 2_000);
  });

  test('fifty calls before the host answers make one connection, and all are served', async (t) => {
    const { link, gateway, lead } = await start(t);
    const calls = Array.from({ length: 50 }, (_, index) => gateway.exec(`echo ${index}`));
    await eventually(() => link.taken > 0 || undefined);
    await pause(300);
    assert.equal(link.taken, 1);
    lead();
    for (const [index, result] of (await Promise.all(calls)).entries())
      assert.equal((result.structuredContent as { stdout?: string } | undefined)?.stdout, `${index}\n`);
  });

  test('handshakes that are shed: backed off from, told as unreachable, over when there is room', async (t) => {
    const { link, gateway, lead, ready } = await start(t, { node: { maxStartups: '1:100:1' } });
    // Holds the only place of those that have not logged in.
    const squatter = connect(gateway.node.sshd.port, gateway.node.sshd.host);
    t.after(() => squatter.destroy());
    await eventually(async () => (await gateway.node.sshd.sessions()) > 0 || undefined);
    lead();
    const calledUntil = performance.now() + 4_000;
    let refusals = 0;
    await eventually(async () => {
      const { code, outcome } = failureOf(await gateway.exec('true'));
      assert.deepEqual([code, outcome], ['HOST_UNREACHABLE', 'not_started']);
      refusals++;
      return performance.now() > calledUntil || undefined;
    }, 10_000);
    assert.ok(refusals > 20, `${refusals} calls were refused`);
    // Half a second, doubled each time, halved at most by chance.
    assert.ok(link.taken <= 6, `${link.taken} connects in 4 s`);
    squatter.destroy();
    await ready();
  });

  test('credentials that are refused are tried once, however many call; a new key file is used at the next connect', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'credentials-'));
    t.after(() => rm(folder, { recursive: true }));
    const keyFile = join(folder, 'key');
    const { link, gateway, lead, ready, readyz } = await start(t, { env: { ENABLE_HOST_EXEC: 'false' } });
    lead();
    await ready();
    const { world, sshd } = gateway.node;
    const made = await world.run('ssh-keygen -q -t ed25519 -N "" -f /root/next');
    assert.equal(made.code, 0, made.stderr);
    await writeFile(keyFile, await readFile(world.path('/root/next')));
    world.write('/etc/ssh/authorized_keys', await readFile(world.path('/root/next.pub')));
    await rename(keyFile, `${keyFile}.new`);
    await writeFile(sshd.keyFile, await readFile(`${keyFile}.new`));
    const { taken } = link;
    link.cut();
    await eventually(() => link.taken > taken || undefined);
    await ready();
    assert.equal((await gateway.exec('true')).isError ?? false, false);

    world.write('/etc/ssh/authorized_keys', '');
    link.cut();
    await eventually(async () => (await readyz()).includes('SSH_AUTH_FAILED') || undefined);
    const failed = link.taken;
    const codes = await Promise.all(
      Array.from({ length: 20 }, async () => failureOf(await gateway.exec('true')).code),
    );
    assert.deepEqual(new Set(codes), new Set(['SSH_AUTH_FAILED']));
    await pause(2_000);
    assert.equal(link.taken, failed);
  });
});
