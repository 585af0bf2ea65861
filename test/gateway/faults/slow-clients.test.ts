/** Clients that send slowly, read slowly, or only hold on to their connection. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createBodyStore } from '../../../src/http/body.ts';
import { createExchanges, type ExchangeBounds } from '../../../src/http/exchange.ts';
import { listen } from '../../../src/http/listen.ts';
import { eventually, startTestGateway, type TestGateway, token } from '../harness.ts';
import { execTool, head, initialize, modernCall, open, post, statusesOf } from '../raw-http.ts';

describe('slow clients of a whole gateway', { concurrency: true }, () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({ env: { CHARACTER_LIMIT: '1000000' } });
  });
  after(() => gateway.close());

  for (const [what, start] of [
    ['sends nothing at all', ''],
    ['sends one byte of its headers every second', 'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: '],
  ] as const)
    test(`a client that ${what} is let go of after 15 to 20 s`, async () => {
      const startedAt = performance.now();
      const connection = await open(gateway.url.port);
      connection.send(start);
      const drip = start === '' ? undefined : setInterval(() => connection.send('a'), 1_000);
      try {
        const received = await connection.untilClosed(25_000);
        const seconds = (performance.now() - startedAt) / 1000;
        assert.ok(seconds > 14 && seconds < 21.5, `${seconds} s`);
        assert.deepEqual(statusesOf(received), [408]);
        assert.match(received, /application\/json[\s\S]*took too long/);
      } finally {
        clearInterval(drip);
        connection.socket.destroy();
      }
    });

  test('a body that comes slowly is waited for, while others are served', async () => {
    const connection = await open(gateway.url.port);
    const whole = post(initialize);
    const at = whole.length - initialize.length;
    connection.send(whole.slice(0, at));
    for (let sent = at; sent < whole.length; sent += 20) {
      connection.send(whole.slice(sent, sent + 20));
      const answer = await fetch(new URL('/livez', gateway.url));
      assert.equal(answer.status, 200);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.deepEqual(statusesOf(await connection.untilClosed()), [200]);
  });

  test('a client that leaves in the middle of its body leaves nothing behind', async () => {
    const { body, headers } = modernCall(execTool, { vmid: 100, command: 'echo half-a-body' });
    const connection = await open(gateway.url.port);
    connection.send(post(body, headers).slice(0, -1));
    await eventually(() => (connection.socket.writableLength === 0 ? true : undefined));
    connection.socket.destroy();
    assert.equal((await fetch(new URL('/livez', gateway.url))).status, 200);
    assert.ok(!gateway.lab.control.heard.some((line) => line.includes('half-a-body')));
    assert.doesNotMatch(gateway.log.join(''), /"level":"error"/);
  });

  test('an idle connection is kept for longer than proxies keep theirs, and says so', async () => {
    const connection = await open(gateway.url.port);
    connection.send('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    const answer = await connection.until(/alive/);
    const seconds = Number(/^keep-alive: timeout=(\d+)/im.exec(answer)?.[1]);
    assert.ok(seconds > 120, `${seconds} s`);
    connection.socket.destroy();
  });

  test('a client that reads nothing of much loses its connection and its calls', async () => {
    const session = await openOldSession(gateway);
    const call = (id: number, command: string) => ({
      ...{ jsonrpc: '2.0', id, method: 'tools/call' },
      params: { name: execTool, arguments: { vmid: 100, command, timeout: 300 } },
    });
    const flood = "head -c 900000 /dev/zero | tr '\\0' 'x'";
    const calls = Array.from({ length: 30 }, (_, id) => call(id, flood));
    const batch = JSON.stringify([call(99, 'sleep 287'), ...calls]);
    const connection = await open(gateway.url.port);
    connection.socket.pause();
    connection.send(post(batch, { 'mcp-session-id': session }));
    const finish = await eventually(async () => {
      const lines = await gateway.audit().catch(() => []);
      const begun = lines.find(
        ({ event, arguments: args }) =>
          event === 'begin' && (args as { command?: string }).command === 'sleep 287',
      );
      return lines.find(({ event, requestId }) => event === 'finish' && requestId === begun?.requestId);
    }, 60_000);
    assert.equal(finish.outcome, 'cancelled');
    const running = gateway.lab.node.processes.visibleFrom(gateway.lab.node.machine);
    assert.ok(!running.some(({ argv }) => argv.includes('287')));
    connection.socket.resume();
    const received = await connection.untilClosed(10_000);
    assert.doesNotMatch(received, /\r\n0\r\n\r\n$/);
    assert.ok(received.length < 30 * 900_000, `${received.length} bytes arrived all the same`);
  });
});

/** Of the one revision that knows batches: many answers on one response. */
async function openOldSession(gateway: TestGateway): Promise<string> {
  const answer = await fetch(gateway.url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: initialize.replace('2025-06-18', '2025-03-26'),
  });
  await answer.text();
  return answer.headers.get('mcp-session-id') ?? '';
}

