/** Who may use a transfer URL, when and how: every refusal leaves it as it was. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { failure } from '../../../src/base/errors.ts';
import { anyone, bearerTokens } from '../../../src/http/auth.ts';
import { eventually, otherToken, token } from '../../gateway/harness.ts';
import { exchange, open, statusesOf } from '../../gateway/raw-http.ts';
import { giveOut, lastAnswer, type Stand, sha256, startStand, transferHead } from './stand.ts';

const content = 'some bytes';

interface Attempt {
  readonly what: string;
  readonly status: number;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly code: string;
}

async function attempt(
  stand: Stand,
  path: string,
  { method = 'PUT', headers, body = content }: Partial<Attempt>,
) {
  const length = { 'Content-Length': String(Buffer.byteLength(body)) };
  const start = transferHead(method, path, { ...length, Connection: 'close', ...headers });
  return lastAnswer(await exchange(stand.port, start + body));
}

async function put(stand: Stand, path: string, body = content) {
  return await attempt(stand, path, { body });
}

test('an upload is one call of the tool, in the name of the ticket', async (t) => {
  const stand = await startStand(t);
  const { status, json, head } = await put(stand, stand.issue());
  assert.equal(status, 201);
  const expected = { success: true, size: content.length, bytes: content.length, sha256: sha256(content) };
  assert.deepEqual(json, expected);
  assert.match(head, /^cache-control: no-store$/im);
  const [call, ...others] = stand.calls;
  assert.equal(others.length, 0);
  assert.equal(call?.tool, 'proxmox_upload_file_to_container');
  assert.deepEqual(call?.args, { vmid: 100, container_path: '/srv/dump.sql' });
  assert.deepEqual(call?.principal, { name: 'alice' });
  assert.equal(call?.client, '127.0.0.1');
});

const refused: readonly Attempt[] = [
  ...['GET', 'POST', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND'].map((method) => ({
    what: `${method} in place of PUT`,
    method,
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
  })),
  ...[{ Range: 'bytes=0-1' }, { 'Content-Range': 'bytes 0-9/20' }, { 'If-Range': '"x"' }, { Range: '' }].map(
    (headers: Record<string, string>) => ({
      what: `${Object.keys(headers)}`,
      headers,
      status: 400,
      code: 'RANGES_NOT_SERVED',
    }),
  ),
  { what: 'gzip', headers: { 'Content-Encoding': 'gzip' }, status: 415, code: 'ENCODING_NOT_SERVED' },
  { what: 'no known token', headers: { Authorization: 'Bearer x' }, status: 401, code: 'UNAUTHORIZED' },
  { what: 'an empty token', headers: { Authorization: '' }, status: 401, code: 'UNAUTHORIZED' },
  {
    what: 'the token of another principal',
    headers: { Authorization: `Bearer ${otherToken}` },
    status: 403,
    code: 'NOT_ALLOWED',
  },
  { what: 'one byte too many', body: 'x'.repeat(101), status: 413, code: 'TOO_LARGE' },
];

for (const each of refused)
  test(`refused with ${each.status}, and the URL still works afterwards: ${each.what}`, async (t) => {
    const stand = await startStand(t);
    const path = stand.issue({ maxBytes: 100 });
    const { status, json, head } = await attempt(stand, path, each);
    assert.equal(status, each.status);
    if (each.status === 405) assert.match(head, /^allow: PUT$/im);
    if (each.status === 401) assert.match(head, /^www-authenticate: Bearer /im);
    if (each.method !== 'HEAD') assert.deepEqual([json.code, json.success], [each.code, false]);
    assert.equal(stand.calls.length, 0);
    assert.equal((await put(stand, path)).status, 201);
    assert.equal(stand.calls.length, 1);
  });

test('a PUT without any body is refused rather than taken for an empty file', async (t) => {
  const stand = await startStand(t);
  const path = stand.issue();
  const received = await exchange(stand.port, transferHead('PUT', path, { Connection: 'close' }));
  assert.equal(lastAnswer(received).status, 411);
  const { status, json } = await put(stand, path, '');
  assert.deepEqual([status, json.bytes, json.size], [201, 0, 0]);
});

test('HEAD and PUT leave the URL of a download alone', async (t) => {
  const stand = await startStand(t, { work: giveOut(Buffer.from(content)) });
  const path = stand.issue({ method: 'GET' });
  for (const method of ['HEAD', 'PUT', 'OPTIONS', 'POST']) {
    const { status, head } = await attempt(stand, path, { method });
    assert.equal(status, 405, method);
    assert.match(head, /^allow: GET$/im);
  }
  const ranged = await exchange(
    stand.port,
    transferHead('GET', path, { Range: 'bytes=0-3', Connection: 'close' }),
  );
  assert.equal(lastAnswer(ranged).status, 400);
  assert.equal(stand.calls.length, 0);
  const answer = await fetch(`http://127.0.0.1:${stand.port}${path}`);
  assert.equal(await answer.text(), content);
});

test('the token of the principal itself is welcome, and needs no case', async (t) => {
  const stand = await startStand(t);
  const { status } = await attempt(stand, stand.issue(), {
    headers: { Authorization: `bearer ${token}`, 'Content-Encoding': 'Identity' },
  });
  assert.equal(status, 201);
});

test('a URL works once, whatever became of it', async (t) => {
  const works = [
    async () => ({ success: true }),
    async () => Promise.reject(failure('AUDIT_UNAVAILABLE', {})),
  ];
  const stand = await startStand(t, { work: async () => (works.shift() ?? assert.fail)() });
  for (const first of [201, 503]) {
    const path = stand.issue();
    assert.equal((await put(stand, path)).status, first);
    const { status, json } = await put(stand, path);
    assert.deepEqual([status, json.code], [410, 'URL_USED']);
  }
  assert.equal(stand.calls.length, 2);
});

test('of twenty that use one URL at once, one does', async (t) => {
  const stand = await startStand(t);
  const path = stand.issue();
  const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await put(stand, path)).status));
  assert.deepEqual(statuses.sort(), [201, ...Array(19).fill(410)]);
  assert.equal(stand.calls.length, 1);
});

test('a URL that has expired is gone, and one from before the start too', async (t) => {
  const key = randomBytes(32);
  const stale = await startStand(t, { key, ttlMs: 0 });
  const expired = await put(stale, stale.issue());
  assert.deepEqual([expired.status, expired.json.code], [410, 'URL_EXPIRED']);
  const stand = await startStand(t, { key, since: Date.now() + 60_000 });
  const old = await put(stand, stand.issue());
  assert.deepEqual([old.status, old.json.code], [410, 'URL_USED']);
  assert.equal(stale.calls.length + stand.calls.length, 0);
});

test('what is no genuine ticket is nothing, and is counted as a refusal', async (t) => {
  const stand = await startStand(t);
  const path = stand.issue();
  const middle = Math.floor(path.length / 2);
  const altered = path.slice(0, middle) + (path[middle] === 'A' ? 'B' : 'A') + path.slice(middle + 1);
  const wrong = [altered, `${path}x`, `${path}=`, path.slice(0, -1), '/transfers/x', '/transfers/%2e%2e'];
  for (const each of wrong) {
    const { status, json } = await put(stand, each);
    assert.deepEqual([status, json.code], [404, 'URL_UNKNOWN'], each);
  }
  assert.deepEqual(stand.refusals, Array(wrong.length).fill('auth'));
  const foreign = await startStand(t);
  assert.equal((await put(stand, foreign.issue())).status, 404);
  assert.equal((await put(stand, path)).status, 201);
});

test('there is nothing else below /transfers', async (t) => {
  const stand = await startStand(t);
  const path = stand.issue();
  const others = [
    '/transfers',
    '/transfers/',
    `${path}/`,
    `${path}/x`,
    path.replace('transfers', 'Transfers'),
  ];
  for (const each of others) {
    const received = await exchange(stand.port, transferHead('PUT', each, { Connection: 'close' }));
    assert.deepEqual(statusesOf(received), [404], each);
  }
  const broken = await exchange(stand.port, transferHead('GET', '/transfers/%ff', { Connection: 'close' }));
  assert.deepEqual(statusesOf(broken), [400]);
  assert.equal((await put(stand, path)).status, 201);
});

test('the guards on host and origin stand before it', async (t) => {
  const stand = await startStand(t);
  const path = stand.issue();
  for (const headers of [{ Host: 'evil.example' }, { Origin: 'https://evil.example' }])
    assert.equal((await attempt(stand, path, { headers })).status, 403);
  assert.deepEqual(stand.refusals, ['host', 'origin']);
  assert.equal((await put(stand, path)).status, 201);
});

test('who holds no token any more has no URLs any more', async (t) => {
  const stand = await startStand(t);
  const { status, json } = await put(stand, stand.issue({ principal: 'carol' }));
  assert.deepEqual([status, json.code], [403, 'NOT_ALLOWED']);
  assert.equal(stand.calls.length, 0);
});

test('who loses the last token loses what is under way', async (t) => {
  let text = `alice:${token}\nalice:second-token-0123456789\nbob:${otherToken}`;
  const authenticator = bearerTokens({
    text,
    reread: () => text,
    onInvalid: (error) => assert.fail(String(error)),
  });
  const stand = await startStand(t, { authenticator });
  const alice = await open(stand.port);
  alice.send(`${transferHead('PUT', stand.issue(), { 'Content-Length': '10' })}half`);
  const bob = await open(stand.port);
  bob.send(`${transferHead('PUT', stand.issue({ principal: 'bob' }), { 'Content-Length': '8' })}half`);
  await eventually(() => (stand.calls.length === 2 ? true : undefined));
  text = `alice:second-token-0123456789\nbob:${otherToken}`;
  await eventually(() => (authenticator.authenticate(`Bearer ${token}`) === undefined ? true : undefined));
  assert.equal(alice.closed(), false, 'there is another token of hers');
  text = `bob:${otherToken}`;
  assert.equal(await alice.untilClosed(), '');
  assert.equal(stand.calls[0]?.signal.aborted, true);
  assert.equal((await put(stand, stand.issue())).status, 403);
  assert.equal(bob.closed(), false);
  bob.send('half');
  assert.match(await bob.until(/\r\n\r\n\{.*\}/), /^HTTP\/1.1 201/);
  bob.socket.destroy();
});

test('where everyone is the same, their URLs work', async (t) => {
  const stand = await startStand(t, { authenticator: anyone('anyone') });
  assert.equal((await put(stand, stand.issue({ principal: 'anyone' }))).status, 201);
  assert.equal((await put(stand, stand.issue({ principal: 'alice' }))).status, 403);
});

test('nothing of a ticket is ever logged, also where the gate fails badly', async (t) => {
  const stand = await startStand(t, { work: () => Promise.reject(new Error('boom')) });
  const path = stand.issue();
  assert.equal((await put(stand, path)).status, 500);
  await put(stand, path);
  await put(stand, `${path}x`);
  await attempt(stand, stand.issue(), { method: 'HEAD' });
  const text = stand.log.join('');
  assert.ok(!text.includes('/transfers/'));
  assert.ok(!text.includes(path.slice(-40)));
});
