import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { watchEventLoop } from '../../../src/observe/event-loop.ts';

function watch(t: TestContext) {
  const loop = watchEventLoop();
  t.after(() => loop.close());
  return loop;
}

/** Keeps the process from attending to anything else. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('a process that could not attend to anything shows it at once', (t) => {
  const loop = watch(t);
  block(600);
  assert.ok(loop.recentDelayMs() >= 340, `${loop.recentDelayMs()} ms`);
});

test('and still shows it when it attends again', async (t) => {
  const loop = watch(t);
  block(600);
  await pause(600);
  assert.ok(loop.recentDelayMs() >= 340, `${loop.recentDelayMs()} ms`);
});

test('a delay is never negative, and reading it changes nothing', (t) => {
  const loop = watch(t);
  assert.ok(loop.recentDelayMs() >= 0);
  block(400);
  const first = loop.recentDelayMs();
  assert.ok(loop.recentDelayMs() >= first);
});
