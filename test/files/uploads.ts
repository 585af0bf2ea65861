/** Uploads, as a table: what is there before, what is sent, what it comes to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failing, type Hands, isThere, lookAt, movedBy, sumOf } from './hands.ts';

interface Case {
  readonly what: string;
  /** Shell lines in the directory of the case. */
  readonly given?: string;
  /** What is not there on every site. */
  readonly needs?: string;
  /** Below that directory, or absolute; `f` without it. */
  readonly path?: string;
  readonly args?: Readonly<Record<string, unknown>>;
  /** It is refused with this, and the directory is as it was. */
  readonly code?: string;
  readonly says?: RegExp;
  /** Lines in the directory afterwards, and what they print. */
  readonly shows?: readonly [lines: string, prints: string];
}

const bytes256 = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const old = 'printf old >f; chmod 640 f; chown 1000:1000 f';
const crlf = '\ufefffirst\r\nsecond\rthird\n\r\n\tend\u00a0';
const base64 = { encoding: 'base64' };
const over = { overwrite: true };
const deeper = { create_directories: true };

const contents: readonly Case[] = [
  { what: 'no bytes', args: { content: '' }, shows: ['wc -c <f', '0'] },
  { what: 'one byte', args: { content: 'x' }, shows: ['cat f', 'x'] },
  { what: 'one NUL', args: { content: 'AA==', ...base64 }, shows: ['od -An -v -tx1 f', '00'] },
  {
    what: 'every byte there is',
    args: { content: bytes256.toString('base64'), ...base64 },
    shows: ["od -An -v -tx1 f | tr -d ' \\n'", bytes256.toString('hex')],
  },
  { what: 'line ends of all kinds', args: { content: crlf }, shows: ['sha256sum <f', `${sumOf(crlf)}  -`] },
  {
    what: 'text beyond Latin',
    args: { content: '😀 日本' },
    shows: ['sha256sum <f', `${sumOf('😀 日本')}  -`],
  },
  { what: 'base64 without padding', args: { content: 'AAA', ...base64 }, code: 'INVALID_ARGUMENT' },
  { what: 'base64 with a line end', args: { content: 'AAAA\n', ...base64 }, code: 'INVALID_ARGUMENT' },
  { what: 'base64 for URLs', args: { content: '__8=', ...base64 }, code: 'INVALID_ARGUMENT' },
  { what: 'base64 with bits to spare', args: { content: 'AB==', ...base64 }, code: 'INVALID_ARGUMENT' },
  { what: 'text that is none', args: { content: 'a\ud800b' }, code: 'INVALID_ARGUMENT' },
  { what: 'an unknown encoding', args: { content: 'a', encoding: 'latin1' }, code: 'INVALID_ARGUMENT' },
  { what: 'an encoding of nothing', args: { local_path: 'x', ...base64 }, code: 'INVALID_ARGUMENT' },
  { what: 'nothing to send', args: { content: undefined }, code: 'INVALID_ARGUMENT', says: /content/ },
  { what: 'two things to send', args: { local_path: 'x' }, code: 'INVALID_ARGUMENT', says: /one of them/ },
  { what: 'a URL and content', args: { transfer: 'url' }, code: 'INVALID_ARGUMENT', says: /one of them/ },
];

const sums: readonly Case[] = [
  { what: 'the right SHA-256', args: { content: 'abc', sha256: sumOf('abc') } },
  { what: 'the right SHA-256 in capitals', args: { content: 'abc', sha256: sumOf('abc').toUpperCase() } },
  {
    what: 'a wrong SHA-256',
    given: old,
    args: { ...over, sha256: sumOf('other') },
    code: 'CHECKSUM_MISMATCH',
    says: new RegExp(sumOf('new')),
  },
  { what: 'half a SHA-256', args: { sha256: 'abcdef' }, code: 'INVALID_ARGUMENT' },
  { what: 'the right size', args: { content: 'äb', size: 3 } },
  { what: 'a size too small', given: old, args: { ...over, size: 2 }, code: 'SIZE_MISMATCH' },
  { what: 'a size too large', given: old, args: { ...over, size: 4 }, code: 'SIZE_MISMATCH' },
  { what: 'a size of 1 TiB', given: old, args: { ...over, size: 2 ** 40 }, code: 'TOO_LARGE' },
  { what: 'a negative size', args: { size: -1 }, code: 'INVALID_ARGUMENT' },
];

