/** Headers and bodies that are larger than they may be, or than they say. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, startTestGateway, type TestGateway } from '../harness.ts';
import {
  bodyOf,
  exchange,
  execTool,
  head,
  initialize,
  modernCall,
  open,
  post,
  statusesOf,
} from '../raw-http.ts';

const mebibyte = 1024 * 1024;
const maxBodyBytes = 4 * mebibyte;
const small = modernCall('proxmox_container_status', { vmid: 100 });

describe('large requests', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
  });
  after(() => gateway.close());

  const json = (received: string) => JSON.parse(bodyOf(received)) as { error: { message: string } };

  test('headers of more than 16 KiB, as one, as many, or as the target', async () => {
    const requests = [
      head('GET /mcp HTTP/1.1', { 'X-A': 'a'.repeat(17_000) }),
      head(
        'GET /mcp HTTP/1.1',
        Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`X-${i}`, 'a'.repeat(40)])),
      ),
      head(`GET /mcp?${'a'.repeat(17_000)} HTTP/1.1`),
    ];
    for (const request of requests) {
      const answer = await exchange(gateway.url.port, request);
      assert.deepEqual(statusesOf(answer), [431]);
      assert.match(json(answer).error.message, /too large/);
    }
    assert.deepEqual(
      statusesOf(await exchange(gateway.url.port, post(initialize, { 'X-A': 'a'.repeat(12_000) }))),
      [200],
    );
  });

  test('a body announced as too large is refused before a byte of it is sent', async () => {
    const connection = await open(gateway.url.port);
    connection.send(head('POST /mcp HTTP/1.1', { 'Content-Length': String(maxBodyBytes + 1) }));
    const answer = await connection.until(/"id":null\}/);
    assert.deepEqual(statusesOf(answer), [413]);
    assert.match(json(answer).error.message, new RegExp(`${maxBodyBytes}`));
    connection.socket.destroy();
  });

  test('a body in chunks is refused as soon as it has grown too large', async () => {
    const connection = await open(gateway.url.port);
    connection.send(head('POST /mcp HTTP/1.1', { 'Transfer-Encoding': 'chunked' }));
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
    for (let sent = 0; sent <= maxBodyBytes; sent += 65_536) connection.send(chunk);
    // Nothing says that this was the last chunk.
    assert.deepEqual(statusesOf(await connection.until(/"id":null\}/)), [413]);
    connection.socket.destroy();
  });

  test('a body of just the allowed size is read', async () => {
    const padded = small.body + ' '.repeat(maxBodyBytes - small.body.length);
    assert.deepEqual(statusesOf(await exchange(gateway.url.port, post(padded, small.headers))), [200]);
    assert.deepEqual(statusesOf(await exchange(gateway.url.port, post(`${padded} `, small.headers))), [413]);
  });

  test('a client that tells too much of itself opens no session: it would be kept as long as that', async () => {
    const told = (chars: number) =>
      initialize.replace(
        '"capabilities":{}',
        `"capabilities":{"experimental":{"a":{"b":"${'x'.repeat(chars)}"}}}`,
      );
    assert.deepEqual(statusesOf(await exchange(gateway.url.port, post(told(60_000)))), [200]);
    assert.deepEqual(statusesOf(await exchange(gateway.url.port, post(told(70_000)))), [413]);
  });

  test('a length that is too small: the rest is no request', async () => {
    const answer = await exchange(
      gateway.url.port,
      post(initialize, { 'Content-Length': '10', Connection: 'keep-alive' }),
    );
    const statuses = statusesOf(answer);
    assert.ok(statuses.length > 0 && statuses.every((status) => status === 400), answer);
  });

  test('a length that is too large: what came is not carried out, and nothing else waits for the rest', async () => {
    const { body, headers } = modernCall(execTool, { vmid: 100, command: 'echo short-of-it' });
    const connection = await open(gateway.url.port);
    connection.send(post(body, { ...headers, 'Content-Length': String(body.length + 1) }));
    assert.deepEqual(statusesOf(await exchange(gateway.url.port, post(initialize))), [200]);
    assert.equal(connection.received(), '');
    connection.socket.destroy();
    assert.ok(!gateway.lab.control.heard.some((line) => line.includes('short-of-it')));
  });

  test('without a valid token the answer does not wait for the body', async () => {
    const connection = await open(gateway.url.port);
    connection.send(
      head('POST /mcp HTTP/1.1', { Authorization: 'Bearer wrong-token', 'Content-Length': '1000' }),
    );
    assert.deepEqual(statusesOf(await connection.until(/"id":null\}/)), [401]);
    connection.socket.destroy();
  });

  test('more large bodies than there is room for get 429 with a hint, small requests pass, and the room comes back', async () => {
    const half = Buffer.alloc(2 * mebibyte, ' ');
    const start = head('POST /mcp HTTP/1.1', {
      ...small.headers,
      'Content-Length': String(half.length + small.body.length),
    });
    const holding = await Promise.all(Array.from({ length: 12 }, () => open(gateway.url.port)));
    try {
      for (const { send } of holding) {
        send(start);
        send(half);
      }
      const refused = await eventually(() => {
        const answered = holding.filter(({ received }) => received().includes('"id":null}'));
        const rest = holding.length - answered.length;
        return answered.length >= 4 && rest * half.length <= 8 * mebibyte + 12 * 16_384
          ? answered
          : undefined;
      });
      for (const { received } of refused) {
        assert.deepEqual(statusesOf(received()), [429]);
        assert.match(received(), /^retry-after: \d+/im);
      }
      assert.ok(refused.length < holding.length, 'some were let wait for their rest');
      assert.deepEqual(statusesOf(await exchange(gateway.url.port, post(initialize))), [200]);
      const waiting = holding.filter((connection) => !refused.includes(connection));
      for (const { send } of waiting) send(small.body);
      for (const { until } of waiting)
        assert.deepEqual(statusesOf(await until(/"structuredContent"/)), [200]);
    } finally {
      for (const { socket } of holding) socket.destroy();
    }
    const padded = small.body + ' '.repeat(3 * mebibyte);
    await eventually(async () => {
      const answers = await Promise.all(
        Array.from({ length: 2 }, () => exchange(gateway.url.port, post(padded, small.headers))),
      );
      return answers.every((answer) => statusesOf(answer)[0] === 200) ? true : undefined;
    });
  });
});
