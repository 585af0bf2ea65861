import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { httpUrl } from '../../../src/config/address-kinds.ts';
import {
  absolutePath,
  flag,
  integer,
  list,
  oneOf,
  pathRules,
  readableFile,
  type Setting,
  SettingError,
  text,
  textOr,
  tokens,
  vmidRanges,
} from '../../../src/config/kinds.ts';

const folder = mkdtempSync(join(tmpdir(), 'kinds-test-'));
after(() => rmSync(folder, { recursive: true }));

const about = { about: 'A setting.' };

function problemOf(setting: Setting<unknown>, value: string): string {
  try {
    setting.parse(value);
  } catch (error) {
    assert.ok(error instanceof SettingError, `not a SettingError: ${error}`);
    return error.message;
  }
  return assert.fail(`${JSON.stringify(value)} was accepted`);
}

test('a flag takes the usual words in any case and nothing else', () => {
  for (const word of ['true', 'TRUE', '1', 'yes', 'On']) assert.equal(flag(about).parse(word), true);
  for (const word of ['false', 'False', '0', 'no', 'OFF']) assert.equal(flag(about).parse(word), false);
  for (const word of ['ture', '2', 'true ', 'y', ''])
    assert.match(problemOf(flag(about), word), /true or false/);
  assert.equal(flag(about).fallback, false);
});

test('a number is a plain whole one within its bounds', () => {
  const port = integer({ min: 1, max: 65535, fallback: 22 }, about);
  assert.equal(port.parse('1'), 1);
  assert.equal(port.parse('65535'), 65535);
  for (const value of ['0', '65536', '-1', '1e3', '0x16', '22.0', ' 22', '２２', '9'.repeat(400)])
    assert.match(problemOf(port, value), /whole number from 1 to 65535/, value);
  assert.equal(port.fallback, 22);
  assert.equal(port.shown, '22');
});

test('a text is one line, unless it is a secret', () => {
  assert.equal(text(about).parse(' as it is '), ' as it is ');
  assert.match(problemOf(text(about), 'a\nb'), /one line/);
  assert.match(problemOf(text(about), 'a\0b'), /NUL/);
  assert.equal(text({ ...about, secret: true }).parse('a\nb'), 'a\nb');
  assert.match(problemOf(text({ ...about, secret: true }), 'a\0b'), /NUL/);
  assert.equal(textOr('root', about).fallback, 'root');
  assert.equal(textOr('root', about).shown, 'root');
});

test('tokens stay text, are always a secret, and bad ones are told without being shown', () => {
  assert.equal(tokens(about).parse('alice:0123456789'), 'alice:0123456789');
  assert.equal(tokens(about).secret, true);
  assert.match(problemOf(tokens(about), 'alice:hunter2'), /line 1/);
  assert.doesNotMatch(problemOf(tokens(about), 'alice:hunter2'), /hunter2/);
});

test('a path must be absolute where it says so', () => {
  assert.equal(absolutePath(about).parse('/var/lib/x'), '/var/lib/x');
  for (const path of ['state', './state', '~/state'])
    assert.match(problemOf(absolutePath(about), path), /absolute/);
});

test('one of several words is found in any case', () => {
  const level = oneOf(['error', 'info'], 'info', about);
  assert.equal(level.parse('ERROR'), 'error');
  assert.match(problemOf(level, 'verbose'), /one of error, info/);
});

test('a list parts at commas and blanks, and names the bad item', () => {
  const names = list((item) => (item.startsWith('x') ? 'begins with x' : undefined), about);
  assert.deepEqual(names.parse('a, b\tc\n d,'), ['a', 'b', 'c', 'd']);
  assert.match(problemOf(names, 'a, xy'), /"xy", which begins with x/);
});

test('guest ids are single ones and ranges, both ends included', () => {
  assert.deepEqual(vmidRanges(about).parse('100,200-299 300-300 999999999'), [
    { first: 100, last: 100 },
    { first: 200, last: 299 },
    { first: 300, last: 300 },
    { first: 999_999_999, last: 999_999_999 },
  ]);
});

test('what is no id or range is refused with an example', () => {
  const bad = ['99', '1', '0', '-100', '100-', '299-200', '100-200-300', '1000000000', '1e3', 'all', '*'];
  for (const value of [...bad, '100;id', '１００', '100 - 200', '50-150', '100..200'])
    assert.match(problemOf(vmidRanges(about), value), /for example 100,200-299/, value);
});

/** An operator who wrote something meant to narrow; «nothing in it» must not read as «everything». */
test('a list of separators alone is a fault, not the same as no list', () => {
  for (const value of [',', ' ', ' , ,\t']) {
    assert.ok(problemOf(vmidRanges(about), value).length > 0);
    assert.ok(
      problemOf(
        list(() => undefined, about),
        value,
      ).length > 0,
    );
  }
});

