/** A gateway whose event loop stands still: what the probes and the metrics say. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, startTestGateway, type TestGateway } from '../harness.ts';

describe('an event loop that stands still', () => {
  let gateway: TestGateway;
  const ready = async () => {
    const answer = await fetch(new URL('/readyz', gateway.url));
    return { status: answer.status, text: await answer.text() };
  };
  const lag = async () => {
    const text = await (await fetch(gateway.metricsUrl)).text();
    return Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1]);
  };
  /** The gateway lives in this process, so this is its loop. */
  const stall = (ms: number) => {
    for (const until = performance.now() + ms; performance.now() < until; );
  };
  before(async () => {
    gateway = await startTestGateway();
    await eventually(async () => ((await ready()).status === 200 ? true : undefined));
  });
  after(() => gateway.close());

  test('for more than a second it is unready, says why, counts it, and is ready again by itself', async () => {
    await lag();
    // The first delay after a scrape is not counted.
    await new Promise((resolve) => setTimeout(resolve, 100));
    stall(1_500);
    const { status, text } = await ready();
    assert.equal(status, 503);
    assert.match(text, /overloaded/);
    const seconds = await lag();
    assert.ok(seconds >= 1 && seconds < 10, `${seconds} s`);
    assert.equal((await fetch(new URL('/livez', gateway.url))).status, 200);
    await eventually(async () => ((await ready()).status === 200 ? true : undefined), 10_000);
  });

  test('for half a second it stays ready', async () => {
    stall(500);
    assert.equal((await ready()).status, 200);
  });
});