const modes: readonly Case[] = [
  { what: 'the usual mode', shows: ["stat -c '%a %u:%g' f", '644 0:0'] },
  { what: 'mode 0600', args: { permissions: '0600' }, shows: ['stat -c %a f', '600'] },
  { what: 'mode 0755', args: { permissions: '0755' }, shows: ['stat -c %a f', '755'] },
  { what: 'mode 000', args: { permissions: '000' }, shows: ['stat -c %a f', '0'] },
  { what: 'a sticky file', args: { permissions: '1777' }, shows: ['stat -c %a f', '1777'] },
  { what: 'a mode in words', args: { permissions: 'u+x' }, code: 'INVALID_ARGUMENT' },
  { what: 'a mode of eights', args: { permissions: '888' }, code: 'INVALID_ARGUMENT' },
  {
    what: 'setuid',
    given: old,
    args: { ...over, permissions: '4755' },
    code: 'PERMISSION_DENIED',
    says: /ALLOW_SETUID/,
  },
  { what: 'setgid', args: { permissions: '2755' }, code: 'PERMISSION_DENIED', says: /ALLOW_SETUID/ },
  {
    what: 'owner and group by name',
    args: { owner: 'daemon', group: 'daemon' },
    shows: ['stat -c %u:%g f', '1:1'],
  },
  {
    what: 'owner and group by number',
    args: { owner: '33', group: '34' },
    shows: ['stat -c %u:%g f', '33:34'],
  },
  { what: 'an owner alone', args: { owner: 'daemon' }, shows: ['stat -c %u:%g f', '1:0'] },
  { what: 'a group alone', args: { group: '34' }, shows: ['stat -c %u:%g f', '0:34'] },
  {
    what: 'an unknown owner',
    given: old,
    args: { ...over, owner: 'nobody-knows' },
    code: 'INVALID_ARGUMENT',
    says: /owner/,
  },
  {
    what: 'an unknown group',
    given: old,
    args: { ...over, group: 'nobody-knows' },
    code: 'INVALID_ARGUMENT',
    says: /group/,
  },
  { what: 'an owner that is a command', args: { owner: '$(id)' }, code: 'INVALID_ARGUMENT' },
  {
    what: 'a replaced file keeps owner and group, not mode',
    given: old,
    args: over,
    shows: ["stat -c '%u:%g %a' f; cat f", '1000:1000 644\nnew'],
  },
  {
    what: 'a replaced file gets the owner that is given',
    given: old,
    args: { ...over, owner: '33' },
    shows: ['stat -c %u:%g f', '33:1000'],
  },
];

const places: readonly Case[] = [
  { what: 'an old file', given: old, code: 'FILE_EXISTS', says: /overwrite/ },
  { what: 'a link to a file', given: 'printf old >g; ln -s g f', code: 'FILE_EXISTS' },
  { what: 'a dangling link', given: 'ln -s nowhere f', code: 'FILE_EXISTS' },
  { what: 'a directory', given: 'mkdir f', code: 'IS_DIRECTORY' },
  { what: 'a directory, to be replaced', given: 'mkdir f; printf x >f/x', args: over, code: 'IS_DIRECTORY' },
  { what: 'a FIFO, to be replaced', given: 'mkfifo f', args: over, code: 'PERMISSION_DENIED' },
  { what: 'nothing, to be replaced', args: over, shows: ['cat f', 'new'] },
  {
    what: 'a link is replaced, not what it leads to',
    given: 'printf old >g; ln -s g f',
    args: over,
    shows: ['[ ! -L f ] && cat f g', 'newold'],
  },
  {
    what: 'a dangling link is replaced',
    given: 'ln -s nowhere f',
    args: over,
    shows: ['[ ! -L f ] && ls -A', 'f'],
  },
  {
    what: 'a link to a directory is replaced, and nothing goes into it',
    given: 'mkdir d; ln -s d f',
    args: over,
    shows: ['[ ! -L f ] && ls -A . d', '.:\nd\nf\n\nd:'],
  },
  {
    what: 'another name of the old file keeps the old content',
    given: `${old}; ln f g`,
    args: over,
    shows: ['cat f g', 'newold'],
  },
  {
    what: 'directories on the way are made',
    path: 'a/b  c/d/f',
    args: deeper,
    shows: ["stat -c '%a %u' a 'a/b  c' 'a/b  c/d'; cat 'a/b  c/d/f'", '755 0\n755 0\n755 0\nnew'],
  },
  { what: 'a missing directory', path: 'a/f', code: 'DIRECTORY_NOT_FOUND', says: /directory/ },
  { what: 'a file for a directory', given: 'printf x >a', path: 'a/f', code: 'DIRECTORY_NOT_FOUND' },
  {
    what: 'a file for a directory, which is not replaced',
    given: 'printf x >a',
    path: 'a/b/f',
    args: deeper,
    code: 'DIRECTORY_NOT_FOUND',
  },
  {
    what: 'a dangling link on the way',
    given: 'ln -s nowhere a',
    path: 'a/f',
    args: deeper,
    code: 'DIRECTORY_NOT_FOUND',
  },
  { what: 'a link on the way', given: 'mkdir d; ln -s d a', path: 'a/f', shows: ['cat d/f', 'new'] },
  { what: 'slashes and dots to spare', given: 'mkdir d', path: './/d/.//./f', shows: ['cat d/f', 'new'] },
];

