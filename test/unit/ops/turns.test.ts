import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, GatewayError } from '../../../src/base/errors.ts';
import { createTurns } from '../../../src/ops/files/turns.ts';

const { signal } = new AbortController();
const failsWith = (code: ErrorCode) => (error: unknown) =>
  error instanceof GatewayError && error.code === code;

/** Lets everything that can go on now go on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('one at a time for a key, in the order of asking, and other keys beside it', async () => {
  const turns = createTurns();
  const heard: string[] = [];
  const first = await turns.take(100, signal);
  const waiting = ['b', 'c', 'd'].map(async (name) => {
    const leave = await turns.take(100, signal);
    heard.push(name);
    return leave;
  });
  const other = await turns.take(101, signal);
  await settled();
  assert.deepEqual(heard, []);
  first();
  for (const [index, turn] of waiting.entries()) {
    const leave = await turn;
    await settled();
    assert.deepEqual(heard, ['b', 'c', 'd'].slice(0, index + 1));
    leave();
  }
  other();
  (await turns.take(100, signal))();
});

test('leaving twice lets in nobody twice', async () => {
  const turns = createTurns();
  let inside = 0;
  const first = await turns.take(100, signal);
  const both = [turns.take(100, signal), turns.take(100, signal)].map((turn) => turn.then(() => inside++));
  first();
  first();
  await Promise.race(both);
  await settled();
  assert.equal(inside, 1);
});

test('who is cancelled while waiting is passed over, and who was cancelled before gets no turn', async () => {
  const turns = createTurns();
  const stop = new AbortController();
  const first = await turns.take(100, signal);
  const cancelled = assert.rejects(turns.take(100, stop.signal), failsWith('TRANSFER_CANCELLED'));
  const next = turns.take(100, signal);
  stop.abort();
  await cancelled;
  first();
  (await next)();
  await assert.rejects(turns.take(100, stop.signal), failsWith('TRANSFER_CANCELLED'));
  (await turns.take(100, signal))();
});

test('being cancelled with the turn in hand takes it from nobody else', async () => {
  const turns = createTurns();
  const stop = new AbortController();
  const first = await turns.take(100, signal);
  const second = turns.take(100, stop.signal);
  first();
  const leave = await second;
  let third = false;
  const waiting = turns.take(100, signal).then((done) => {
    third = true;
    return done;
  });
  stop.abort();
  await settled();
  assert.equal(third, false);
  leave();
  (await waiting)();
});

test('behind 64 others nobody waits, and there is room again when one has gone', async () => {
  const turns = createTurns();
  const stop = new AbortController();
  const first = await turns.take(100, signal);
  const waiting = Array.from({ length: 64 }, () => turns.take(100, stop.signal));
  await assert.rejects(turns.take(100, signal), failsWith('BUSY'));
  (await turns.take(101, signal))();
  first();
  await waiting[0];
  const late = turns.take(100, signal);
  stop.abort();
  const ends = await Promise.allSettled(waiting.slice(1));
  assert.ok(ends.every(({ status }) => status === 'rejected'));
  (await (waiting[0] ?? assert.fail()))();
  (await late)();
});
