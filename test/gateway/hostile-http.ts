/** What the catalogue's entries about HTTP, JSON-RPC and tokens expect, each by its field and its very words. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { eventually, otherToken, startTestGateway, type TestGateway, token } from './harness.ts';
import {
  call,
  doesNotStart,
  type Entry,
  hostileValue,
  messageIn,
  send,
  type World,
} from './hostile-values.ts';
import { exchange, execTool, head, initialize, modernCall, open, post, statusesOf } from './raw-http.ts';

type Gateways = Pick<World, 'gateway' | 'lax'>;
type Expectation = (gateways: Gateways, entry: Entry) => Promise<unknown>;

async function refusedRaw({ url }: TestGateway, bytes: string, status: number): Promise<void> {
  assert.deepEqual(statusesOf(await exchange(url.port, bytes)), [status]);
}

async function sessionOf(
  gateway: TestGateway,
  version: string,
  bearer = token,
): Promise<Record<string, string>> {
  const answer = await send(gateway, {
    body: initialize.replace('2025-06-18', version),
    headers: { authorization: `Bearer ${bearer}` },
  });
  assert.equal(answer.status, 200);
  return {
    authorization: `Bearer ${bearer}`,
    'mcp-session-id': answer.headers.get('mcp-session-id') ?? '',
    'mcp-protocol-version': version,
  };
}

async function batches({ gateway }: Gateways): Promise<void> {
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  const body = JSON.stringify([list, { ...list, id: 2 }]);
  for (const version of ['2025-06-18', '2025-11-25'])
    assert.equal((await send(gateway, { body, headers: await sessionOf(gateway, version) })).status, 400);
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' };
  assert.equal((await send(gateway, { body, headers })).status, 400);
  assert.equal((await send(gateway, { body, headers: await sessionOf(gateway, '2025-03-26') })).status, 200);
}

/** Two clients at once, equal ids: in both eras, and both on the host and refused before it. */
async function equalIds({ gateway }: Gateways): Promise<void> {
  const sessions = [
    await sessionOf(gateway, '2025-06-18', token),
    await sessionOf(gateway, '2025-06-18', otherToken),
  ];
  const ask = async (client: 0 | 1, id: number) => {
    const marker = `of-${client}-${id}-end`;
    const args =
      id % 10 === 0
        ? { vmid: 100, command: `echo ${marker}` }
        : { vmid: 100, [marker]: true, command: 'true' };
    const { body, headers } = modernCall(execTool, args, id);
    const params = { name: execTool, arguments: args };
    const old = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params });
    const authorization = `Bearer ${[token, otherToken][client]}`;
    const sent =
      id % 2 === 0
        ? { body: old, headers: sessions[client] ?? {} }
        : { body, headers: { ...headers, authorization } };
    const answer = await send(gateway, sent);
    const seen = new Set(answer.text.match(/of-\d-\d+-end/g));
    assert.deepEqual([...seen], [marker]);
    assert.match(answer.text, new RegExp(`"id":${id}[,}]`));
  };
  for (let first = 0; first < 1000; first += 50)
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => [ask(0, first + index), ask(1, first + index)]).flat(),
    );
}

async function unsupportedVersion({ gateway }: Gateways, { value }: Entry): Promise<void> {
  const version = String(value);
  const { body, headers } = modernCall(execTool, { vmid: 100, command: 'true' });
  const answer = await send(gateway, {
    body: body.replace('2026-07-28', version),
    headers: { ...headers, 'mcp-protocol-version': version },
  });
  assert.equal(answer.status, 400);
  const { error } = messageIn(answer);
  assert.equal(error?.code, -32022);
  assert.match(JSON.stringify(error), /2026-07-28/);
  const session = await sessionOf(gateway, '2025-06-18');
  const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  const old = await send(gateway, { body: list, headers: { ...session, 'mcp-protocol-version': version } });
  assert.equal(old.status, 400);
  assert.match(old.text, /2025-06-18/);
}

