import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { GatewayError } from '../../../src/base/errors.ts';
import {
  DownloadFields,
  decodeContent,
  FilePathText,
  filePath,
  onlyOne,
  UploadFields,
} from '../../../src/tools/file-params.ts';
import { hostileStrings } from '../hostile-strings.ts';

const Upload = z.strictObject(UploadFields);
const Download = z.strictObject(DownloadFields);

function problemOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof GatewayError && error.code === 'INVALID_ARGUMENT', `${error}`);
    return error.message;
  }
  return assert.fail('it was accepted');
}

function accepts(schema: z.ZodType, values: object): boolean {
  return schema.safeParse(values).success;
}

test('a path stays as it was written, and is refused in the words of the ground rule', () => {
  assert.equal(FilePathText.parse('//etc//./shadow'), '//etc//./shadow');
  assert.equal(filePath('//etc//./shadow').path, '/etc/shadow');
  for (const [path, words] of [
    ['a', 'must be an absolute path'],
    ['/a/../b', 'must not hold a .. segment'],
    ['/a\0', 'must not hold a NUL byte'],
    ['/', 'must name a file, not a directory'],
  ] as const)
    assert.equal(FilePathText.safeParse(path).error?.issues[0]?.message, words);
  for (const path of [1, null, undefined, {}, ['/a']]) assert.ok(!accepts(FilePathText, path as object));
});

test('permissions are three or four octal digits as text', () => {
  for (const permissions of ['644', '0644', '000', '4755', '04755', '7777'])
    assert.ok(accepts(Upload, { permissions }), permissions);
  const wrong = [
    '888',
    '64',
    '6',
    '',
    '0x1a4',
    '-644',
    '+644',
    '644 ',
    '644\n',
    '６４４',
    'u=rw',
    '12345',
    '00644x',
  ];
  for (const permissions of [...wrong, 644, 0o644, null])
    assert.ok(!accepts(Upload, { permissions }), `${permissions}`);
  assert.equal(Upload.parse({}).permissions, '644');
});

test('an owner is a name or a number, and nothing that chown reads otherwise', () => {
  for (const owner of ['root', 'www-data', '_apt', 'a.b', 'A1', '0', '1000', '4294967294'])
    assert.ok(accepts(Upload, { owner, group: owner }), owner);
  const wrong = [
    '',
    '-1',
    '+0',
    'root:root',
    'root.root:',
    'root;id',
    'a b',
    '-R',
    '--reference=/x',
    'é',
    'root\n',
    '1e3',
  ];
  for (const owner of [...wrong, '$(id)', 'a'.repeat(33), '99999999999', 0, null]) {
    assert.ok(!accepts(Upload, { owner }), `${owner}`);
    assert.ok(!accepts(Upload, { group: owner }), `${owner}`);
  }
});

test('the number by which chown means «leave it» is no owner', () => {
  for (const owner of ['4294967295', '9999999999']) {
    assert.ok(!accepts(Upload, { owner }), owner);
    assert.ok(!accepts(Upload, { group: owner }), owner);
  }
});

test('a sum is 64 hexadecimal digits, sizes and offsets are whole and exact', () => {
  assert.ok(accepts(Upload, { sha256: 'aB'.repeat(32) }));
  for (const sha256 of ['', 'a'.repeat(63), 'a'.repeat(65), 'g'.repeat(64), ` ${'a'.repeat(63)}`])
    assert.ok(!accepts(Upload, { sha256 }), sha256);
  for (const [schema, name, least] of [
    [Upload, 'size', 0],
    [Download, 'offset', 0],
    [Download, 'length', 1],
  ] as const) {
    for (const value of [least, 1, Number.MAX_SAFE_INTEGER])
      assert.ok(accepts(schema, { [name]: value }), name);
    for (const value of [least - 1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '1', null])
      assert.ok(!accepts(schema, { [name]: value }), `${name} ${value}`);
  }
});

test('where nothing is said, nothing is replaced, made or transferred otherwise', () => {
  assert.deepEqual(Upload.parse({}), { permissions: '644', overwrite: false, create_directories: false });
  assert.deepEqual(Download.parse({}), { overwrite: false });
  for (const transfer of ['URL', 'file', '', true]) {
    assert.ok(!accepts(Upload, { transfer }));
    assert.ok(!accepts(Download, { transfer }));
  }
  for (const overwrite of ['true', 1, null]) assert.ok(!accepts(Upload, { overwrite }));
});

test('a local path is bounded in bytes', () => {
  assert.ok(accepts(Upload, { local_path: 'é'.repeat(2048) }));
  assert.ok(!accepts(Upload, { local_path: 'é'.repeat(2049) }));
});

test('of several ends only one may be given, and both are named', () => {
  const names = ['local_path', 'content', 'transfer'];
  for (const given of [
    {},
    { content: '' },
    { local_path: 'a', other: 1 },
    { content: undefined, transfer: 'url' },
  ])
    assert.doesNotThrow(() => onlyOne(given, names));
  assert.match(
    problemOf(() => onlyOne({ content: '', transfer: 'url' }, names)),
    /content and transfer: give one/,
  );
  const all = { transfer: 'url', content: '', local_path: '' };
  assert.match(
    problemOf(() => onlyOne(all, names)),
    /local_path and content and transfer/,
  );
});

test('text becomes its UTF-8, and a lone surrogate is refused', () => {
  for (const text of [...hostileStrings(300), 'a\r\nb', '\ufeff', '\0'])
    assert.equal(decodeContent(text, 'utf-8').toString('utf8'), text);
  assert.match(
    problemOf(() => decodeContent('a\ud800', 'utf-8')),
    /content: is not valid Unicode/,
  );
});

test('base64 is RFC 4648 to the letter, for another decoder may read the rest otherwise', () => {
  for (let length = 0; length < 70; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, index) => (index * 37 + length) % 256));
    assert.ok(decodeContent(bytes.toString('base64'), 'base64').equals(bytes));
  }
  const wrong = [
    'aGVsbG8',
    'aGVsbG8==',
    'aGVsbG8=\n',
    ' aGVsbG8=',
    'aGVs\nbG8=',
    'aGVsbG8-_w==',
    'aGV$$sbG8=\n!!',
  ];
  for (const content of [
    ...wrong,
    'a',
    'ab',
    '=',
    '====',
    'aGVsbG9=',
    'YQ=a',
    'data:;base64,YQ==',
    'é',
    'YQ==YQ==',
  ])
    assert.match(
      problemOf(() => decodeContent(content, 'base64')),
      /RFC 4648/,
      content,
    );
});
