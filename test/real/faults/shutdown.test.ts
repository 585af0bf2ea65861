/** The order to stop, while calls are under way on a real host. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type AuditLine, connectModern, eventually, textOf, token } from '../../gateway/harness.ts';
import { spawnGateway } from '../../gateway/process.ts';
import { newMarker, onStand } from '../harness.ts';
import { settingsOver, startFaultProxy } from '../stand/fault-proxy.ts';
import { type StandNode, startNode } from '../stand/node.ts';
import { findProcesses, waitUntilGone } from '../stand/processes.ts';

/** What the compose file gives it before it is killed. */
const graceMs = 15_000;

describe('the order to stop', { concurrency: true, ...onStand }, () => {
  let node: StandNode;
  before(async () => {
    node = await startNode();
  });
  after(() => node.close());

  const start = async (t: TestContext) => {
    const link = await startFaultProxy(node.sshd);
    const stateDir = await mkdtemp(join(tmpdir(), 'shutdown-'));
    const gateway = spawnGateway('serve', settingsOver(link, node.sshd, stateDir));
    t.after(async () => {
      await gateway.stop('SIGKILL');
      await link.close();
      await rm(stateDir, { recursive: true });
    });
    const url = await gateway.url();
    const client = await connectModern(url, token);
    /** What the client reads in the end; «cut» where it gets no answer. */
    const exec = (command: string, timeout: number) =>
      client
        .callTool({ name: 'proxmox_container_exec_command', arguments: { vmid: 100, command, timeout } })
        .then(textOf, () => 'cut');
    /** How the calls ended whose command holds the marker, in the order of their begin. */
    const outcomes = async (marker: string) => {
      const text = await readFile(join(stateDir, 'audit.jsonl'), 'utf8');
      const lines = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as AuditLine]));
      const begun = lines.filter((line) => line.event === 'begin' && JSON.stringify(line).includes(marker));
      return begun.map(
        ({ requestId }) =>
          lines.find((line) => line.event === 'finish' && line.requestId === requestId)?.outcome,
      );
    };
    return { gateway, link, url, exec, outcomes };
  };
  const runs = (marker: string, count = 1) =>
    eventually(async () => {
      const found = await findProcesses(marker);
      return found.filter(({ cmdline }) => cmdline.startsWith(marker)).length >= count || undefined;
    }, 10_000);

  test('what can end ends, the rest is killed on the host, all of it is recorded, and it exits 0', async (t) => {
    const { gateway, url, exec, outcomes } = await start(t);
    const marker = newMarker();
    const short = exec(`bash -c 'exec -a ${marker} sleep 3'; echo ended by itself`, 60);
    await runs(marker);
    const deaf = exec(`trap '' TERM; (exec -a ${marker} sleep 300) & exec -a ${marker} sleep 300`, 60);
    await runs(marker, 3);
    const orderedAt = performance.now();
    const stopped = gateway.stop('SIGTERM');
    await eventually(async () => {
      const answer = await fetch(new URL('/readyz', url)).catch(() => undefined);
      return answer === undefined || answer.status === 503 || undefined;
    }, 1_000);
    assert.equal(gateway.child.exitCode, null);
    assert.match(await exec('echo too late', 5), /^cut$|SHUTTING_DOWN/);
    assert.match(await short, /ended by itself/);
    assert.match(await deaf, /^cut$|CANCELLED/);
    assert.equal(await stopped, 0);
    assert.ok(performance.now() - orderedAt < graceMs);
    assert.deepEqual(await findProcesses(marker), []);
    assert.deepEqual(await outcomes(marker), ['ok', 'cancelled']);
  });

  test('a second order ends it at once, and the host ends the command', async (t) => {
    const { gateway, exec } = await start(t);
    const marker = newMarker();
    const call = exec(`trap '' TERM; exec -a ${marker} sleep 300`, 2);
    await runs(marker);
    gateway.child.kill('SIGTERM');
    await eventually(() => gateway.stderr().includes('shutting down') || undefined);
    const orderedAt = performance.now();
    assert.equal(await gateway.stop('SIGTERM'), 1);
    assert.ok(performance.now() - orderedAt < 2_000);
    assert.equal(await call, 'cut');
    // Its timeout, the grace of 5 s, and the guard's look every 5 s.
    await waitUntilGone(marker, 2_000 + 5_000 + 5_000 + 2_000);
  });

  test('a link that has fallen silent does not hold it up, and the outcome is recorded', async (t) => {
    const { gateway, link, exec, outcomes } = await start(t);
    const marker = newMarker();
    const call = exec(`exec -a ${marker} sleep 300`, 8);
    await runs(marker);
    link.freeze();
    gateway.child.kill('SIGTERM');
    assert.equal(await eventually(() => gateway.child.exitCode ?? undefined, graceMs), 0);
    await call;
    assert.deepEqual(await outcomes(marker), ['cancelled']);
  });
});
