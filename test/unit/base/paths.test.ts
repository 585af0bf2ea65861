import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFilePath, isWithin, PathError, parseFilePath } from '../../../src/base/paths.ts';
import { hostileStrings } from '../hostile-strings.ts';

function problemOf(text: string): string {
  try {
    parseFilePath(text);
  } catch (error) {
    assert.ok(error instanceof PathError, `not a PathError: ${error}`);
    return error.message;
  }
  return assert.fail(`${JSON.stringify(text.slice(0, 80))} was accepted`);
}

test('a path is split into its directory and its name, empty and . segments left out', () => {
  for (const [text, path, directory, name] of [
    ['/a', '/a', '/', 'a'],
    ['/a/b/c', '/a/b/c', '/a/b', 'c'],
    ['//etc//shadow', '/etc/shadow', '/etc', 'shadow'],
    ['/./a/././b', '/a/b', '/a', 'b'],
    ['/...', '/...', '/', '...'],
    ['/..a/b..', '/..a/b..', '/..a', 'b..'],
    ['/-rf', '/-rf', '/', '-rf'],
    ['/ ', '/ ', '/', ' '],
    ['/a\n', '/a\n', '/', 'a\n'],
    ['/tmp/\u202egpj.exe', '/tmp/\u202egpj.exe', '/tmp', '\u202egpj.exe'],
  ] as const)
    assert.deepEqual(parseFilePath(text), { path, directory, name });
});

test('what names no file for certain is refused, and why', () => {
  for (const [text, problem] of [
    ['', /absolute/],
    ['a', /absolute/],
    ['./a', /absolute/],
    ['../a', /absolute/],
    ['~/a', /absolute/],
    ['-rf', /absolute/],
    ['--perms=4777', /absolute/],
    [' /a', /absolute/],
    ['C:\\a', /absolute/],
    ['/..', /\.\. segment/],
    ['/a/../b', /\.\. segment/],
    ['/a/..', /\.\. segment/],
    ['/a//..//b', /\.\. segment/],
    ['/', /not a directory/],
    ['//', /not a directory/],
    ['/.', /not a directory/],
    ['/a/', /not a directory/],
    ['/a/.', /not a directory/],
    ['/a/./', /not a directory/],
    ['/a\0', /NUL/],
    ['/a\0/../b', /NUL/],
    ['/\ud800x', /Unicode/],
    ['/a\udc00', /Unicode/],
  ] as const)
    assert.match(problemOf(text), problem, JSON.stringify(text));
});

test('lengths are those of the bytes: 4096 of a path, 255 of a name', () => {
  const withLength = (bytes: number) =>
    `${'/é'.repeat(Math.floor(bytes / 3) - 1)}/${'x'.repeat((bytes % 3) + 2)}`;
  assert.equal(Buffer.byteLength(withLength(4096)), 4096);
  assert.equal(parseFilePath(withLength(4096)).path, withLength(4096));
  assert.match(problemOf(withLength(4097)), /at most 4096 bytes/);
  // 1366 characters, and three bytes each.
  assert.match(problemOf(`/${'/€'.repeat(1024)}€`), /at most 4096 bytes/);
  assert.equal(parseFilePath(`/tmp/${'x'.repeat(255)}`).name.length, 255);
  assert.equal(parseFilePath(`/tmp/x${'é'.repeat(127)}`).name.length, 128);
  assert.match(problemOf(`/tmp/${'é'.repeat(128)}`), /name of more than 255 bytes/);
  assert.match(problemOf(`/${'x'.repeat(256)}/a`), /name of more than 255 bytes/);
});

test('a name of any kind stays as it is', () => {
  for (const text of hostileStrings(600)) {
    const name = text.replaceAll('/', '');
    if (['', '.', '..'].includes(name)) continue;
    assert.deepEqual(parseFilePath(`/srv/${name}`), { path: `/srv/${name}`, directory: '/srv', name });
  }
});

test('a directory holds itself and what is below it, and nothing that only begins alike', () => {
  for (const [path, directory, within] of [
    ['/srv', '/srv', true],
    ['/srv/a', '/srv', true],
    ['/srv/a/b', '/srv', true],
    ['/srv-evil/a', '/srv', false],
    ['/srvx', '/srv', false],
    ['/sr', '/srv', false],
    ['/', '/srv', false],
    ['/a/srv/b', '/srv', false],
    ['/Srv/a', '/srv', false],
    ['/', '/', true],
    ['/a', '/', true],
  ] as const)
    assert.equal(isWithin(path, directory), within, `${path} in ${directory}`);
});

test('a real path is one that is written as it is read', () => {
  for (const path of ['/a', '/srv/a b', '/srv/new\nline', '/srv/...'])
    assert.equal(isFilePath(path), true, path);
  for (const path of [
    '',
    'a',
    '/',
    '/srv/',
    '/srv/../etc/x',
    '/srv/./x',
    '//srv/x',
    '/srv/a\0',
    `/${'x'.repeat(256)}`,
  ])
    assert.equal(isFilePath(path), false, path);
});
