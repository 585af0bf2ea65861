/** What docker and an orchestrator see of the gateway when it hangs, and when its host is away. */
import assert from 'node:assert/strict';
import { eventually, failureOf } from '../gateway/harness.ts';
import type { Product } from './product.ts';
import type { Check } from './report.ts';

export async function proveHealth(check: Check, product: Product): Promise<void> {
  const { stack } = product;
  const health = async () => (await stack.container('gateway')).State.Health?.Status;
  const becomes = (status: string, waitMs: number) =>
    eventually(async () => ((await health()) === status ? true : undefined), waitMs);
  const signal = (name: string) =>
    stack.inside(
      'gateway',
      `kill -${name} $(grep -lz '^dist/main.js$' /proc/[2-9]*/cmdline /proc/1?*/cmdline | cut -d/ -f3)`,
    );

  await check('docker calls it healthy within seconds of its start', async () => {
    await product.up({}, '--force-recreate');
    await becomes('healthy', 5_000);
  });
  await check('without its host it is not ready, but alive and healthy; then it recovers', async () => {
    await product.turnSshd('off');
    await product.ready(503);
    const { text } = await product.probe('/readyz');
    assert.match(text, /no connection to the host/);
    assert.equal((await product.probe('/livez')).status, 200);
    assert.match((await product.probe('/health')).text, /"status":"degraded".*"ssh_connected":false/);
    assert.equal(await health(), 'healthy');
    const caller = await product.connect('2026-07-28');
    assert.equal(failureOf(await caller.exec('true')).code, 'HOST_UNREACHABLE');
    await product.turnSshd('on');
    await product.ready();
    assert.equal(((await caller.exec('echo back')).structuredContent as { stdout: string }).stdout, 'back\n');
    await caller.close();
  });
  await check('a process that hangs becomes unhealthy, and healthy again when it goes on', async () => {
    const sinceMs = performance.now();
    assert.equal((await signal('STOP')).code, 0);
    try {
      await becomes('unhealthy', 60_000);
    } finally {
      await signal('CONT');
    }
    const seconds = Math.round((performance.now() - sinceMs) / 1000);
    await becomes('healthy', 20_000);
    await product.ready();
    return `unhealthy after ${seconds} s`;
  });
}