/** A server whose answer is a stream that the test feeds. */
async function streaming(bounds: ExchangeBounds) {
  const store = createBodyStore({ maxBodyBytes: 1000, maxTotalBytes: 1000, maxRequests: 10 });
  const exchange = createExchanges({ store, bounds });
  const feeds: ReadableStreamDefaultController<Uint8Array>[] = [];
  const signals: AbortSignal[] = [];
  const responses: ServerResponse[] = [];
  const server = createServer((request, response) => {
    responses.push(response);
    void exchange({
      request,
      response,
      answer: async (incoming) => {
        signals.push(incoming.request.signal);
        return new Response(new ReadableStream({ start: (controller) => void feeds.push(controller) }));
      },
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const reader = async (reads: boolean) => {
    const at = feeds.length;
    const connection = await open(port);
    if (!reads) connection.socket.pause();
    connection.send(head('GET / HTTP/1.1'));
    const feed = await eventually(() => feeds[at]);
    return {
      connection,
      feed,
      signal: signals[at] as AbortSignal,
      response: responses[at] as ServerResponse,
    };
  };
  return { reader, close: () => server.close().closeAllConnections() };
}

const mebibyte = new Uint8Array(1024 * 1024);

/** More than any buffer of the system between the two takes. */
async function overfill(feed: ReadableStreamDefaultController<Uint8Array>, signal: AbortSignal) {
  for (let count = 0; count < 64 && !signal.aborted; count++) {
    feed.enqueue(mebibyte);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('what waits for a reader', () => {
  const usual = { maxWaitingBytes: 4 * mebibyte.length, maxTotalWaitingBytes: 1e9, stallMs: 60_000 };

  test('more than the bound ends the response, and is never kept', async (t) => {
    const server = await streaming(usual);
    t.after(server.close);
    const { feed, signal, response } = await server.reader(false);
    let most = 0;
    for (let count = 0; count < 64 && !signal.aborted; count++) {
      feed.enqueue(mebibyte);
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, response.writableLength);
    }
    await eventually(() => (signal.aborted ? true : undefined));
    assert.ok(response.destroyed);
    assert.ok(most <= usual.maxWaitingBytes + 2 * mebibyte.length, `${most} bytes waited`);
  });

  test('a client that reads gets all of it, however much', async (t) => {
    const server = await streaming(usual);
    t.after(server.close);
    const { feed, signal, connection, response } = await server.reader(true);
    for (let count = 0; count < 24; count++) {
      feed.enqueue(mebibyte);
      await eventually(() => (response.writableLength < mebibyte.length ? true : undefined));
    }
    feed.close();
    await connection.until(/\r\n0\r\n\r\n$/);
    assert.ok(connection.received().length > 24 * mebibyte.length);
    assert.equal(signal.aborted, false);
  });

  test('a message larger than the bound passes, for nothing waits before it', async (t) => {
    const server = await streaming({ ...usual, maxWaitingBytes: 1000 });
    t.after(server.close);
    const { feed, connection } = await server.reader(true);
    feed.enqueue(mebibyte);
    feed.close();
    assert.ok((await connection.until(/\r\n0\r\n\r\n$/)).length > mebibyte.length);
  });

  test('where all together leave too much, the one that leaves most goes', async (t) => {
    const total = 40 * mebibyte.length;
    const server = await streaming({ maxWaitingBytes: 1e9, maxTotalWaitingBytes: total, stallMs: 60_000 });
    t.after(server.close);
    const small = await server.reader(false);
    const large = await server.reader(false);
    for (let count = 0; count < 14; count++) small.feed.enqueue(mebibyte);
    await eventually(() => (small.response.writableLength > 0 ? true : undefined));
    await overfill(large.feed, large.signal);
    await eventually(() => (large.signal.aborted ? true : undefined));
    assert.equal(small.signal.aborted, false);
  });

  test('a client that takes nothing of what is left is let go of in time', async (t) => {
    const server = await streaming({ ...usual, maxWaitingBytes: 1e9, stallMs: 500 });
    t.after(server.close);
    const idle = await server.reader(false);
    const stalled = await server.reader(false);
    await overfill(stalled.feed, new AbortController().signal);
    stalled.feed.close();
    await eventually(() => (stalled.response.destroyed ? true : undefined));
    assert.equal(idle.signal.aborted, false, 'one for whom nothing waits is left alone');
  });
});

test('a listener has the bounds that it promises', async () => {
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    maxConnections: 3,
    handler: (_request, response) => void response.end('served'),
  });
  try {
    const held = await Promise.all([open(listener.port), open(listener.port), open(listener.port)]);
    await eventually(() => (held.every(({ socket }) => socket.readyState === 'open') ? true : undefined));
    const surplus = await open(listener.port);
    surplus.send(head('GET / HTTP/1.1'));
    assert.equal(await surplus.untilClosed(), '');
    held[0]?.socket.destroy();
    const served = await eventually(async () => {
      const connection = await open(listener.port);
      connection.send(head('GET / HTTP/1.1', { Connection: 'close' }));
      const received = await connection.untilClosed();
      return received === '' ? undefined : received;
    });
    assert.match(served, /served$/);
    for (const { socket } of held) socket.destroy();
  } finally {
    await listener.close(0);
  }
});
