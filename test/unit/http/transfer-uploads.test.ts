/** Uploads as they arrive: bounded, whole or failed, and answered although the client is still sending. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { failure, type GatewayError } from '../../../src/base/errors.ts';
import { eventually } from '../../gateway/harness.ts';
import { exchange, open, type RawConnection, statusesOf } from '../../gateway/raw-http.ts';
import { lastAnswer, readAll, type Stand, sha256, sourceOf, startStand, transferHead } from './stand.ts';

const mebibyte = 1024 * 1024;

/** A connection on which an upload has begun. */
async function begin(
  t: TestContext,
  stand: Stand,
  headers: Record<string, string>,
  path = stand.issue(),
): Promise<RawConnection> {
  const connection = await open(stand.port);
  t.after(() => connection.socket.destroy());
  connection.send(transferHead('PUT', path, headers));
  return connection;
}

async function answer(stand: Stand): Promise<Stand['answers'][number]> {
  return await eventually(() => stand.answers[0]);
}

function chunked(bytes: Buffer | string): string {
  const text = bytes.toString('latin1');
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

test('the bytes arrive as they were sent, with their size or chunked', async (t) => {
  const stand = await startStand(t);
  const content = randomBytes(3 * mebibyte + 17);
  for (const streamed of [false, true]) {
    const body = streamed ? new Blob([content]).stream() : content;
    const url = `http://127.0.0.1:${stand.port}${stand.issue()}`;
    const response = await fetch(url, { method: 'PUT', body, duplex: 'half' } as RequestInit);
    assert.equal(response.status, 201);
    const size = streamed ? null : content.length;
    const expected = { success: true, size, bytes: content.length, sha256: sha256(content) };
    assert.deepEqual(await response.json(), expected);
  }
});

test('a connection serves the next request behind an upload', async (t) => {
  const stand = await startStand(t);
  const connection = await begin(t, stand, { 'Content-Length': '4' });
  connection.send('four');
  await connection.until(/201 Created[\s\S]*\}$/);
  connection.send(transferHead('PUT', stand.issue(), { 'Content-Length': '4', Connection: 'close' }));
  connection.send('five');
  assert.deepEqual(statusesOf(await connection.untilClosed()), [201, 201]);
});

test('nothing is read faster than it is taken', async (t) => {
  const gates: (() => void)[] = [];
  const stand = await startStand(t, {
    async work(call) {
      await new Promise<void>((resolve) => gates.push(resolve));
      return await readAll(call);
    },
  });
  const content = randomBytes(24 * mebibyte);
  const connection = await begin(t, stand, { 'Content-Length': String(content.length) });
  connection.send(content);
  await eventually(() => gates[0]);
  let left = -1;
  const settled = await eventually(() => {
    const same = left === connection.socket.writableLength ? left : undefined;
    left = connection.socket.writableLength;
    return same;
  });
  assert.ok(settled > 0, 'the client could send all of it before any was taken');
  gates[0]?.();
  await connection.until(/201 Created[\s\S]*\}$/, 15_000);
  assert.equal(lastAnswer(connection.received()).json.sha256, sha256(content));
});

test('a chunked upload with more than was allowed fails, and its excess is never handed on', async (t) => {
  let handed = 0;
  const stand = await startStand(t, {
    async work(call) {
      assert.equal(sourceOf(call).size, undefined);
      for await (const chunk of sourceOf(call).chunks) handed += chunk.length;
      return {};
    },
  });
  for (const [bytes, status] of [
    [1000, 201],
    [1001, 413],
    [700_000, 413],
  ] as const) {
    handed = 0;
    const headers = { 'Transfer-Encoding': 'chunked', Connection: 'close' };
    const connection = await begin(t, stand, headers, stand.issue({ maxBytes: 1000 }));
    for (let sent = 0; sent < bytes; sent += 10_000)
      connection.send(chunked(Buffer.alloc(Math.min(10_000, bytes - sent), 'x')));
    connection.send('0\r\n\r\n');
    const { status: got, json } = lastAnswer(await connection.untilClosed());
    assert.equal(got, status, `${bytes}`);
    if (status === 413) assert.equal(json.code, 'TOO_LARGE');
    assert.ok(handed <= 1000, `${handed}`);
  }
});

