import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createSessionSealer, type SessionSeed } from '../../../src/mcp/session-id.ts';

const key = randomBytes(32);
const sealer = createSessionSealer({ key });
const seed: SessionSeed = {
  principal: 'alice',
  protocolVersion: '2025-06-18',
  capabilities: { elicitation: {}, roots: { listChanged: true } },
  clientInfo: { name: 'client', version: '1.0.0' },
};

test('an id opens to what it was made of, also in another process with the same key', () => {
  const id = sealer.seal(seed);
  assert.deepEqual(sealer.open(id), seed);
  assert.deepEqual(createSessionSealer({ key }).open(id), seed);
});

test('an id is fit for a header and never given twice', () => {
  const ids = Array.from({ length: 100 }, () => sealer.seal(seed));
  assert.equal(new Set(ids).size, 100);
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_.-]+$/);
});

test('another key does not open it', () => {
  assert.equal(createSessionSealer({ key: randomBytes(32) }).open(sealer.seal(seed)), undefined);
});

test('no other text than the id itself opens, not even one that decodes to the same bytes', () => {
  const id = sealer.seal(seed);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const variants = [
    `${id}=`,
    `${id} `,
    ` ${id}`,
    `${id}.`,
    `${id}.x`,
    id.replace('.', '..'),
    `${id}A`,
    id.slice(0, -1),
  ];
  for (const last of alphabet) variants.push(id.slice(0, -1) + last);
  for (let at = 0; at < id.length; at += 7) variants.push(`${id.slice(0, at)}~${id.slice(at)}`);
  for (const variant of variants.filter((each) => each !== id))
    assert.equal(sealer.open(variant), undefined, `…${variant.slice(-8)}`);
});

test('a changed body does not open', () => {
  const [body = '', tag] = sealer.seal(seed).split('.');
  const changed = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
  const forged = Buffer.from(JSON.stringify({ ...changed, p: 'bob' })).toString('base64url');
  assert.equal(sealer.open(`${forged}.${tag}`), undefined);
});

test('whatever else comes is no session, and no error', () => {
  const longest = 'x'.repeat(100_000);
  for (const id of [
    '',
    '.',
    '..',
    'x',
    longest,
    `${longest}.${longest}`,
    '日本.🙂',
    '\0',
    '.'.repeat(10_000),
  ])
    assert.equal(sealer.open(id), undefined);
});

function sealedAt(time: number): string {
  const [body = ''] = sealer.seal(seed).split('.');
  const content = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
  const aged = Buffer.from(JSON.stringify({ ...content, t: time })).toString('base64url');
  return `${aged}.${createHmac('sha256', key).update(`session\0${aged}`).digest('base64url')}`;
}

test('an id is good for a week', () => {
  const day = 24 * 3600 * 1000;
  assert.deepEqual(sealer.open(sealedAt(Date.now() - 6.9 * day)), seed);
  assert.equal(sealer.open(sealedAt(Date.now() - 7.1 * day)), undefined);
});

const large = Object.fromEntries(
  Array.from({ length: 500 }, (_, index) => [`x${index}`, { a: 'y'.repeat(20) }]),
);
const talkative: [what: string, seed: SessionSeed][] = [
  ['large capabilities', { ...seed, capabilities: { ...large, elicitation: { form: {} }, sampling: {} } }],
  ['capabilities outside ASCII', { ...seed, capabilities: { experimental: { x: '日'.repeat(1_900) } } }],
  [
    'capabilities full of control characters',
    { ...seed, capabilities: { experimental: { x: '\u0001'.repeat(300) } } },
  ],
  [
    'a long name and version',
    { ...seed, clientInfo: { name: '日'.repeat(5_000), version: '9'.repeat(5_000) } },
  ],
  ['a name cut through a character', { ...seed, clientInfo: { name: `${'a'.repeat(99)}🙂`, version: '1' } }],
  ['a long protocol version', { ...seed, protocolVersion: 'v'.repeat(5_000) }],
];
for (const [what, each] of talkative) {
  test(`a client with ${what} gets an id that opens again and fits a header`, () => {
    const id = sealer.seal(each);
    assert.ok(id.length <= 6_000, `${id.length} characters`);
    assert.equal(sealer.open(id)?.principal, 'alice');
  });
}

test('capabilities that are too large keep their names, not their details', () => {
  const capabilities = { ...large, elicitation: { form: {} }, sampling: {} };
  assert.deepEqual(sealer.open(sealer.seal({ ...seed, capabilities }))?.capabilities, {
    elicitation: {},
    sampling: {},
  });
});
