/** Nodes that are slow, cut answers off, send too much or speak for others that are away. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { give, type Handler, refuse } from './https-server.ts';
import { client, endWorlds, failing, get, post, standIn, world } from './world.ts';

/** Short where it is meant to run out; a handshake or a pause of this process must not end a call. */
const patience = { connectMs: 5_000, headersMs: 200, stallMs: 200, idleMs: 500 };
const silent: Handler = () => {};

/** The beginning of an answer, and nothing more. */
function begin(response: ServerResponse, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.write(text);
}

/** The first answers in their order, then the last one for ever. */
function inTurn(...handlers: readonly Handler[]): Handler {
  let next = 0;
  return (heard, response) => handlers[Math.min(next++, handlers.length - 1)]?.(heard, response);
}

const status =
  (code: number): Handler =>
  (_, response) =>
    refuse(response, code, 'Broken pipe');
const fine: Handler = (_, response) => give(response, 'fine');
const cut: Handler = (_, response) => void response.socket?.destroy();

afterEach(endWorlds);

describe('slow', () => {
  test('to connect: given up, and nothing was sent', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket.on('error', () => {})));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const pve = client({
      endpoints: [{ host: '127.0.0.1', port: address.port }],
      patience: { ...patience, connectMs: 150 },
    });
    const error = await failing('API_UNREACHABLE', post(pve));
    assert.match(error.message, /did not answer in time/);
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  test('to begin its answer: read in vain, and unknown where it was to change', async () => {
    const { node, pve } = await world(silent, { patience });
    const error = await failing('API_OUTCOME_UNKNOWN', post(pve));
    assert.match(error.message, /asked to start VM 100.*it took too long/);
    assert.equal(node.heard.length, 1);
    assert.match((await failing('API_NO_ANSWER', get(pve))).message, /it took too long/);
  });

  test('to go on with its answer', async () => {
    const { pve } = await world((_, response) => begin(response, '{"da'), { patience });
    assert.match((await failing('API_OUTCOME_UNKNOWN', post(pve))).message, /stopped halfway/);
  });

  test('but steady: an answer that comes in pieces may take longer than each of them', async () => {
    const { pve } = await world(
      async (_, response) => {
        begin(response, '{"data":"');
        for (let piece = 0; piece < 6; piece++) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          response.write('x');
        }
        response.end('"}');
      },
      { patience: { ...patience, headersMs: 5_000, stallMs: 240 } },
    );
    assert.equal(await get(pve), 'xxxxxx');
  });

  test('but whole: an answer in a thousand pieces is put together, and bounded as any other', async () => {
    const { pve } = await world((_, response) => {
      begin(response, '{"data":"');
      for (let piece = 0; piece < 1_000; piece++) response.write(`${piece}é`.padStart(97, '.'));
      response.end('"}');
    });
    const whole = Array.from({ length: 1_000 }, (_none, piece) => `${piece}é`.padStart(97, '.')).join('');
    assert.equal(await get(pve), whole);
    await failing('API_ANSWER_TOO_LARGE', get(pve, { maxBytes: 90_000 }));
  });

  test('in all: the whole call has an end', async () => {
    // The handshake counts: it must have happened.
    const { node, pve } = await world(inTurn(fine, silent, silent));
    await get(pve);
    const read = await failing('API_NO_ANSWER', get(pve, { timeoutMs: 500 }));
    assert.match(read.message, /it took longer than 0\.5 s/);
    await failing('API_OUTCOME_UNKNOWN', post(pve, { timeoutMs: 1_000 }));
    assert.equal(node.heard.length, 3);
    assert.deepEqual(pve.status(), { reachable: false, problem: 'API_OUTCOME_UNKNOWN' });
  });
});

describe('cut off', () => {
  test('halfway: read again, and unknown where it was to change', async () => {
    const halfway: Handler = (_, response) => {
      begin(response, '{"data":', { 'content-length': '100' });
      setTimeout(() => response.socket?.destroy(), 10);
    };
    const { node, pve } = await world(inTurn(halfway, fine));
    assert.equal(await get(pve), 'fine');
    assert.equal(node.heard.length, 2);
    node.handler = halfway;
    assert.match((await failing('API_OUTCOME_UNKNOWN', post(pve))).message, /broke off/);
    assert.equal(node.heard.length, 3);
  });

  test('before the answer: a change is not sent again', async () => {
    const { node, pve } = await world(cut);
    for (const method of ['POST', 'PUT', 'DELETE'] as const)
      await failing('API_OUTCOME_UNKNOWN', post(pve, { method }));
    assert.equal(node.heard.length, 3);
  });

  test('a connection kept alive that the node has closed: read again at once, and unknown for a change', async () => {
    const { node, pve } = await world(inTurn(fine, cut, fine, cut));
    assert.equal(await get(pve), 'fine');
    assert.equal(await get(pve), 'fine');
    assert.deepEqual(
      node.heard.map(({ connection }) => connection),
      [1, 1, 2],
    );
    await failing('API_OUTCOME_UNKNOWN', post(pve));
    assert.equal(node.heard.length, 4);
  });

  test('all connections kept alive: they are given up together', async () => {
    const { node, pve } = await world(async (_, response) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      give(response, 'fine');
    });
    await Promise.all(Array.from({ length: 5 }, () => get(pve)));
    assert.equal(node.connections, 5);
    node.handler = (heard, response) => (heard.connection <= 5 ? cut : fine)(heard, response);
    assert.equal(await get(pve), 'fine');
    assert.equal(node.heard.length, 7);
  });

  test('with something that is not HTTP', async () => {
    const { pve } = await world((_, response) => void response.socket?.end('nonsense\r\n\r\n'));
    await failing('API_OUTCOME_UNKNOWN', post(pve));
  });
});