for (const [how, headers, body] of [
  ['with a size', { 'Content-Length': '100' }, 'half of it'],
  ['chunked', { 'Transfer-Encoding': 'chunked' }, chunked('half of it')],
  ['chunked, but for the last mark', { 'Transfer-Encoding': 'chunked' }, `${chunked('all of it')}0\r\n`],
] as const)
  for (const way of ['destroy', 'reset', 'end'] as const)
    test(`an upload that stops in the middle fails and never ends: ${how}, ${way}`, async (t) => {
      const stand = await startStand(t);
      const connection = await begin(t, stand, headers);
      connection.send(body);
      await eventually(() =>
        stand.calls.length > 0 && connection.socket.writableLength === 0 ? true : undefined,
      );
      if (way === 'reset') connection.socket.resetAndDestroy();
      else if (way === 'end') connection.socket.end();
      else connection.socket.destroy();
      const ended = await answer(stand);
      assert.ok(ended.kind === 'error');
      assert.equal(ended.error.code, 'TRANSFER_CANCELLED');
      assert.equal(stand.calls[0]?.signal.aborted, true);
      assert.doesNotMatch(connection.received(), /20\d /);
      assert.doesNotMatch(stand.log.join(''), /"level":"error"/);
    });

test('a client that leaves while the last step is under way aborts the call', async (t) => {
  const stand = await startStand(t, {
    async work(call) {
      await readAll(call);
      await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
      throw failure('TRANSFER_CANCELLED', {});
    },
  });
  const connection = await begin(t, stand, { 'Content-Length': '4' });
  connection.send('four');
  await eventually(() => stand.calls[0]);
  connection.socket.destroy();
  await answer(stand);
  assert.equal(stand.calls[0]?.signal.aborted, true);
});

test('a call that succeeds was not aborted, nor is it afterwards', async (t) => {
  const stand = await startStand(t);
  const connection = await begin(t, stand, { 'Content-Length': '4' });
  connection.send('four');
  await connection.until(/201 Created[\s\S]*\}$/);
  connection.socket.destroy();
  await eventually(() => (connection.closed() ? true : undefined));
  assert.equal(
    (await exchange(stand.port, transferHead('GET', '/livez', { Connection: 'close' }))).length > 0,
    true,
  );
  assert.equal(stand.calls[0]?.signal.aborted, false);
});

for (const before of ['', 'some'])
  test(`an upload that stalls ${before === '' ? 'at once' : 'in the middle'} is answered with 408`, async (t) => {
    const stand = await startStand(t, { stallMs: 300 });
    const connection = await begin(t, stand, { 'Content-Length': '100' });
    connection.send(before);
    const { status, json } = lastAnswer(await connection.untilClosed());
    assert.equal(status, 408);
    assert.equal(json.code, 'TRANSFER_INTERRUPTED');
    assert.match(String(json.suggestion), /new URL/);
  });

