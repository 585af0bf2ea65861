import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { z } from 'zod';
import { GatewayError } from '../../../src/base/errors.ts';
import {
  allowedTimeoutMs,
  CommandText,
  Directory,
  Stdin,
  TimeoutS,
  UserName,
  Variables,
  Vmid,
} from '../../../src/tools/params.ts';

const takes = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success;

const badVmids: readonly unknown[] = [
  ...[
    '100%2Fstatus%2Fstop',
    ' 100',
    '100 ',
    '100; id',
    '1e2',
    '１００',
    '$(reboot)',
    '0100',
    '-1',
    '100/../101',
  ],
  ...['*', '--help', '0x64', '100.0', '1_00', '+100', '', ' ', '100\n', '\n100', '100\0', 'Infinity', '99'],
  ...['1000000000', '100,101', '100-200', '../100', '100\u200b'],
  ...[
    Number('9007199254740993'),
    99,
    0,
    -1,
    -100,
    100.5,
    1_000_000_000,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ],
  ...[null, undefined, true, false, [], [100], ['100'], {}, { toString: '100' }, { valueOf: 100 }, 100n],
];
for (const value of badVmids) {
  const shown = typeof value === 'bigint' ? '100n' : (JSON.stringify(value) ?? 'undefined');
  test(`${shown} is no guest id`, () => {
    assert.equal(takes(Vmid, value), false);
  });
}

test('a guest id is a number from 100, or its plain text', () => {
  for (const value of [100, 101, 999_999_999]) assert.equal(Vmid.parse(value), value);
  assert.equal(Vmid.parse('100'), 100);
  assert.equal(Vmid.parse('999999999'), 999_999_999);
});

test('in the place of an id a name may stand, which nothing could take for a number', () => {
  for (const name of ['web1', 'a', '3cx', 'db-1.lan', 'all', 'NaN', 'x'.repeat(253)])
    assert.equal(takes(Vmid, name), true, name);
  for (const name of [
    '1e2',
    '0x64',
    'Infinity',
    '-web1',
    'web1-',
    'web_1',
    'web 1',
    'a..b',
    '.a',
    'wеb1',
    'x'.repeat(254),
  ])
    assert.equal(takes(Vmid, name), false, name);
});

test('a command is text that says something and fits into an argument', () => {
  for (const good of ['id', ' id ', 'a\nb', "'", '-x', '🙂', 'x'.repeat(100_000)])
    assert.equal(takes(CommandText, good), true);
  const bad = ['', '   \n\t ', 'true\0; id', '\ud800', 'x'.repeat(100_001), 'é'.repeat(50_001)];
  for (const value of [...bad, null, 7, ['id'], {}]) assert.equal(takes(CommandText, value), false);
});

test('a directory is absolute', () => {
  for (const good of ['/', '/srv/a b', '/tmp; id', '/日本']) assert.equal(takes(Directory, good), true);
  for (const bad of ['', 'srv', './srv', '~', '-', ' /srv', '/a\0b', `/${'x'.repeat(4096)}`])
    assert.equal(takes(Directory, bad), false);
});

test('a user is a name, and nothing that means something else to su or setpriv', () => {
  for (const good of ['root', 'www-data', '_apt', 'a.b', 'x'.repeat(32)])
    assert.equal(takes(UserName, good), true);
  for (const bad of [
    '',
    '-',
    '-c',
    '#0',
    '0',
    '+0',
    'a b',
    'a:b',
    'root\n',
    'a/b',
    'x'.repeat(33),
    '$(id)',
    'ü',
  ])
    assert.equal(takes(UserName, bad), false, bad);
});

test('variables have names that a shell can export, and values of any text', () => {
  for (const good of [{}, { A: '' }, { _a9: 'a\'$(id)\n"' }]) assert.deepEqual(Variables.parse(good), good);
  for (const name of ['', '9a', 'a-b', 'a=b', 'a b', 'é', 'A\n', 'BASH_FUNC_x%%', 'x'.repeat(129), '$(id)'])
    assert.equal(takes(Variables, { [name]: 'x' }), false, name);
  for (const value of ['a\0b', '\udc00', 'x'.repeat(32 * 1024 + 1), 7, null])
    assert.equal(takes(Variables, { A: value }), false);
});

test('variables are at most fifty', () => {
  const of = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`V${index}`, 'x']));
  assert.equal(takes(Variables, of(50)), true);
  assert.equal(takes(Variables, of(51)), false);
});

test('a variable is taken or refused, never dropped', () => {
  const env = JSON.parse('{"__proto__": "x"}');
  const parsed = Variables.safeParse(env);
  if (parsed.success) assert.deepEqual(Object.keys(parsed.data), ['__proto__']);
});

test('input is any text up to a mebibyte, and what cannot be sent as it is is refused', () => {
  for (const good of ['', 'a\0b\n', '🙂', 'x'.repeat(1024 * 1024)]) assert.equal(takes(Stdin, good), true);
  assert.equal(takes(Stdin, 'x'.repeat(1024 * 1024 + 1)), false);
  assert.equal(takes(Stdin, 'é'.repeat(512 * 1024 + 1)), false);
  assert.equal(takes(Stdin, 'a\ud800b'), false);
});

test('a timeout is in whole seconds', () => {
  for (const good of [1, 30, 300, 86_400]) assert.equal(takes(TimeoutS, good), true);
  for (const bad of [0, -1, 0.5, 86_401, '30', Number.POSITIVE_INFINITY, null])
    assert.equal(takes(TimeoutS, bad), false);
});

test('a timeout above what the operator allows is refused with the setting', () => {
  assert.equal(allowedTimeoutMs(300, 300), 300_000);
  assert.throws(
    () => allowedTimeoutMs(301, 300),
    (error) => error instanceof GatewayError && /at most 300 s .*COMMAND_TIMEOUT_MAX/.test(error.message),
  );
});
