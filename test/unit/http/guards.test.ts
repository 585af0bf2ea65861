import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, test } from 'node:test';
import express from 'express';
import {
  hostGuard,
  originGuard,
  plainBodies,
  type RefusalReason,
  singleHeaders,
} from '../../../src/http/guards.ts';

const refusals: RefusalReason[] = [];
const onRefused = (reason: RefusalReason) => refusals.push(reason);

function appWith(allowedHosts: readonly string[], allowedOrigins: readonly string[]) {
  const app = express();
  app.use(singleHeaders(onRefused));
  app.use(hostGuard({ allowedHosts, onRefused }));
  app.use(originGuard({ allowedOrigins, onRefused }));
  app.use(plainBodies);
  app.use((_request, response) => void response.json({ passed: true }));
  return app;
}

const servers: Server[] = [];
async function listen(app: ReturnType<typeof appWith>): Promise<number> {
  const server = createServer(app);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

let strict = 0;
let known = 0;
let open = 0;
before(async () => {
  strict = await listen(appWith([], []));
  known = await listen(appWith(['MCP.lan'], ['https://app.lan']));
  open = await listen(appWith(['*'], []));
});
after(() => {
  for (const server of servers) server.close();
});

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** The headers exactly as given, over a bare connection. */
async function ask(port: number, headers: readonly string[], method = 'GET'): Promise<Answer> {
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write([`${method} / HTTP/1.1`, ...headers, 'Connection: close', '', ''].join('\r\n')),
    );
    let received = '';
    socket.setEncoding('utf8');
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk: string) => {
      received += chunk;
    });
    socket.once('end', () => resolve(received));
    socket.once('error', reject);
  });
  return { status: Number(text.split(' ')[1]), body: text.slice(text.indexOf('\r\n\r\n') + 4) };
}

async function refused(
  port: number,
  headers: readonly string[],
): Promise<Answer & { reasons: RefusalReason[] }> {
  refusals.length = 0;
  const answer = await ask(port, headers);
  return { ...answer, reasons: [...refusals] };
}

const host = 'Host: 127.0.0.1';

for (const name of [
  '127.0.0.1',
  'localhost',
  'LOCALHOST:8000',
  '[::1]',
  '[::1]:8000',
  '192.168.1.5:8000',
  '[fd00::5]',
]) {
  test(`a request to ${name} passes`, async () => {
    assert.equal((await ask(strict, [`Host: ${name}`])).status, 200);
  });
}

for (const name of [
  'mcp.lan',
  'evil.example',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  '127.1',
  '0x7f.0.0.1',
]) {
  test(`a request to ${name} is refused, with the setting that would allow it`, async () => {
    const { status, body, reasons } = await refused(strict, [`Host: ${name}`]);
    assert.equal(status, 403);
    assert.match(JSON.parse(body).error.message, /ALLOWED_HOSTS=mcp\.lan/);
    assert.deepEqual(reasons, ['host']);
  });
}

for (const name of [
  '',
  'a b',
  'localhost/x',
  'user@localhost',
  'localhost:8000:9',
  '[::1',
  'localhost,evil.example',
  'é.lan',
]) {
  test(`«${name}» is no host to reach anything by`, async () => {
    for (const port of [strict, known, open])
      assert.notEqual((await ask(port, [`Host: ${name}`])).status, 200);
  });
}

test('a name that the operator gave passes in any case and with any port', async () => {
  for (const name of ['mcp.lan', 'MCP.LAN', 'mcp.lan:443'])
    assert.equal((await ask(known, [`Host: ${name}`])).status, 200);
  assert.equal((await ask(known, ['Host: sub.mcp.lan'])).status, 403);
});

test('with a star every name passes', async () => {
  assert.equal((await ask(open, ['Host: anything.example'])).status, 200);
});

test('a request without Origin passes, and so does a page of this machine', async () => {
  for (const origin of ['http://localhost:3000', 'https://127.0.0.1', 'http://[::1]:5173'])
    assert.equal((await ask(strict, [host, `Origin: ${origin}`])).status, 200, origin);
});

const foreign = [
  'https://evil.example',
  'http://localhost.evil.example',
  'https://app.lan.evil.example',
  'null',
  'https://',
];
const tricks = [
  'http://127.0.0.1@evil.example',
  'file://',
  'chrome-extension://localhost',
  'localhost',
  'http://127.0.0.2',
  '*',
];
for (const origin of [
  ...foreign,
  ...tricks,
  '',
  'https://evilapp.lan',
  'http://app.lan',
  'https://app.lan:8443',
]) {
  test(`a page of «${origin}» is refused, with the setting that would allow it`, async () => {
    const { status, body, reasons } = await refused(known, [host, `Origin: ${origin}`]);
    assert.equal(status, 403);
    assert.match(JSON.parse(body).error.message, /ALLOWED_ORIGINS=https:\/\/app\.lan/);
    assert.deepEqual(reasons, ['origin']);
  });
}

test('a page that the operator named passes', async () => {
  assert.equal((await ask(known, [host, 'Origin: https://app.lan'])).status, 200);
  assert.equal((await ask(known, [host, 'Origin: https://APP.lan'])).status, 200);
});

const twice = ['Host: 127.0.0.1', 'Authorization: Bearer x', 'Origin: http://localhost', 'Mcp-Session-Id: x'];
for (const header of twice) {
  test(`«${header}» given twice is refused, equal or not`, async () => {
    const [name = ''] = header.split(':');
    const first = name === 'Host' ? [] : [host];
    for (const second of [header, `${name.toLowerCase()}: other`]) {
      const { status, body, reasons } = await refused(strict, [...first, header, second]);
      assert.equal(status, 400);
      assert.match(body, new RegExp(`The ${name.toLowerCase()} header is given more than once`));
      assert.deepEqual(reasons, ['headers']);
    }
  });
}

test('a header that may repeat passes', async () => {
  assert.equal(
    (await ask(strict, [host, 'Accept: a/b', 'Accept: c/d', 'X-Forwarded-For: a', 'X-Forwarded-For: b']))
      .status,
    200,
  );
});

test('a body that would have to be inflated is refused', async () => {
  for (const encoding of ['gzip', 'br', 'gzip, identity', 'x'])
    assert.equal(
      (await ask(strict, [host, 'Content-Length: 0', `Content-Encoding: ${encoding}`], 'POST')).status,
      415,
    );
  assert.equal(
    (await ask(strict, [host, 'Content-Length: 0', 'Content-Encoding: identity'], 'POST')).status,
    200,
  );
});

test('a refusal is JSON that a client of the protocol can read', async () => {
  const { body } = await ask(strict, ['Host: evil.example']);
  const { jsonrpc, id, error } = JSON.parse(body);
  assert.deepEqual([jsonrpc, id, error.code], ['2.0', null, -32000]);
});
