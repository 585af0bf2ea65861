/** The way to the host: keys, losses, many calls at once, much output. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, failureOf } from '../gateway/harness.ts';
import { newMarker, onStand, type RealGateway, startRealGateway } from './harness.ts';
import { findProcesses, waitUntilGone } from './stand/processes.ts';

interface Output {
  readonly stdout: string;
  readonly stdout_original_length?: number;
}

/** Processes that the marker names, not those that only mention it. */
async function running(marker: string): Promise<number> {
  return (await findProcesses(marker)).filter(({ cmdline }) => cmdline.startsWith(marker)).length;
}

describe('the way to the host', onStand, () => {
  let gateway: RealGateway;
  before(async () => {
    gateway = await startRealGateway();
  });
  after(() => gateway.close());
  const echo = async (text: string) =>
    ((await gateway.exec(`echo ${text}`)).structuredContent as unknown as Output).stdout;

  test('ten slow calls at once do not delay an eleventh', async () => {
    const marker = newMarker();
    const stop = new AbortController();
    const slow = Array.from({ length: 10 }, () =>
      gateway.exec(`exec -a ${marker} sleep 60`, {}, stop.signal).catch(() => 'ended'),
    );
    await eventually(async () => ((await running(marker)) === 10 ? true : undefined), 10_000);
    assert.equal(await echo('fast'), 'fast\n');
    assert.equal(
      (await findProcesses(marker)).filter(({ cmdline }) => cmdline.startsWith(marker)).length,
      10,
    );
    stop.abort();
    await Promise.all(slow);
    await waitUntilGone(marker, 2_000);
  });

  test('a killed connection is reported within 1 s as unknown, and the next call works', async () => {
    const marker = newMarker();
    const call = gateway.exec(`exec -a ${marker} sleep 5`);
    await eventually(async () => ((await running(marker)) === 1 ? true : undefined));
    const killedAt = performance.now();
    assert.ok((await gateway.node.sshd.killSessions()) > 0);
    const failure = failureOf(await call);
    assert.ok(performance.now() - killedAt < 1_000);
    assert.equal(failure.code, 'CONNECTION_LOST');
    assert.equal(failure.outcome, 'unknown');
    assert.equal(failure.retryable, false);
    assert.equal(await echo('again'), 'again\n');
    await waitUntilGone(marker, 7_000);
  });

  test('100 MB of output leave the memory as it was', async () => {
    await gateway.exec('head -c 20000000 /dev/zero | tr "\\0" x');
    const before = process.memoryUsage().rss;
    const result = await gateway.exec('head -c 100000000 /dev/zero | tr "\\0" x; echo; echo the-end');
    const { stdout, stdout_original_length } = result.structuredContent as unknown as Output;
    assert.equal(stdout_original_length, 100_000_009);
    assert.ok(stdout.endsWith('the-end\n'));
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 50_000_000, `grew by ${grown} bytes`);
  });

  test('a connection takes as many sessions as sshd allows, and the rest wait', async () => {
    const results = await Promise.all(Array.from({ length: 60 }, (_, index) => echo(`n${index}`)));
    assert.deepEqual(
      results,
      Array.from({ length: 60 }, (_, index) => `n${index}\n`),
    );
  });

  test('after a restart of the host calls work again without one of the gateway', async () => {
    const { sshd } = gateway.node;
    await sshd.stop();
    await sshd.killSessions();
    const failure = failureOf(await gateway.exec('true'));
    assert.ok(['HOST_UNREACHABLE', 'CONNECTION_LOST'].includes(failure.code), failure.code);
    await sshd.start();
    const until = performance.now() + 15_000;
    while ((await gateway.exec('true')).isError === true) assert.ok(performance.now() < until);
  });
});

test('an sshd that allows few sessions is not asked for more', onStand, async () => {
  const gateway = await startRealGateway({ node: { maxSessions: 2 } });
  try {
    const results = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const result = await gateway.exec(`sleep 0.2; echo ${index}`);
        return (result.structuredContent as unknown as Output | undefined)?.stdout ?? failureOf(result).code;
      }),
    );
    assert.deepEqual(
      results,
      Array.from({ length: 12 }, (_, index) => `${index}\n`),
    );
  } finally {
    await gateway.close();
  }
});

test('another host key gets no login; the log of sshd shows no attempt', onStand, async () => {
  const gateway = await startRealGateway({ env: { SSH_HOST_KEY: `SHA256:${'A'.repeat(43)}` } });
  try {
    const failure = failureOf(await gateway.exec('true'));
    assert.equal(failure.code, 'HOST_KEY_REFUSED');
    assert.ok(failure.error.includes(gateway.node.sshd.fingerprint));
    assert.match(gateway.node.sshd.log(), /Disconnected from .* \[preauth\]/);
    assert.doesNotMatch(gateway.node.sshd.log(), /Accepted|Failed|userauth|authenticating user/i);
  } finally {
    await gateway.close();
  }
});

test('a host key that changes while the gateway runs is refused', onStand, async () => {
  const gateway = await startRealGateway();
  try {
    assert.notEqual((await gateway.exec('true')).isError, true);
    const fresh = await gateway.node.sshd.rotateHostKey();
    await gateway.node.sshd.killSessions();
    let failure = failureOf(await gateway.exec('true'));
    for (let i = 0; failure.code === 'CONNECTION_LOST' && i < 5; i++)
      failure = failureOf(await gateway.exec('true'));
    assert.equal(failure.code, 'HOST_KEY_REFUSED');
    assert.ok(failure.error.includes(fresh));
  } finally {
    await gateway.close();
  }
});