test('a file must be readable now, and the reason is told where it is not', () => {
  const key = join(folder, 'key');
  writeFileSync(key, 'a key');
  assert.equal(readableFile(about).parse(key), key);
  const missing = join(folder, 'missing');
  assert.match(
    problemOf(readableFile(about), missing),
    /missing, which cannot be read \(there is no such file\)/,
  );
  const directory = join(folder, 'directory');
  mkdirSync(directory);
  assert.match(problemOf(readableFile(about), directory), /directory; Docker makes one/);
});

test('a file that no key or list of tokens could fill is refused', () => {
  const large = join(folder, 'large');
  writeFileSync(large, 'x'.repeat(64 * 1024));
  assert.equal(readableFile(about).parse(large), large);
  writeFileSync(large, 'x'.repeat(64 * 1024 + 1));
  assert.match(problemOf(readableFile(about), large), /larger than 65536 bytes/);
});

const canary = 'c4n4rybase64body';
const keys: [what: string, text: string][] = [
  ['a key', `-----BEGIN OPENSSH PRIVATE KEY-----\n${canary}\n-----END OPENSSH PRIVATE KEY-----`],
  ['a key after a blank', ` -----BEGIN OPENSSH PRIVATE KEY-----\n${canary}`],
  ['a key after a newline', `\n-----BEGIN RSA PRIVATE KEY-----\n${canary}`],
  ['a key in quotes', `"-----BEGIN PRIVATE KEY-----\\n${canary}\\n"`],
  ['a key of PuTTY', `PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n${canary}`],
];
for (const [what, content] of keys) {
  test(`${what} in place of a path is refused and not shown`, () => {
    assert.doesNotMatch(problemOf(readableFile(about), content), new RegExp(canary));
  });
}

test('path rules are directories, everywhere or in one place, without the slash at their end', () => {
  const everywhere = { place: undefined };
  assert.deepEqual(
    pathRules(about).parse('/srv, host:/var/lib/vz/ container:/etc//./ssh/ / host:/ //\tcontainer:/a:b'),
    [
      { path: '/srv', ...everywhere },
      { path: '/var/lib/vz', place: 'host' },
      { path: '/etc/ssh', place: 'container' },
      { path: '/', ...everywhere },
      { path: '/', place: 'host' },
      { path: '/', ...everywhere },
      { path: '/a:b', place: 'container' },
    ],
  );
});

test('a path rule that could be meant otherwise than it counts is refused by name', () => {
  for (const [item, problem] of [
    ['srv', /absolute path/],
    ['./srv', /absolute path/],
    ['/srv/../etc', /\.\. segment/],
    ['/..', /\.\. segment/],
    ['host:', /absolute path/],
    ['host:srv', /absolute path/],
    ['node:/srv', /absolute path/],
    ['HOST:/srv', /absolute path/],
    ['host:container:/srv', /absolute path/],
    ['/srv/.', /name a file, not a directory/],
    [`/${'a'.repeat(256)}`, /more than 255 bytes/],
    ['/a\0b', /NUL/],
  ] as const) {
    assert.match(problemOf(pathRules(about), `/ok,${item}`), problem, item);
    assert.ok(problemOf(pathRules(about), item).startsWith(`holds ${JSON.stringify(item)}, which `), item);
  }
  for (const value of [',', ' ']) assert.match(problemOf(pathRules(about), value), /only separators/);
});

test('an address for clients keeps its path and loses the slash at its end', () => {
  for (const [value, parsed] of [
    ['https://mcp.lan', 'https://mcp.lan'],
    ['https://mcp.lan/', 'https://mcp.lan'],
    ['HTTP://MCP.lan:8080//', 'http://mcp.lan:8080'],
    ['https://mcp.lan/gateway/', 'https://mcp.lan/gateway'],
    ['http://[::1]:8000', 'http://[::1]:8000'],
  ] as const)
    assert.equal(httpUrl(about).parse(value), parsed);
  assert.equal(httpUrl(about).fallback, undefined);
});

test('what is no plain address of a web server is refused, and no password in it is shown', () => {
  for (const value of [
    ...['mcp.lan', 'mcp.lan:443', '//mcp.lan', '/transfers', 'ftp://mcp.lan', 'javascript:alert(1)', ''],
    ...['https://', 'https://a b', 'https://mcp.lan/?x=1', 'https://mcp.lan/#x', 'file:///etc/passwd'],
    ...['https://user@mcp.lan', 'https://user:c4n4ry@mcp.lan', 'https://:c4n4ry@mcp.lan'],
  ]) {
    const problem = problemOf(httpUrl(about), value);
    assert.match(problem, /such as https:\/\/mcp\.lan/, value);
    assert.doesNotMatch(problem, /c4n4ry/);
  }
});
