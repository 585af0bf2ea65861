/** `docker compose stop` with calls under way: what they get, what is left on the node, what is recorded. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditLine, eventually, failureOf } from '../gateway/harness.ts';
import { type Caller, eras } from './client.ts';
import { newMarker, type Product } from './product.ts';
import type { Check } from './report.ts';

const graceMs = 15_000;

export async function proveStopping(check: Check, product: Product): Promise<void> {
  const { stack } = product;
  const callers = await Promise.all(eras.map((era) => product.connect(era)));
  const marker = newMarker();
  const answered = callers.map((caller) => caller.exec(`sleep 4; echo ${marker}`));
  const long = callers.map((caller) =>
    caller.exec(`(exec -a ${marker} sleep 300) & exec -a ${marker} sleep 300`, { timeout: 200 }),
  );
  let early = 0;
  for (const call of answered) void call.finally(() => early++).catch(() => {});
  const settled = Promise.allSettled([...answered, ...long]);
  await eventually(async () => ((await begun(product, marker)) === 4 ? true : undefined), 10_000);

  await eventually(async () => ((await product.runsOnNode(marker)) ? true : undefined));

  assert.equal(early, 0, 'all are under way still');
  // The container may have been stopped and started before.
  const stops = async () => (await stack.log('gateway')).split('shutting down').length;
  const before = await stops();
  const sinceMs = performance.now();
  const stopping = stack.compose(['stop', 'gateway']);
  await check('a call that comes meanwhile is refused', async () => {
    await eventually(async () => ((await stops()) > before ? true : undefined));
    await assert.rejects(product.connect('2026-07-28'));
  });
  await check('what ends by itself in time gets its answer, in both eras', async () => {
    for (const call of answered)
      assert.deepEqual((await call).structuredContent, {
        exit_code: 0,
        stdout: `${marker}\n`,
        stderr: '',
        success: true,
      });
  });
  await check('what does not gets an error that says what became of it, in both eras', async () => {
    for (const call of long) {
      const failure = failureOf(await call);
      assert.equal(failure.code, 'CANCELLED');
      assert.match(failure.error, /its command stopped/);
    }
  });
  await check('it ends with 0 within the time that compose gives', async () => {
    await stopping;
    const tookMs = performance.now() - sinceMs;
    const { State } = await stack.container('gateway');
    assert.equal(State.ExitCode, 0);
    assert.equal(State.OOMKilled, false);
    assert.ok(tookMs < graceMs, `${tookMs} ms`);
    return `${(tookMs / 1000).toFixed(1)} s of ${graceMs / 1000} s`;
  });
  await settled;
  await check('nothing of it is left on the node', async () => {
    assert.equal(await product.runsOnNode(marker), false);
  });
  await check('the record has the outcome of each call', () => proveRecord(product, marker));
  await Promise.allSettled(callers.map((caller: Caller) => caller.close()));
  await product.up();
}

/** The audit log of a gateway that may be down. */
export async function auditLines({ stack, folder }: Product): Promise<AuditLine[]> {
  const copy = join(folder, 'audit.jsonl');
  await stack.compose(['cp', 'gateway:/state/audit.jsonl', copy]);
  const lines = (await readFile(copy, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as AuditLine);
}

async function begun(product: Product, marker: string): Promise<number> {
  const all = await auditLines(product);
  return all.filter((line) => line.event === 'begin' && JSON.stringify(line).includes(marker)).length;
}

async function proveRecord(product: Product, marker: string): Promise<void> {
  const all = await auditLines(product);
  const begins = all.filter((line) => line.event === 'begin' && JSON.stringify(line).includes(marker));
  const outcomes = begins.map(({ requestId }) => {
    const ends = all.filter((line) => line.event === 'finish' && line.requestId === requestId);
    assert.equal(ends.length, 1, `${ends.length} outcomes of one call`);
    return String(ends[0]?.outcome);
  });
  assert.deepEqual(outcomes.toSorted(), ['cancelled', 'cancelled', 'ok', 'ok']);
}
