import assert from 'node:assert/strict';
import { test } from 'node:test';
import { questionOf } from '../../../src/mcp/question.ts';
import type { LocatedGuest } from '../../../src/policy/rules.ts';
import { hostileStrings } from '../hostile-strings.ts';

const guest: LocatedGuest = { vmid: 300, node: 'pve1', kind: 'vm', name: 'db', tags: [] };
const ask = (args: Record<string, unknown>, on: LocatedGuest | undefined = guest) =>
  questionOf('Delete VM', { args, guest: on, others: [] }).split('\n');

test('the guest, the arguments that matter and the warning are named', () => {
  const args = { vmid: 300, purge: true, storage: undefined, wait_seconds: 60, response_format: 'json' };
  assert.deepEqual(ask(args), [
    'Delete VM',
    'guest: virtual machine 300 (db) on node pve1',
    'purge: true',
    '',
    'This cannot be undone. Do it?',
  ]);
  assert.deepEqual(
    ask({ pool: 'old' }, { ...guest, name: undefined })[1],
    'guest: virtual machine 300 (no name) on node pve1',
  );
});

test('without a guest there is no line of one', () => {
  const deed = { args: { pool: 'old' }, guest: undefined, others: [] };
  assert.deepEqual(questionOf('Delete pool', deed).split('\n'), [
    'Delete pool',
    'pool: old',
    '',
    'This cannot be undone. Do it?',
  ]);
});

test('no value makes a line of its own, hides in the direction of text, or fills the screen', () => {
  for (const hostile of [...hostileStrings(300), '\u202eevil', 'a\u2028b', 'x'.repeat(1_000_000)]) {
    const lines = ask({ name: hostile, list: [hostile, hostile], record: { [hostile]: hostile } });
    assert.equal(lines.length, 7);
    assert.deepEqual([lines[0], lines[5], lines[6]], ['Delete VM', '', 'This cannot be undone. Do it?']);
    for (const line of lines) assert.ok([...line].length < 500);
    assert.doesNotMatch(lines.join(''), /[\p{Cc}\u202a-\u202e\u2028]/u);
  }
  assert.equal(ask({}, { ...guest, name: 'db) on node pve9\nall is well' }).length, 4);
});

test('secrets are not shown, wherever they are', () => {
  const secret = 'hunter2hunter2';
  const text = ask({
    password: secret,
    cipassword: secret,
    url: `https://user:${secret}@example.org/a.iso`,
    params: { token: secret, deep: { secret } },
    note: `password=${secret}`,
  }).join('\n');
  assert.ok(!text.includes(secret), text);
});

test('every part of what is handed on has a line of its own, however long another is', () => {
  const params = {
    'notes-template': 'x'.repeat(5_000),
    'prune-backups': 'keep-last=1',
    vmid: 100,
    deep: { force: 1 },
  };
  const lines = ask({ path: '/nodes/pve1/vzdump', params }).slice(1);
  assert.match(lines[2] ?? '', /^params\.notes-template: x{300}… \(5000 characters in all\)$/);
  assert.deepEqual(lines.slice(3, 6), [
    'params.prune-backups: keep-last=1',
    'params.vmid: 100',
    'params.deep: force=1',
  ]);
});

test('guests that the arguments name besides stand in the question', () => {
  const others = [guest, { ...guest, vmid: 100, kind: 'container' as const, name: undefined }];
  const lines = questionOf('Restore backup', { args: { overwrite: true }, guest: undefined, others });
  assert.deepEqual(lines.split('\n').slice(1, 4), [
    'concerns: virtual machine 300 (db) on node pve1',
    'concerns: container 100 (no name) on node pve1',
    'overwrite: true',
  ]);
});

test('nobody is asked about more than can be read; long values and lists end with what is left out', () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`a${at}`, at]));
  assert.equal(ask(many(60)).length, 64);
  for (const args of [many(61), { params: many(61) }])
    assert.throws(() => ask(args), /a person cannot be asked about 61 of them at once; at most 60/);
  assert.match(ask({ ids: Array.from({ length: 30 }, () => 1) })[2] ?? '', /^ids: (1, ){20}and 10 more$/);
});
