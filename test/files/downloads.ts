/** Downloads, as a table: what is there, and what comes of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Args, contentOf, failing, type Hands, isThere, lastStaged, movedBy, sumOf } from './hands.ts';
import type { Oddity } from './site.ts';

interface Case {
  readonly what: string;
  /** Shell lines in the directory of the case. */
  readonly given?: string;
  /** What is not there on every site. */
  readonly needs?: string;
  readonly plants?: Oddity;
  /** Below that directory, or absolute; `f` without it. */
  readonly path?: string;
  readonly args?: Args;
  readonly gives?: string | Buffer;
  readonly encoding?: 'utf-8' | 'base64';
  readonly code?: string;
}

const bytes256 = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const octal = [...bytes256].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
const digits = 'printf 0123456789 >f';

const contents: readonly Case[] = [
  { what: 'no bytes', given: ': >f', gives: '' },
  { what: 'one byte', given: 'printf x >f', gives: 'x' },
  { what: 'one NUL', given: "printf '\\000' >f", gives: Buffer.from([0]), encoding: 'base64' },
  { what: 'every byte there is', given: `printf '${octal}' >f`, gives: bytes256, encoding: 'base64' },
  {
    what: 'line ends of all kinds',
    given: "printf '\\357\\273\\277a\\r\\nb\\rc\\n\\r\\n\\n' >f",
    gives: '\ufeffa\r\nb\rc\n\r\n\n',
  },
  { what: 'text without a last line end', given: "printf '\\360\\237\\230\\200' >f", gives: '😀' },
  { what: 'text that closes a fence', given: "printf 'a\\n```\\nb' >f", gives: 'a\n```\nb' },
];

const ranges: readonly Case[] = [
  { what: 'the beginning', given: digits, args: { length: 3 }, gives: '012' },
  { what: 'the middle', given: digits, args: { offset: 3, length: 4 }, gives: '3456' },
  { what: 'the end', given: digits, args: { offset: 8 }, gives: '89' },
  { what: 'more than the end', given: digits, args: { offset: 8, length: 100 }, gives: '89' },
  { what: 'all of it', given: digits, args: { offset: 0, length: 10 }, gives: '0123456789' },
  { what: 'right behind the end', given: digits, args: { offset: 10 }, gives: '' },
  { what: 'far behind the end', given: digits, args: { offset: 2 ** 50, length: 1 }, gives: '' },
  { what: 'a part of nothing', given: ': >f', args: { offset: 0, length: 5 }, gives: '' },
  {
    what: 'half a character',
    given: "printf 'a\\303\\251b' >f",
    args: { offset: 2, length: 2 },
    gives: Buffer.from([0xa9, 0x62]),
    encoding: 'base64',
  },
  { what: 'length 0', given: digits, args: { length: 0 }, code: 'INVALID_ARGUMENT' },
  { what: 'offset -1', given: digits, args: { offset: -1 }, code: 'INVALID_ARGUMENT' },
  {
    what: 'a part into the folder',
    given: digits,
    args: { offset: 1, local_path: 'x' },
    code: 'INVALID_ARGUMENT',
  },
  { what: 'a part by URL', given: digits, args: { length: 1, transfer: 'url' }, code: 'INVALID_ARGUMENT' },
];

