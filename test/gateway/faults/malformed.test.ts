/** What no honest client sends. Whatever it is, the answer is a correct one and the next client is served. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { ordersTo, startTestGateway, type TestGateway } from '../harness.ts';
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

const internals = /node_modules|\bat .*\.(ts|js|mjs)|\/work|\/src\/|Error:|express|zod/i;
const close = { Connection: 'close' };

describe('malformed requests', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
  });
  after(() => gateway.close());
  /** After each of them the gateway serves the next client, and nothing was an error of its own. */
  afterEach(async () => {
    assert.deepEqual(statusesOf(await exchange(gateway.url.port, post(initialize))), [200]);
    assert.doesNotMatch(gateway.log.join(''), /"level":"error"/);
  });

  const refused = async (bytes: string | Buffer, ...statuses: number[]) => {
    const answer = await exchange(gateway.url.port, bytes);
    assert.deepEqual(statusesOf(answer), statuses, `${JSON.stringify(bytes.slice(0, 200))}\n${answer}`);
    assert.doesNotMatch(answer, internals);
    return answer;
  };
  const refusedInJson = async (bytes: string | Buffer, status: number) => {
    const answer = await refused(bytes, status);
    assert.match(answer, /content-type: application\/json/i);
    const { jsonrpc, error } = JSON.parse(bodyOf(answer)) as { jsonrpc: string; error: { message: string } };
    assert.equal(jsonrpc, '2.0');
    assert.equal(typeof error.message, 'string');
    return error.message;
  };

  test('two different lengths of one body', async () => {
    const bytes = post(initialize).replace('\r\nConnection', '\r\nContent-Length: 1\r\nConnection');
    await refusedInJson(bytes, 400);
  });

  test('two equal lengths of one body', async () => {
    const line = `Content-Length: ${initialize.length}`;
    await refusedInJson(post(initialize).replace(line, `${line}\r\n${line}`), 400);
  });

  for (const length of ['-1', '+5', '0x10', '1e3', '5, 5', '1 1', '', '99999999999999999999', 'abc'])
    test(`a Content-Length of «${length}»`, async () => {
      await refusedInJson(post(initialize, { 'Content-Length': length }), 400);
    });

  const chunked = { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' };
  const smuggled = 'GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

  test('a length and chunks at once: what follows is not taken for a second request', async () => {
    const start = head('POST /mcp HTTP/1.1', { 'Content-Length': '4', 'Transfer-Encoding': 'chunked' });
    await refusedInJson(`${start}0\r\n\r\n${smuggled}`, 400);
  });

  for (const encoding of [
    'chunked, identity',
    'gzip',
    'xchunked',
    'chunked, chunked',
    'identity, chunked',
    '\x0bchunked',
  ])
    test(`a Transfer-Encoding of «${encoding}» does not let a second request through`, async () => {
      const start = head('POST /mcp HTTP/1.1', { ...chunked, 'Transfer-Encoding': encoding });
      const connection = await open(gateway.url.port);
      connection.send(`${start}0\r\n\r\n${smuggled}`);
      connection.socket.end();
      const answer = await connection.untilClosed();
      assert.doesNotMatch(answer, /alive/);
      assert.match(answer, /^HTTP\/1\.1 400 /);
      assert.doesNotMatch(answer, internals);
    });

  for (const size of ['zz', '-5', '0x5', 'FFFFFFFFFFFFFFFFF', '5 5', ''])
    test(`a chunk of the size «${size}»`, async () => {
      await refusedInJson(
        `${head('POST /mcp HTTP/1.1', { ...chunked, ...close })}${size}\r\n{}\r\n0\r\n\r\n`,
        400,
      );
    });

  test('a chunk longer than its size', async () => {
    await refusedInJson(
      `${head('POST /mcp HTTP/1.1', { ...chunked, ...close })}1\r\n{}{}{}\r\n0\r\n\r\n`,
      400,
    );
  });

  test('lines that end in a bare LF', async () => {
    await refused(post(initialize).replaceAll('\r\n', '\n'), 400);
    await refused(`GET /livez HTTP/1.1\nHost: 127.0.0.1\n\n${smuggled}`, 400);
  });

  test('a header that goes on in the next line, and blanks before the colon', async () => {
    await refusedInJson(`GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: a\r\n b\r\n\r\n`, 400);
    await refusedInJson(`GET /livez HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n`, 400);
    await refusedInJson('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: \0\r\n\r\n', 400);
    await refusedInJson('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n: empty\r\n\r\n', 400);
  });

  for (const target of [
    'http://evil.example/mcp',
    'http://127.0.0.1/livez',
    '*',
    'mcp',
    '//evil.example/mcp',
  ])
    test(`the target «${target}»`, async () => {
      const status = target.startsWith('/') ? 404 : 400;
      const answer = await refused(head(`GET ${target} HTTP/1.1`, close), status);
      assert.doesNotMatch(answer, /alive|evil/);
    });

  for (const target of [
    '/mcp/',
    '/MCP',
    '/mcp/..;/metrics',
    '/./mcp',
    '/%6dcp',
    '/livez/../mcp',
    '/metrics',
    '/mcp%00',
    '/mcp;x',
  ])
    test(`the path «${target}» leads nowhere`, async () => {
      await refusedInJson(post(initialize).replace(' /mcp ', ` ${target} `), 404);
    });

  test('targets with control characters and blanks', async () => {
    await refusedInJson(head('GET /mcp\0 HTTP/1.1', close), 400);
    await refusedInJson(head('GET /a b HTTP/1.1', close), 400);
    await refusedInJson(head('GET /mcp\r HTTP/1.1', close), 400);
  });

  for (const method of ['TRACE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD', 'PROPFIND', 'PURGE'])
    test(`the method ${method}`, async () => {
      const answer = await refused(head(`${method} /mcp HTTP/1.1`, { ...close, 'X-Canary': 'canary' }), 405);
      assert.match(answer, /allow: GET, POST, DELETE/i);
      assert.doesNotMatch(answer, /canary/);
    });

  test('methods that there are not, and protocols that are not HTTP', async () => {
    await refusedInJson(head('FROBNICATE /mcp HTTP/1.1', close), 400);
    await refusedInJson(head('get /mcp HTTP/1.1', close), 400);
    await refusedInJson('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400);
    await refusedInJson('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400);
    await refusedInJson('SSH-2.0-OpenSSH_9.9\r\n', 400);
    await refusedInJson(head('GET /mcp HTTP/3.0', close), 400);
  });

  test('CONNECT makes no proxy of the gateway', async () => {
    const port = gateway.lab.sshPort;
    const answer = await exchange(gateway.url.port, head(`CONNECT 127.0.0.1:${port} HTTP/1.1`));
    assert.deepEqual(statusesOf(answer), [405]);
    assert.doesNotMatch(answer, /SSH-2\.0/);
  });

  test('an upgrade is not taken up; the request is answered as what else it is', async () => {
    const websocket = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    const connection = await open(gateway.url.port);
    connection.send(head('GET /mcp HTTP/1.1', websocket));
    assert.deepEqual(statusesOf(await connection.until(/\r\n\r\n/)), [400]);
    connection.socket.destroy();
    const h2c = await open(gateway.url.port);
    h2c.send(head('GET /livez HTTP/1.1', { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c' }));
    assert.deepEqual(statusesOf(await h2c.until(/alive/)), [200]);
    h2c.socket.destroy();
  });

  test('HTTP/1.0: served where it names a host, the connection closed after it', async () => {
    assert.deepEqual(
      statusesOf(await exchange(gateway.url.port, post(initialize).replace('HTTP/1.1', 'HTTP/1.0'))),
      [200],
    );
    await refusedInJson(post(initialize, { Host: undefined }).replace('HTTP/1.1', 'HTTP/1.0'), 403);
    assert.match(
      await exchange(gateway.url.port, 'GET /livez HTTP/1.0\r\n\r\n'),
      /^HTTP\/1\.1 200 [\s\S]*alive/,
    );
  });

  test('a request of HTTP/1.1 without Host, and Hosts that are none', async () => {
    await refused(post(initialize, { Host: undefined }), 400);
    for (const host of [
      '',
      '127.0.0.1:99999',
      '127.0.0.1:',
      'a/b',
      '127.0.0.1@evil.example',
      '127.0.0.1, evil.example',
    ])
      await refusedInJson(post(initialize, { Host: host }), 403);
  });

  test('what the client expects is answered: 100 for a continuation, 417 for anything else', async () => {
    const asked = await open(gateway.url.port);
    asked.send(post(initialize, { Expect: '100-continue' }).slice(0, -initialize.length));
    await asked.until(/^HTTP\/1\.1 100 /);
    asked.send(initialize);
    assert.deepEqual(statusesOf(await asked.untilClosed()), [100, 200]);
    await refused(post(initialize, { Expect: 'the-impossible' }), 417);
  });

  for (const type of [
    undefined,
    '',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/json-patch+json',
    'text/json',
    'application/jsonp',
  ])
    test(`a body of the type «${type}»`, async () => {
      await refusedInJson(post(initialize, { 'Content-Type': type }), 415);
    });

  for (const accept of ['', 'text/html', 'application/json', 'text/event-stream'])
    test(`a client of 2025 that accepts «${accept}» only`, async () => {
      await refusedInJson(post(initialize, { Accept: accept }), 406);
    });

  for (const [what, body] of [
    ['nothing', ''],
    ['no JSON', '{"jsonrpc": "2.0",}'],
    ['two values', '{}{}'],
    ['a number', '1'],
    ['null', 'null'],
    ['text', '"initialize"'],
    ['an empty object', '{}'],
    ['an empty batch', '[]'],
    ['a batch', `[${initialize},${initialize}]`],
    ['a batch of nothing', '[null,1,[]]'],
    ['another version', initialize.replace('"2.0"', '"1.0"')],
    ['an id that is an object', initialize.replace('"id":1', '"id":{}')],
    ['no method', '{"jsonrpc":"2.0","id":1}'],
    ['a method that is a number', '{"jsonrpc":"2.0","id":1,"method":1}'],
    ['parameters that are a list', '{"jsonrpc":"2.0","id":1,"method":"initialize","params":[]}'],
    ['65 levels', `${'['.repeat(65)}${']'.repeat(65)}`],
    [
      'deep parameters',
      initialize.replace(
        '"capabilities":{}',
        `"capabilities":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
      ),
    ],
    ['an answer to nothing', '{"jsonrpc":"2.0","id":1,"result":{}}'],
  ] as const)
    test(`a body of ${what}`, async () => {
      await refusedInJson(post(body), 400);
    });

  test('a body that is no UTF-8 is refused rather than mended', async () => {
    const { body, headers } = modernCall(execTool, { vmid: 100, command: 'echo MARK' });
    const bytes = Buffer.from(post(body, headers), 'latin1');
    bytes[bytes.indexOf('MARK')] = 0xff;
    assert.match(await refusedInJson(bytes, 400), /UTF-8/);
    assert.ok(!ordersTo(gateway.lab).some((line) => line.includes('ARK')));
  });

  test('requests in one go are answered in their order', async () => {
    const many = Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0
        ? 'GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
        : post(modernCall('proxmox_container_status', { vmid: 100 }, index).body, {
            ...modernCall('proxmox_container_status', {}).headers,
            Connection: 'keep-alive',
          }),
    );
    const answer = await exchange(gateway.url.port, many.join('') + post(initialize));
    assert.deepEqual(
      statusesOf(answer),
      Array.from({ length: 21 }, () => 200),
    );
    assert.deepEqual(
      [...answer.matchAll(/"id":(\d+)/g)].map(([, id]) => Number(id)),
      [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 1],
    );
  });
});