async function slowHeaders({ gateway }: Gateways): Promise<void> {
  const startedAt = performance.now();
  const connection = await open(gateway.url.port);
  connection.send('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX');
  const drip = setInterval(() => connection.send('x'), 10_000);
  try {
    await connection.untilClosed(25_000);
    assert.ok(performance.now() - startedAt < 22_000);
  } finally {
    clearInterval(drip);
    connection.socket.destroy();
  }
}

/** The client's address in the record of a call with these headers. */
async function clientOf(
  gateway: TestGateway,
  marker: string,
  headers: Record<string, string>,
): Promise<unknown> {
  const { body, headers: needed } = modernCall(execTool, { vmid: 100, command: `echo ${marker}` });
  await send(gateway, { body, headers: { ...needed, ...headers } });
  const line = (await gateway.audit()).find(
    ({ event, arguments: args }) =>
      event === 'begin' && (args as { command?: string }).command === `echo ${marker}`,
  );
  assert.ok(line);
  return line.client;
}

async function forwardedFor({ gateway, lax }: Gateways, { value }: Entry): Promise<void> {
  const headers = { 'x-forwarded-for': String(value).replace('<real>', '203.0.113.7') };
  assert.equal(await clientOf(lax, 'through-proxy', headers), '203.0.113.7');
  assert.match(String(await clientOf(gateway, 'without-proxy', headers)), /127\.0\.0\.1$/);
}

/** Nothing of an answer depends on the header, with and without a valid token. */
async function withoutEffect(gateway: TestGateway, name: string, value: string): Promise<void> {
  for (const authorization of [`Bearer ${token}`, 'Bearer wrong-token']) {
    const seen = [];
    for (const headers of [{}, { [name]: value }]) {
      const answer = await send(gateway, { headers: { authorization, ...headers } });
      assert.doesNotMatch(answer.text + JSON.stringify([...answer.headers]), /evil\.example/);
      const kept = [...answer.headers].filter(([header]) => header !== 'date' && header !== 'mcp-session-id');
      seen.push({ status: answer.status, kept, text: answer.text });
    }
    assert.deepEqual(seen[0], seen[1]);
  }
}

