import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Arrival, createArrival } from '../../../src/http/arrival.ts';
import { listen } from '../../../src/http/listen.ts';
import { eventually } from '../../gateway/harness.ts';
import { head, open, type RawConnection, statusesOf } from '../../gateway/raw-http.ts';
import { startStand } from './stand.ts';

const withinMs = 400;

type Handler = (request: IncomingMessage, response: ServerResponse, arrival: Arrival) => void;

/** A connection to a server of one handler, and what of its requests arrived whole. */
async function started(t: TestContext, handler: Handler): Promise<RawConnection & { arrived: string[] }> {
  const arrival = createArrival({ withinMs });
  const arrived: string[] = [];
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    maxConnections: 10,
    handler(request, response) {
      arrival.bound(request, response);
      request.on('error', () => {});
      request.on('end', () => arrived.push(request.url ?? ''));
      handler(request, response, arrival);
    },
  });
  t.after(() => listener.close(0));
  const connection = await open(listener.port);
  t.after(() => connection.socket.destroy());
  return Object.assign(connection, { arrived });
}

const answerAtEnd: Handler = (request, response) => {
  request.resume();
  request.on('end', () => response.end('whole'));
};

/** Sends a byte every 50 ms, until the test ends. */
function drip(t: TestContext, connection: RawConnection): void {
  const timer = setInterval(() => connection.send('x'), 50);
  t.after(() => clearInterval(timer));
}

async function closedAfter(connection: RawConnection): Promise<{ ms: number; received: string }> {
  const startedAt = performance.now();
  const received = await connection.untilClosed();
  return { ms: performance.now() - startedAt, received };
}

for (const [what, headers] of [
  ['with a length', { 'Content-Length': '1000' }],
  ['in chunks', { 'Transfer-Encoding': 'chunked' }],
] as const)
  test(`a body ${what} that is late is answered with 408, and the connection ends`, async (t) => {
    const connection = await started(t, answerAtEnd);
    connection.send(head('POST /a HTTP/1.1', headers));
    if ('Content-Length' in headers) drip(t, connection);
    else connection.send('5\r\nab');
    const { ms, received } = await closedAfter(connection);
    assert.ok(ms > withinMs - 60 && ms < withinMs + 1_000, `${ms} ms`);
    assert.deepEqual(statusesOf(received), [408]);
    assert.match(received, /application\/json[\s\S]*took too long to arrive/);
    assert.match(received, /^connection: close$/im);
    assert.deepEqual(connection.arrived, []);
  });

test('a body that dribbles on behind its answer is cut off', async (t) => {
  const connection = await started(t, (request, response) => {
    request.resume();
    response.end('no');
  });
  connection.send(head('POST /a HTTP/1.1', { 'Content-Length': '1000' }));
  await connection.until(/no$/);
  drip(t, connection);
  const { ms, received } = await closedAfter(connection);
  assert.ok(ms < withinMs + 1_000, `${ms} ms`);
  assert.deepEqual(statusesOf(received), [200]);
});

test('a body that dribbles on while its answer is under way cuts both', async (t) => {
  const connection = await started(t, (request, response) => {
    request.resume();
    response.write('part');
  });
  connection.send(head('POST /a HTTP/1.1', { 'Content-Length': '1000' }));
  drip(t, connection);
  const { received } = await closedAfter(connection);
  assert.deepEqual(statusesOf(received), [200]);
  assert.doesNotMatch(received, /\r\n0\r\n\r\n$/);
});

test('what arrives in time is left alone, however long its answer takes', async (t) => {
  const connection = await started(t, (request, response) => {
    request.resume();
    setTimeout(() => response.end('whole'), 2 * withinMs);
  });
  connection.send(`${head('POST /a HTTP/1.1', { 'Content-Length': '4' })}four`);
  await connection.until(/whole/);
  connection.send(`${head('POST /b HTTP/1.1', { 'Content-Length': '4', Connection: 'close' })}four`);
  assert.deepEqual(statusesOf(await connection.untilClosed()), [200, 200]);
  assert.deepEqual(connection.arrived, ['/a', '/b']);
});

test('a body that nobody reads has arrived all the same', async (t) => {
  const connection = await started(t, (_request, response) => {
    setTimeout(() => response.end('whole'), 2 * withinMs);
  });
  connection.send(`${head('POST /a HTTP/1.1', { 'Content-Length': '4', Connection: 'close' })}four`);
  assert.deepEqual(statusesOf(await connection.untilClosed()), [200]);
});

test('a request without a body has no time to keep', async (t) => {
  const connection = await started(t, (_request, response) => {
    setTimeout(() => response.end('whole'), 2 * withinMs);
  });
  connection.send(head('GET /a HTTP/1.1', { Connection: 'close' }));
  assert.deepEqual(statusesOf(await connection.untilClosed()), [200]);
});

test('a request that was let go of may take its time', async (t) => {
  const connection = await started(t, (request, response, arrival) => {
    arrival.release(request);
    answerAtEnd(request, response, arrival);
  });
  connection.send(`${head('POST /a HTTP/1.1', { 'Content-Length': '4', Connection: 'close' })}fo`);
  await pause(2 * withinMs);
  connection.send('ur');
  assert.deepEqual(statusesOf(await connection.untilClosed()), [200]);
});

test('the whole app is bounded so, whoever answers', async (t) => {
  const stand = await startStand(t, { arrivalMs: withinMs });
  const call = { 'Content-Length': '1000', Accept: 'application/json, text/event-stream' };
  for (const [path, headers, statuses] of [
    ['/mcp', call, [408]],
    ['/mcp', { ...call, Authorization: undefined }, [401]],
    ['/livez', call, [200]],
    ['/elsewhere', call, [404]],
    ['/transfers/', { ...call, Host: 'evil.example' }, [403]],
  ] as const) {
    const connection = await open(stand.port);
    const method = path === '/livez' ? 'GET' : 'POST';
    connection.send(`${head(`${method} ${path} HTTP/1.1`, headers)}{`);
    const { ms, received } = await closedAfter(connection);
    assert.ok(ms < withinMs + 1_000, `${path}: ${ms} ms`);
    assert.deepEqual(statusesOf(received), statuses, path);
  }
  assert.doesNotMatch(stand.log.join(''), /"level":"error"/);
});

test('an answer that is being sent is not mixed with one to bytes that are no request', async (t) => {
  const connection = await started(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 10 });
    response.write('half ');
  });
  connection.send(head('GET /a HTTP/1.1'));
  await connection.until(/half $/);
  connection.send('\x00 garbage\r\n\r\n');
  assert.match(await connection.untilClosed(), /half $/);
  const idle = await started(t, (_request, response) => void response.end('whole'));
  idle.send(head('GET /a HTTP/1.1'));
  await idle.until(/whole$/);
  await eventually(() => (idle.closed() ? undefined : true));
  idle.send('\x00 garbage\r\n\r\n');
  assert.deepEqual(statusesOf(await idle.untilClosed()), [200, 400]);
});
