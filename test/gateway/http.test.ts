import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startTestGateway, type TestGateway, token } from './harness.ts';

const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
});
const accept = 'application/json, text/event-stream';

describe('the HTTP surface', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({
      env: { ALLOWED_HOSTS: 'mcp.lan', ALLOWED_ORIGINS: 'https://app.lan' },
    });
  });
  after(() => gateway.close());

  const post = (headers: Record<string, string>, body = initialize) =>
    fetch(gateway.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept,
        ...headers,
      },
      body,
    });

  /** Sends bytes as they are and reads the answer to its end. */
  const raw = (lines: readonly string[], body = ''): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(gateway.url.port), '127.0.0.1');
      let answer = '';
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => {
        answer += chunk;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(answer));
      socket.end(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`);
    });
  const rawPost = (...headers: string[]) =>
    raw(
      [
        'POST /mcp HTTP/1.1',
        'Content-Type: application/json',
        `Accept: ${accept}`,
        `Content-Length: ${initialize.length}`,
        ...headers,
      ],
      initialize,
    );

  test('a token is required, in the header and nowhere else', async () => {
    for (const headers of [
      { authorization: '' },
      { authorization: 'Bearer wrong-token' },
      { authorization: 'Basic x' },
    ]) {
      const answer = await post(headers);
      assert.equal(answer.status, 401);
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/);
      assert.match(answer.headers.get('content-type') ?? '', /application\/json/);
    }
    const inUrl = await fetch(`${gateway.url.href}?access_token=${token}`, {
      method: 'POST',
      body: initialize,
    });
    assert.equal(inUrl.status, 401);
    assert.ok(!gateway.log.join('').includes(token));
    assert.equal((await post({ authorization: `bEaReR ${token}` })).status, 200);
  });

  test('headers that could be read in two ways are refused', async () => {
    const authorization = `Authorization: Bearer ${token}`;
    assert.match(await rawPost('Host: localhost', 'Host: evil.example', authorization), /^HTTP\/1\.1 400/);
    assert.match(
      await rawPost('Host: localhost', authorization, 'Authorization: Bearer x'),
      /^HTTP\/1\.1 400/,
    );
    assert.match(
      await rawPost('Host: localhost', authorization, 'Transfer-Encoding: chunked'),
      /^HTTP\/1\.1 400/,
    );
  });

  test('names of the network work by configuration, and the refusal says so', async () => {
    const authorization = `Authorization: Bearer ${token}`;
    assert.match(await rawPost('Host: mcp.lan:8000', authorization), /^HTTP\/1\.1 200/);
    assert.match(await rawPost('Host: 192.168.1.5:8000', authorization), /^HTTP\/1\.1 200/);
    const refused = await rawPost('Host: evil.example', authorization);
    assert.match(refused, /^HTTP\/1\.1 403[\s\S]*ALLOWED_HOSTS/);
  });

  test('pages of other origins are refused', async () => {
    assert.equal((await post({ origin: 'https://app.lan' })).status, 200);
    assert.equal((await post({ origin: 'http://localhost:6274' })).status, 200);
    for (const origin of ['null', 'https://app.lan.evil.example', 'http://app.lan', 'https://evil.example']) {
      const answer = await post({ origin });
      assert.equal(answer.status, 403);
      assert.match(await answer.text(), /ALLOWED_ORIGINS/);
    }
  });

  test('every error is JSON, also those below the app', async () => {
    const large = await raw(['GET /mcp HTTP/1.1', 'Host: localhost', `X-A: ${'a'.repeat(20_000)}`]);
    assert.match(large, /^HTTP\/1\.1 431[\s\S]*application\/json[\s\S]*\{"jsonrpc"/);
    assert.match(await raw(['NONSENSE']), /^HTTP\/1\.1 400[\s\S]*\{"jsonrpc"/);
    const answers = [
      [await fetch(new URL('/nothing', gateway.url)), 404],
      [await fetch(new URL('/mcp/..;/metrics', gateway.url)), 404],
      [await fetch(new URL('/%E0%A4%A', gateway.url)), 404],
      [await fetch(gateway.url, { method: 'PUT', body: '{}' }), 405],
      [await post({ 'content-type': 'text/plain' }), 415],
      [await post({ 'content-encoding': 'gzip' }), 415],
      [await post({}, '{'), 400],
      [await post({}, 'x'.repeat(5_000_000)), 413],
      [await post({}, '['.repeat(200_000)), 400],
      [await post({}, 'null'), 400],
      [await post({ accept: 'text/html' }), 406],
      [await post({ 'mcp-session-id': 'made-up' }), 404],
    ] as const;
    for (const [answer, status] of answers) {
      const text = await answer.text();
      assert.equal(answer.status, status, text);
      assert.match(answer.headers.get('content-type') ?? '', /application\/json/);
      assert.doesNotThrow(() => JSON.parse(text));
      assert.doesNotMatch(text, /node_modules|at .*\.ts/);
    }
  });

  test('a header of 2026 that contradicts the body is refused', async () => {
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name: 'proxmox_container_exec_command',
        arguments: { vmid: 100, command: 'id' },
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    });
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call' };
    const answer = await post({ ...headers, 'mcp-name': 'proxmox_list_containers' }, body);
    assert.equal(answer.status, 400);
    assert.equal(((await answer.json()) as { error: { code: number } }).error.code, -32020);
  });

  test('a tool that does not exist is a protocol error', async () => {
    for (const client of [await gateway.legacy(), await gateway.modern()])
      for (const name of ['constructor', 'proxmox_nothing'])
        await assert.rejects(client.callTool({ name, arguments: {} }), /-?32602|no such tool/);
  });

  test('security headers are set and nothing tells what runs here', async () => {
    const answer = await fetch(new URL('/livez', gateway.url));
    assert.equal(answer.headers.get('x-powered-by'), null);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  });
});

test('a revoked token loses its streams, a new one works, both within 5 s', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tokens-'));
  const file = join(folder, 'tokens');
  await writeFile(file, `alice:${token}\n`);
  const gateway = await startTestGateway({ env: { MCP_AUTH_TOKEN: '', MCP_AUTH_TOKEN_FILE: file } });
  try {
    const client = await gateway.legacy();
    const running = client
      .callTool({ name: 'proxmox_container_exec_command', arguments: { vmid: 100, command: 'sleep 60' } })
      .then(
        () => 'answered',
        () => 'cut',
      );
    await writeFile(`${file}.new`, 'carol:carol-token-0123456789\n');
    await rename(`${file}.new`, file);
    const late = new Promise((resolve) => setTimeout(resolve, 5_000, 'late').unref());
    assert.equal(await Promise.race([running, late]), 'cut');
    await assert.rejects(gateway.legacy(token));
    await gateway.legacy('carol-token-0123456789');
    await writeFile(file, '');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await gateway.legacy('carol-token-0123456789');
    const metrics = await (await fetch(gateway.metricsUrl)).text();
    assert.match(metrics, /token_reload_failures_total [1-9]/);
  } finally {
    await gateway.close();
    await rm(folder, { recursive: true });
  }
});