const refused: readonly Case[] = [
  { what: 'a relative path', path: '', args: {}, code: 'INVALID_ARGUMENT' },
  ...[
    ['a path with ..', 'd/../f'],
    ['a directory by name', 'd/'],
    ['a directory by dot', 'd/.'],
    ['a NUL', 'a\0b'],
    ['half a character', 'a\ud800'],
    ['a name of 256 bytes', 'x'.repeat(256)],
    ['a path of more than 4096 bytes', 'directory/'.repeat(410).concat('f')],
  ].map(([what = '', path = '']) => ({ what, path, args: deeper, code: 'INVALID_ARGUMENT' })),
  ...['/proc/sys/kernel/hostname', '/sys/x', '/dev/null', '/dev/shm/f', '//proc//1/./comm', '/proc'].map(
    (path) => ({
      what: path,
      path,
      args: over,
      code: 'PERMISSION_DENIED',
    }),
  ),
  ...['/proc', '/proc/1', '/sys', '/dev', '/proc/self/cwd/../../dev'].map((target) => ({
    what: `a link to ${target}`,
    given: `ln -s ${target} l`,
    needs: 'l',
    path: 'l/f',
    code: 'PERMISSION_DENIED',
  })),
];

const cases = { contents, sums, modes, places, refused };

export function uploads(hands: () => Hands): void {
  for (const [kind, table] of Object.entries(cases))
    for (const entry of table)
      test(`up, ${kind}: ${entry.what}`, async (context) => {
        if (!(await carryOut(hands(), entry))) context.skip('this site has no such thing');
      });
}

async function carryOut(hands: Hands, entry: Case): Promise<boolean> {
  const { given, needs, path = 'f', args = {}, code, says, shows } = entry;
  const directory = await hands.fresh(given);
  if (needs !== undefined && !(await isThere(hands, `${directory}/${needs}`))) return false;
  const whole = path.startsWith('/') ? path : path === '' ? 'relative/f' : `${directory}/${path}`;
  const sent = { content: 'new', ...args };
  if (code !== undefined) {
    const before = await lookAt(hands, directory);
    const failure = await failing(hands.up(whole, sent), code);
    if (says !== undefined) assert.match(`${failure.error} ${failure.suggestion}`, says);
    assert.equal(await lookAt(hands, directory), before);
    return true;
  }
  const moved = movedBy(await hands.up(whole, sent));
  const bytes = Buffer.from(sent.content ?? '', 'encoding' in args ? 'base64' : 'utf8');
  assert.deepEqual([moved.bytes_transferred, moved.sha256], [bytes.length, sumOf(bytes)]);
  assert.equal(moved.route, hands.route);
  if (shows !== undefined)
    assert.equal((await hands.sh(`cd ${directory} && { ${shows[0]}\n}`)).trim(), shows[1]);
  return true;
}