describe('too much', () => {
  const flood = (chunked: boolean): Handler => {
    return (_, response) => {
      const text = `{"data":"${'x'.repeat(200_000)}"}`;
      if (!chunked) response.setHeader('content-length', text.length);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(text);
    };
  };

  test('is not read, announced or not, and ends the connection', async () => {
    for (const chunked of [true, false]) {
      const { node, pve } = await world(flood(chunked));
      const error = await failing('API_ANSWER_TOO_LARGE', get(pve, { maxBytes: 1000 }));
      assert.match(error.message, /larger than the 1000 bytes/);
      await failing('API_OUTCOME_UNKNOWN', post(pve, { maxBytes: 1000 }));
      assert.equal(node.connections, 2);
      assert.deepEqual(pve.status(), { reachable: true });
    }
  });

  test('up to the last byte it is read', async () => {
    const { pve } = await world(flood(true));
    assert.equal(String(await get(pve, { maxBytes: 200_011 })).length, 200_000);
    await failing('API_ANSWER_TOO_LARGE', get(pve, { maxBytes: 200_010 }));
  });
});

describe('speaking for others that are away', () => {
  const spokenFor = async (code: number) => {
    const { node, pve } = await world(inTurn(status(code), status(code), fine));
    assert.equal(await get(pve), 'fine');
    assert.equal(node.heard.length, 3);
    node.handler = status(code);
    const change = await failing(code === 595 ? 'API_UNREACHABLE' : 'API_OUTCOME_UNKNOWN', post(pve));
    assert.ok(change.message.includes(String(code)), change.message);
    assert.equal(change.evidence.stderr, 'Broken pipe');
    assert.equal(node.heard.length, 4);
    assert.equal(pve.status().reachable, code > 590);
    const error = await failing('API_NO_ANSWER', get(pve));
    assert.ok(error.retryable);
    assert.ok(error.message.includes(String(code)), error.message);
    assert.equal(error.evidence.stderr, 'Broken pipe');
    assert.equal(node.heard.length, 7);
  };

  test('what reads is sent three times, what changes once', async () => {
    await Promise.all([595, 596, 597, 599, 502, 503, 504].map(spokenFor));
  });

  test('other failures are not asked for again', async () => {
    for (const code of [400, 403, 404, 500, 501]) {
      const { node, pve } = await world(status(code));
      await assert.rejects(get(pve));
      assert.equal(node.heard.length, 1, String(code));
    }
  });
});

describe('a call that is cancelled', () => {
  const reason = { signal: AbortSignal.abort() };

  test('before it began is not sent', async () => {
    const { node, pve } = await world(fine);
    await failing('CANCELLED_EARLY', post(pve, reason));
    await failing('CANCELLED_EARLY', get(pve, reason));
    assert.equal(node.heard.length, 0);
  });

  test('when it was sent leaves what it changes unknown, and what it reads as it was', async () => {
    const { node, pve } = await world(silent);
    for (const [call, code] of [
      [post, 'API_OUTCOME_UNKNOWN'],
      [get, 'CANCELLED_EARLY'],
    ] as const) {
      const controller = new AbortController();
      node.handler = () => controller.abort();
      await failing(code, call(pve, { signal: controller.signal }));
    }
    assert.equal(node.connections, 2, 'its connection serves no other call');
  });

  test('while it waits to be sent again', async () => {
    const controller = new AbortController();
    const { node, pve } = await world((heard, response) => {
      status(596)(heard, response);
      setTimeout(() => controller.abort(), 20);
    });
    await failing('CANCELLED_EARLY', get(pve, { signal: controller.signal }));
    assert.equal(node.heard.length, 1);
  });
});

test('a connection is used again, and not when it was idle for long', async () => {
  const { node, pve } = await world(fine, { patience: { ...patience, headersMs: 5_000, stallMs: 5_000 } });
  await get(pve);
  await get(pve);
  assert.equal(node.connections, 1);
  await new Promise((resolve) => setTimeout(resolve, 700));
  await get(pve);
  assert.equal(node.connections, 2);
});

test('how calls end is heard, by host and code', async () => {
  const heard: unknown[] = [];
  const node = await standIn(inTurn(fine, status(500)));
  const pve = client({ endpoints: [node], onCall: (host, problem) => void heard.push([host, problem]) });
  await get(pve);
  await assert.rejects(get(pve));
  const host = `127.0.0.1:${node.port}`;
  assert.deepEqual(heard, [
    [host, undefined],
    [host, 'API_REFUSED'],
  ]);
});