const odd: readonly Case[] = [
  { what: 'nothing', code: 'FILE_NOT_FOUND' },
  { what: 'nothing, in no directory', path: 'a/f', code: 'FILE_NOT_FOUND' },
  { what: 'something in a file', given: digits, path: 'f/f', code: 'FILE_NOT_FOUND' },
  { what: 'a directory', given: 'mkdir f', code: 'IS_DIRECTORY' },
  { what: 'a link to a directory', given: 'mkdir d; ln -s d f', code: 'IS_DIRECTORY' },
  { what: 'a dangling link', given: 'ln -s nowhere f', code: 'FILE_NOT_FOUND' },
  { what: 'links in a ring', given: 'ln -s g f; ln -s f g', code: 'FILE_NOT_FOUND' },
  { what: 'a link to a file', given: 'printf abc >g; ln -s g f', gives: 'abc' },
  { what: 'a link on the way', given: 'mkdir d; printf abc >d/f; ln -s d l', path: 'l/f', gives: 'abc' },
  { what: 'a FIFO', given: 'mkfifo f', code: 'PERMISSION_DENIED' },
  { what: 'a link to a FIFO', given: 'mkfifo p; ln -s p f', code: 'PERMISSION_DENIED' },
  { what: 'a unix socket', plants: 'socket', code: 'PERMISSION_DENIED' },
  { what: 'a device', plants: 'device', code: 'PERMISSION_DENIED' },
  { what: 'a file that hides its size', plants: 'pseudo', code: 'FILE_CHANGED' },
  ...['/proc/version', '/proc/self/environ', '/dev/zero', '/dev/null', '/dev/stdin'].flatMap((path) => [
    { what: path, path, code: 'PERMISSION_DENIED' },
    { what: `a link to ${path}`, given: `ln -s ${path} f`, needs: 'f', code: 'PERMISSION_DENIED' },
  ]),
  { what: 'something below /sys', path: '/sys/kernel/uevent_seqnum', code: 'PERMISSION_DENIED' },
  { what: 'a path with ..', given: 'mkdir d', path: 'd/../f', code: 'INVALID_ARGUMENT' },
  { what: 'a path that ends with a slash', given: digits, path: 'f/', code: 'INVALID_ARGUMENT' },
  {
    what: 'slashes and dots to spare',
    given: `mkdir d; ${digits}; mv f d`,
    path: '/./d//./f',
    gives: '0123456789',
  },
];

const cases = { contents, ranges, odd };

export function downloads(hands: () => Hands): void {
  for (const [kind, table] of Object.entries(cases))
    for (const entry of table)
      test(`down, ${kind}: ${entry.what}`, async (context) => {
        if (!(await carryOut(hands(), entry))) context.skip('this site has no such thing');
      });

  test('down: a sparse file comes with all its zeros', async () => {
    const directory = await hands().fresh('truncate -s 5000000 f; printf end >>f');
    const moved = movedBy(await hands().down(`${directory}/f`, { local_path: 'sparse', overwrite: true }));
    assert.equal(moved.sha256, sumOf(Buffer.concat([Buffer.alloc(5_000_000), Buffer.from('end')])));
  });

  test('down: a file of 1 TiB is refused before anything is copied', async (context) => {
    const directory = await hands().fresh('truncate -s 1T f 2>/dev/null || :');
    if ((await hands().sh(`wc -c 2>/dev/null <${directory}/f || echo none`)).trim() !== String(2 ** 40))
      return context.skip('this site has no room for it');
    const before = await lastStaged(hands());
    await failing(hands().down(`${directory}/f`), 'TOO_LARGE_INLINE');
    await failing(hands().down(`${directory}/f`, { local_path: 'huge' }), 'TOO_LARGE');
    const part = movedBy(await hands().down(`${directory}/f`, { offset: 2 ** 40 - 3, length: 10 }));
    assert.deepEqual(contentOf(part), Buffer.alloc(3));
    assert.equal(await lastStaged(hands()), before);
    await hands().sh(`rm ${directory}/f`);
  });
}

async function carryOut(hands: Hands, entry: Case): Promise<boolean> {
  const { given, needs, plants, path = 'f', args = {}, gives, encoding = 'utf-8', code } = entry;
  const directory = await hands.fresh(given);
  if (needs !== undefined && !(await isThere(hands, `${directory}/${needs}`))) return false;
  if (plants !== undefined && !(await hands.site.plant(hands.where, plants, `${directory}/f`))) return false;
  const alone = path.startsWith('/') && !path.startsWith('/./');
  const result = await hands.down(alone ? path : `${directory}/${path}`, args);
  if (code !== undefined) {
    await failing(Promise.resolve(result), code);
    return true;
  }
  const moved = movedBy(result);
  const bytes = Buffer.from(gives ?? '');
  assert.deepEqual(contentOf(moved), bytes);
  assert.equal(moved.encoding, encoding);
  assert.deepEqual([moved.bytes_transferred, moved.sha256], [bytes.length, sumOf(bytes)]);
  assert.equal(moved.offset, 'offset' in args ? args.offset : 0);
  assert.equal(moved.route, Object.keys(args).length === 0 ? hands.route : 'stream');
  return true;
}
