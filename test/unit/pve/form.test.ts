import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../../../src/base/errors.ts';
import { apiPath, guestPath } from '../../../src/pve/api-path.ts';
import { form } from '../../../src/pve/form.ts';
import type { Params } from '../../../src/pve/pve.ts';
import { hostileStrings } from '../hostile-strings.ts';
import { give } from './https-server.ts';
import { client, endWorlds, get, post, world } from './world.ts';

const refused = { code: 'INVALID_ARGUMENT' satisfies ErrorCode };

test.afterEach(endWorlds);

test('what reads and what deletes has its parameters in the query, the others in the body', () => {
  const params = { force: true, purge: false, vmid: 100, name: 'a b', left: undefined };
  const text = 'force=1&purge=0&vmid=100&name=a%20b';
  const form1 = { path: `/x?${text}`, headers: {}, body: undefined };
  assert.deepEqual(form('GET', '/x', params), form1);
  assert.deepEqual(form('DELETE', '/x', params), form1);
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  assert.deepEqual(form('POST', '/x', params), { path: '/x', headers, body: text });
  assert.deepEqual(form('PUT', '/x', params), { path: '/x', headers, body: text });
});

test('without parameters there is neither query nor body', () => {
  for (const method of ['GET', 'POST', 'PUT', 'DELETE'] as const)
    assert.deepEqual(form(method, '/x'), { path: '/x', headers: {}, body: undefined });
});

test('a list repeats its key, and an empty one leaves it out', () => {
  assert.equal(
    form('POST', '/x', { command: ['sh', '-c', 'a=1;b'] }).body,
    'command=sh&command=-c&command=a%3D1%3Bb',
  );
  assert.equal(form('POST', '/x', { command: [] }).body, undefined);
});

test('nothing that a node would split at is left raw', () => {
  const { body = '' } = form('POST', '/x', { description: 'a;b=c&d\r\ne%00+f#g?h' });
  assert.match(body, /^description=[A-Za-z0-9%._~!'()*-]+$/);
});

test('keys that could be something else are refused, in whatever part they would go', () => {
  const keys = ['a\r\nb', 'a b', 'a=b', 'a&b', 'a;b', '', '0a', 'ü', 'a[0]', 'a'.repeat(65)];
  for (const key of keys) {
    assert.throws(() => form('GET', '/x', { [key]: '1' }), refused, JSON.stringify(key));
    assert.throws(() => form('POST', '/x', { [key]: '1' }), refused, JSON.stringify(key));
  }
});

test('the refusal of a key does not repeat it', () => {
  assert.throws(
    () => form('GET', '/x', { 'canary\n': '1' }),
    (error: Error) => !error.message.includes('canary'),
  );
});

test('values that would not arrive as they are, are refused', () => {
  assert.throws(() => form('POST', '/x', { name: 'a\ud800b' }), refused);
  assert.throws(() => form('POST', '/x', { name: 'a\0b' }), refused);
});

test('more than a node reads is refused', () => {
  const sized = (chars: number): Params => ({ a: 'x'.repeat(chars) });
  assert.equal(form('POST', '/x', sized(524_285)).body?.length, 524_287);
  assert.throws(() => form('POST', '/x', sized(524_286)), refused);
  assert.throws(() => form('POST', '/x', { a: 'ü'.repeat(90_000) }), refused);
  assert.equal(form('GET', '/x', sized(6_995)).path.length, 7_000);
  assert.throws(() => form('GET', '/x', sized(6_996)), refused);
});

test('every hostile text arrives as it was, in query, body and path', async () => {
  const { node, pve } = await world((_, response) => give(response, null));
  const texts = hostileStrings(200).filter(
    (text) => text.isWellFormed() && !text.includes('\0') && text.length < 500,
  );
  assert.ok(texts.length > 50, `${texts.length} texts`);
  for (const text of texts) {
    await get(pve, { params: { name: text } });
    assert.equal(node.heard.at(-1)?.query.get('name'), text);
    await post(pve, { params: { name: text, list: [text, 'end'] } });
    const sent = new URLSearchParams(node.heard.at(-1)?.body);
    assert.deepEqual(
      [...sent],
      [
        ['name', text],
        ['list', text],
        ['list', 'end'],
      ],
    );
  }
});

test('no value leaves its place in a path', () => {
  assert.equal(apiPath`/nodes/${'a/b?c#d'}/lxc/${100}`, '/nodes/a%2Fb%3Fc%23d/lxc/100');
  for (const value of ['', '.', '..', '\ud800']) assert.throws(() => apiPath`/nodes/${value}`, RangeError);
  const guest = { node: 'pve1', kind: 'vm', vmid: 100 } as const;
  assert.equal(guestPath(guest, 'snapshot', 'a/..', 'config'), '/nodes/pve1/qemu/100/snapshot/a%2F../config');
  assert.throws(() => guestPath(guest, 'snapshot', '..'), RangeError);
  assert.equal(guestPath({ ...guest, kind: 'container' }), '/nodes/pve1/lxc/100');
});

test('a call goes to its path below the API, with the token and no cookie', async () => {
  const { node, pve } = await world((_, response) => give(response, null));
  await get(pve, { path: apiPath`/nodes/${'pve1'}/status` });
  const [heard] = node.heard;
  assert.equal(heard?.path, '/nodes/pve1/status');
  assert.equal(
    heard.headers.authorization,
    'PVEAPIToken=root@pam!gateway=11111111-2222-3333-4444-555555555555',
  );
  assert.equal(heard.headers.cookie, undefined);
  assert.equal(heard.headers['accept-encoding'], undefined);
});

test('a file outside the API is asked for without the token, and read within its bound', async () => {
  const { node, pve } = await world((_, response) => void response.end('const apiSchema = []'));
  const { signal } = new AbortController();
  const path = '/pve-docs/api-viewer/apidoc.js';
  assert.equal(await pve.file(path, { signal, maxBytes: 1000 }), 'const apiSchema = []');
  assert.equal(node.heard[0]?.path, path);
  assert.equal(node.heard[0]?.headers.authorization, undefined);
  await assert.rejects(pve.file(path, { signal, maxBytes: 10 }), { code: 'API_ANSWER_TOO_LARGE' });
  for (const odd of ['pve-docs', '//evil', '/a/../b', '/a?b', '/a b'])
    await assert.rejects(pve.file(odd, { signal, maxBytes: 10 }), RangeError, odd);
});

test('a token that could not be sent in a header is none', async () => {
  const { node } = await world((_, response) => give(response, null));
  for (const text of ['', 'secret', 'root@pam!a', 'root@pam!a=b\r\nX-Evil: 1', 'root@pam!a=b c'])
    await assert.rejects(get(client({ endpoints: [node], token: () => text })), { code: 'API_AUTH_FAILED' });
  assert.equal(node.heard.length, 0);
});