async function emptyTokenFile(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hostile-'));
  const file = join(folder, 'tokens');
  const start = () => startTestGateway({ env: { MCP_AUTH_TOKEN: '', MCP_AUTH_TOKEN_FILE: file } });
  try {
    await writeFile(file, '');
    await doesNotStart(file);
    await writeFile(file, `alice:${token}\n`);
    const gateway = await start();
    try {
      await writeFile(file, '');
      await eventually(async () => {
        const metrics = await (await fetch(gateway.metricsUrl)).text();
        return /token_reload_failures_total [1-9]/.test(metrics) ? true : undefined;
      });
      assert.equal((await send(gateway, {})).status, 200);
      for (const authorization of ['', 'Bearer', 'Bearer ', 'Bearer x'])
        assert.equal((await send(gateway, { headers: { authorization } })).status, 401);
    } finally {
      await gateway.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** By field, an arrow, and the catalogue's words. */
export const httpExpectations: Readonly<Record<string, Expectation>> = {
  'jsonrpc.body → http:400 (2025-06-18 and later; 2025-03-26 knew batches)': batches,
  'jsonrpc.body → http:400; process alive': async ({ gateway }, entry) =>
    assert.equal((await send(gateway, { body: String(hostileValue(entry)) })).status, 400),
  'jsonrpc.id → each client gets only its own marker in 1000 parallel pairs': equalIds,
  'tool.name → -32602 unknown tool': async ({ gateway }, { value }) => {
    const { error } = await call(gateway, String(value), {});
    assert.equal(error?.code, -32602);
    assert.match(error?.message ?? '', /no such tool/);
  },
  'http.Mcp-Name → http:400 with -32020': async ({ gateway }) => {
    const { body, headers } = modernCall(execTool, { vmid: 100, command: 'echo mismatch' });
    const answer = await send(gateway, {
      body,
      headers: { ...headers, 'mcp-name': 'proxmox_list_containers' },
    });
    assert.equal(answer.status, 400);
    assert.equal(messageIn(answer).error?.code, -32020);
    assert.ok(!gateway.lab.control.heard.some((line) => line.includes('mismatch')));
  },
  'http.MCP-Protocol-Version → http:400 UnsupportedProtocolVersion listing the supported ones':
    unsupportedVersion,
  'http.Mcp-Session-Id → http:400': async ({ gateway }, { value }) =>
    await refusedRaw(gateway, post(initialize, { 'Mcp-Session-Id': String(value) }), 400),
  'http.Origin → http:403': async ({ gateway }, { value }) => {
    const answer = await send(gateway, { headers: { origin: String(value) } });
    assert.equal(answer.status, 403);
  },
  'http.Host → http:400': async ({ gateway }) =>
    await refusedRaw(gateway, post(initialize).replace('\r\n', '\r\nHost: localhost\r\n'), 400),
  'http.Authorization → http:400 on duplicates (rawHeaders check)': async ({ gateway }) =>
    await refusedRaw(
      gateway,
      post(initialize).replace('\r\nContent', '\r\nAuthorization: Bearer bad\r\nContent'),
      400,
    ),
  'http.Authorization → scheme case-insensitive; exactly one token; else http:401': async (
    { gateway },
    { value },
  ) => {
    const status = async (authorization: string) =>
      (await send(gateway, { headers: { authorization } })).status;
    assert.equal(await status(String(value).replace('good', token)), 200);
    assert.equal(await status(`BEARER ${token}`), 200);
    assert.equal(await status(`bearer ${token} ${token}`), 401);
    assert.equal(await status(`bearer ${token},${otherToken}`), 401);
    assert.equal(await status(token), 401);
  },
  'http.query → http:401; value not in the access log': async ({ gateway }, { value }) => {
    const query = String(value).replace('good', token);
    assert.equal((await send(gateway, { query, headers: { authorization: '' } })).status, 401);
    assert.ok(!gateway.log.join('').includes(token));
  },
  'http.X-Forwarded-For → right-most untrusted hop is used': forwardedFor,
  'http.X-Forwarded-Proto → ignored from an untrusted peer': async ({ gateway }) =>
    await withoutEffect(gateway, 'x-forwarded-proto', 'https'),
  'http.X-Forwarded-Host → metadata URLs come from configuration only': async (
    { gateway, lax },
    { value },
  ) => {
    for (const each of [gateway, lax]) await withoutEffect(each, 'x-forwarded-host', String(value));
  },
  'http.headers → http:431 (measured at 16 KiB)': async ({ gateway }, entry) => {
    const [name = '', text = ''] = String(hostileValue(entry)).split(': ');
    await refusedRaw(gateway, head('GET /mcp HTTP/1.1', { [name]: text }), 431);
  },
  'http.framing → closed within headersTimeout (set 10-15 s; Node default 60 s + 30 s sweep)': slowHeaders,
  'http.framing → http:400 (measured)': async ({ gateway }) =>
    await refusedRaw(gateway, post(initialize, { 'Transfer-Encoding': 'chunked' }), 400),
  'http.Content-Encoding → http:415 (inflate off) or 413': async ({ gateway }) => {
    const body = gzipSync(Buffer.alloc(100_000_000, ' '));
    const answer = await send(gateway, { body, headers: { 'content-encoding': 'gzip' } });
    assert.equal(answer.status, 415);
  },
  'http.path → http:404; /metrics on its own listener': async ({ gateway }, { value }) => {
    await refusedRaw(gateway, post(initialize).replace('/mcp', String(value)), 404);
    assert.equal((await fetch(new URL('/metrics', gateway.url))).status, 404);
    assert.match(await (await fetch(gateway.metricsUrl)).text(), /proxmox_mcp_build_info/);
  },
  'token.file → startup fails; on rotation keep the old set and alarm': emptyTokenFile,
};