test('an upload that comes slowly but steadily is taken, and so is one for which the host is slow', async (t) => {
  const stand = await startStand(t, {
    stallMs: 400,
    async work(call) {
      let bytes = 0;
      for await (const chunk of sourceOf(call).chunks) {
        if (bytes === 0) await new Promise((resolve) => setTimeout(resolve, 900));
        bytes += chunk.length;
      }
      return { bytes };
    },
  });
  const connection = await begin(t, stand, { 'Content-Length': '10', Connection: 'close' });
  for (let sent = 0; sent < 10; sent++) {
    connection.send('x');
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  const { status, json } = lastAnswer(await connection.untilClosed());
  assert.deepEqual([status, json.bytes], [201, 10]);
});

test('an upload has no time to arrive in but its own bounds', async (t) => {
  const stand = await startStand(t, { arrivalMs: 200 });
  const connection = await begin(t, stand, { 'Content-Length': '10', Connection: 'close' });
  connection.send('xxxxx');
  await new Promise((resolve) => setTimeout(resolve, 600));
  connection.send('xxxxx');
  assert.equal(lastAnswer(await connection.untilClosed()).status, 201);
});

test('100 Continue is sent when the first bytes are wanted, and not before', async (t) => {
  const gates: (() => void)[] = [];
  const stand = await startStand(t, {
    async work(call) {
      await new Promise<void>((resolve) => gates.push(resolve));
      return await readAll(call);
    },
  });
  const headers = { 'Content-Length': '4', Expect: '100-continue', Connection: 'close' };
  const connection = await begin(t, stand, headers);
  await eventually(() => gates[0]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(connection.received(), '');
  gates[0]?.();
  await connection.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  connection.send('four');
  assert.deepEqual(statusesOf(await connection.untilClosed()), [100, 201]);
});

test('100 Continue is not sent where the upload is refused, by the ticket or by the gate', async (t) => {
  const stand = await startStand(t, {
    work: () => Promise.reject(failure('FILE_EXISTS', { where: 'there' })),
  });
  const headers = { 'Content-Length': '4', Expect: '100-continue' };
  for (const [path, status] of [
    ['/transfers/x', 404],
    ['/transfers/', 404],
    [stand.issue({ maxBytes: 3 }), 413],
    [stand.issue(), 409],
  ] as const) {
    const connection = await begin(t, stand, headers, path);
    const received = await connection.untilClosed();
    assert.deepEqual(statusesOf(received), [status], path);
    assert.match(received, /^connection: close$/im);
  }
});

test('nothing is continued that nobody expects, and other paths are continued as ever', async (t) => {
  const stand = await startStand(t);
  const plain = await begin(t, stand, { 'Content-Length': '4', Connection: 'close' });
  plain.send('four');
  assert.deepEqual(statusesOf(await plain.untilClosed()), [201]);
  const other = await begin(t, stand, { 'Content-Length': '4', Expect: '100-continue' }, '/elsewhere');
  await other.until(/404 Not Found/);
  assert.deepEqual(statusesOf(other.received()), [100, 404]);
  const strange = await begin(t, stand, { 'Content-Length': '4', Expect: 'miracles' });
  await strange.until(/^HTTP\/1\.1 417/);
});

test('a client that is still sending gets its refusal, and is then let go of', async (t) => {
  const stand = await startStand(t, {
    work: () => Promise.reject(failure('FILE_EXISTS', { where: 'there' })),
  });
  for (const [path, status] of [
    [stand.issue(), 409],
    [stand.issue({ principal: 'carol' }), 403],
  ] as const) {
    const connection = await begin(t, stand, { 'Content-Length': String(8 * mebibyte) }, path);
    connection.send(Buffer.alloc(6 * mebibyte));
    const received = await connection.until(/\r\n\r\n\{.*\}$/);
    const { status: got, head, json } = lastAnswer(received);
    assert.equal(got, status);
    assert.match(head, /^connection: close$/im);
    assert.equal(json.success, false);
    await eventually(() => (connection.socket.writableLength === 0 ? true : undefined));
    const startedAt = performance.now();
    await connection.untilClosed();
    const ms = performance.now() - startedAt;
    assert.ok(ms < 2_500, `${ms} ms`);
  }
});

test('what a refused client goes on sending is dropped up to a bound', async (t) => {
  const stand = await startStand(t);
  const connection = await begin(t, stand, { 'Content-Length': String(1000 * mebibyte) });
  connection.socket.allowHalfOpen = true;
  await connection.until(/413/);
  const startedAt = performance.now();
  const block = Buffer.alloc(mebibyte);
  let sent = 0;
  for (let fault: unknown; !fault; sent += block.length)
    fault = await new Promise((resolve) => connection.socket.write(block, resolve));
  await connection.untilClosed();
  const ms = performance.now() - startedAt;
  assert.ok(sent < 64 * mebibyte, `${sent} bytes were taken`);
  assert.ok(ms < 4_000, `${ms} ms`);
});

test('a refused client that goes on sending a little is let go of in time', async (t) => {
  const stand = await startStand(t);
  const connection = await begin(t, stand, { 'Content-Length': String(1000 * mebibyte) });
  connection.socket.allowHalfOpen = true;
  await connection.until(/413/);
  const startedAt = performance.now();
  const drip = setInterval(() => connection.send('x'), 100);
  t.after(() => clearInterval(drip));
  await connection.untilClosed();
  const ms = performance.now() - startedAt;
  assert.ok(ms > 1_000 && ms < 3_000, `${ms} ms`);
});

test('a reading that is given up while it waits ends at once, and the failure is the one of the call', async (t) => {
  const stand = await startStand(t, {
    async work(call) {
      const reading = sourceOf(call).chunks[Symbol.asyncIterator]();
      const waiting = reading.next();
      await reading.return?.();
      await assert.rejects(waiting, { code: 'TRANSFER_INTERRUPTED' });
      throw failure('NO_SPACE', { where: 'there' });
    },
  });
  const connection = await begin(t, stand, { 'Content-Length': '4' });
  const { status, json } = lastAnswer(await connection.untilClosed());
  assert.deepEqual([status, json.code], [507, 'NO_SPACE']);
});

const outcomes: readonly (readonly [GatewayError, number])[] = [
  [failure('INVALID_ARGUMENT', { problem: 'x' }), 400],
  [failure('CHECKSUM_MISMATCH', { sha256: 'x' }), 400],
  [failure('SIZE_MISMATCH', { announced: 1, sent: 2 }), 400],
  [failure('PERMISSION_DENIED', { reason: 'x' }), 403],
  [failure('CONTAINER_NOT_FOUND', { vmid: 1 }), 404],
  [failure('FILE_NOT_FOUND', { where: 'x' }), 404],
  [failure('FILE_EXISTS', { where: 'x' }), 409],
  [failure('IS_DIRECTORY', { where: 'x' }), 409],
  [failure('FILE_CHANGED', { path: 'x' }), 409],
  [failure('CONTAINER_NOT_RUNNING', { vmid: 1 }), 409],
  [failure('CONTAINER_LOCKED', { vmid: 1, lock: 'x' }), 409],
  [failure('TOO_LARGE', { what: 'x', maxBytes: 1, setting: 'x' }), 413],
  [failure('BUSY', { what: 'x', retryInS: 5 }), 429],
  [failure('HOST_UNREACHABLE', { host: 'x', problem: 'x' }), 502],
  [failure('CONNECTION_LOST', { host: 'x' }), 502],
  [failure('AUDIT_UNAVAILABLE', {}), 503],
  [failure('SHUTTING_DOWN', {}), 503],
  [failure('TRANSFER_TIMEOUT', { timeoutS: 1 }), 504],
  [failure('NO_SPACE', { where: 'x' }), 507],
  [failure('INTERNAL', { requestId: 'x' }), 500],
];

test('a failed call says what a tool result would say, with a status that fits', async (t) => {
  const [[evident]] = outcomes as [[GatewayError, number]];
  let error = evident;
  const stand = await startStand(t, { work: () => Promise.reject(error) });
  for (const [failed, status] of outcomes) {
    error = failed;
    const connection = await begin(t, stand, { 'Content-Length': '0', Connection: 'close' });
    const { status: got, head, json } = lastAnswer(await connection.untilClosed());
    assert.equal(got, status, failed.code);
    // To send it again to the same URL leads to nothing.
    assert.doesNotMatch(head, /^retry-after/im);
    const { code, outcome, retryable } = failed;
    const { error: text, suggestion, ...facts } = json;
    assert.deepEqual(facts, { success: false, code, outcome, retryable });
    assert.ok(String(text).startsWith(failed.message));
    assert.ok(String(suggestion).startsWith(failed.advice) && /new URL/.test(String(suggestion)));
  }
});
