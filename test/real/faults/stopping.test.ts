/** Cancelling at any moment, over a link that is slow or gone; test/real/stopping.test.ts has the rest. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type AuditLine, eventually } from '../../gateway/harness.ts';
import { newMarker, onStand, type RealGateway, startRealGateway } from '../harness.ts';
import { type FaultProxy, startFaultProxy } from '../stand/fault-proxy.ts';
import { findProcesses, waitUntilGone } from '../stand/processes.ts';

describe('cancelling over a bad link', onStand, () => {
  let link: FaultProxy;
  let gateway: RealGateway;
  before(async () => {
    link = await startFaultProxy();
    gateway = await startRealGateway({ env: { SSH_PORT: String(link.port) } });
    link.leadTo(gateway.node.sshd);
    await eventually(async () => (await fetch(new URL('/readyz', gateway.url))).ok || undefined, 10_000);
  });
  after(async () => {
    link.delay(0);
    await gateway.close();
    await link.close();
  });

  /** How the calls ended whose command holds the marker; waits until every one has. */
  const outcomes = (marker: string) =>
    eventually(async () => {
      const lines = (await gateway.audit())
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as AuditLine]));
      const begun = lines.filter((line) => line.event === 'begin' && JSON.stringify(line).includes(marker));
      const ended = begun.map(({ requestId }) =>
        lines.find((line) => line.event === 'finish' && line.requestId === requestId),
      );
      return ended.every((line) => line !== undefined) ? ended.map(({ outcome }) => outcome) : undefined;
    }, 10_000);

  const runs = (marker: string, count: number) =>
    eventually(async () => {
      const found = await findProcesses(marker);
      return found.filter(({ cmdline }) => cmdline.startsWith(marker)).length >= count || undefined;
    }, 10_000);

  test('at any moment of its start, over a link 100 ms long: nothing is left after 2 s', async () => {
    assert.notEqual((await gateway.exec('true')).isError, true);
    link.delay(100);
    const marker = newMarker();
    const cancelled = Array.from({ length: 12 }, async (_, index) => {
      const stop = new AbortController();
      const call = gateway.exec(`exec -a ${marker} sleep 60`, {}, stop.signal);
      const ended = assert.rejects(call);
      await pause(index * 125);
      stop.abort();
      await ended;
    });
    await Promise.all(cancelled);
    await waitUntilGone(marker, 2_000);
    const ends = await outcomes(marker);
    assert.ok(ends.length >= 3, `only ${ends.length} of 12 had begun`);
    assert.deepEqual(new Set(ends), new Set(['cancelled']));
    await waitUntilGone(marker, 0);
    link.delay(0);
  });

  test('a client whose connection is torn down counts as one that cancelled', async () => {
    const marker = newMarker();
    const client = await gateway.legacy();
    const command = `(exec -a ${marker} sleep 60) & exec -a ${marker} sleep 60`;
    const ended = client
      .callTool({ name: 'proxmox_container_exec_command', arguments: { vmid: 100, command } })
      .catch(() => 'ended');
    await runs(marker, 2);
    await client.close();
    assert.equal(await ended, 'ended');
    await waitUntilGone(marker, 2_000);
    assert.deepEqual(await outcomes(marker), ['cancelled']);
  });

  test('when the link goes at the same moment, the call ends all the same, and is recorded', async () => {
    const marker = newMarker();
    const stop = new AbortController();
    const ended = assert.rejects(gateway.exec(`exec -a ${marker} sleep 60`, { timeout: 1 }, stop.signal));
    await runs(marker, 1);
    link.reset();
    stop.abort();
    await ended;
    assert.equal((await outcomes(marker)).length, 1);
  });
});
