import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayError } from '../../../src/base/errors.ts';
import {
  Checksum,
  checksumOf,
  DownloadUrl,
  FileName,
  fileNameFor,
} from '../../../src/tools/storage-params.ts';

const from = (path: string) => new URL(`https://mirror.lan${path}`);

test('a file is called as in its URL, unless it is named', () => {
  assert.equal(fileNameFor('iso', from('/debian/debian-13.iso?x=/b.iso'), undefined), 'debian-13.iso');
  assert.equal(fileNameFor('iso', from('/latest'), 'debian.IMG'), 'debian.IMG');
  assert.equal(fileNameFor('vztmpl', from('/a_1-1_amd64.tar.zst'), undefined), 'a_1-1_amd64.tar.zst');
  assert.equal(fileNameFor('import', from('/d.qcow2'), undefined), 'd.qcow2');
});

test('signs that Proxmox VE would replace are replaced alike', () => {
  assert.equal(fileNameFor('iso', from('/my%20disk+1~rc.iso'), undefined), 'my_disk_1_rc.iso');
});

for (const [content, path, words] of [
  ['iso', '/disk.qcow2', /\.iso or \.img/],
  ['vztmpl', '/a.tar', /\.tar\.zst/],
  ['import', '/a.iso', /\.qcow2/],
  ['iso', '/images/', /name it/],
  ['iso', '/.iso', /name it/],
  ['iso', `/${'a'.repeat(300)}.iso`, /name it/],
] as const)
  test(`no file of content ${content} comes from ${path.slice(0, 20)}`, () => {
    assert.throws(
      () => fileNameFor(content, from(path), undefined),
      (error: GatewayError) => error.code === 'INVALID_ARGUMENT' && words.test(error.message),
    );
  });

test('names lead nowhere else', () => {
  for (const name of ['../a.iso', 'a/b.iso', '.hidden.iso', '-rf.iso', 'a b.iso', 'a\n.iso', 'ä.iso', ''])
    assert.equal(FileName.safeParse(name).success, false, name);
  assert.equal(FileName.safeParse('debian-13.1.0-amd64.iso').success, true);
});

test('URLs are of the web, in ASCII, and hold no fragment', () => {
  for (const url of [
    'ftp://mirror.lan/a.iso',
    'file:///etc/shadow',
    'https://mirror.lan/a.iso#b',
    'https:\\\\mirror.lan/a.iso',
    'https://mirror.lan\\@evil/a.iso',
    'https://mirror.lan/a b.iso',
    'https://mirror.lan/a.iso\nX: y',
    'https://mïrror.lan/a.iso',
    'https://',
    ' https://mirror.lan/a.iso',
    `https://mirror.lan/${'a'.repeat(2100)}`,
  ])
    assert.equal(DownloadUrl.safeParse(url).success, false, url);
  assert.equal(DownloadUrl.safeParse('http://mirror.lan:8080/a.iso?b=c').success, true);
});

test('a checksum tells its algorithm by its length', () => {
  const lengths = { 32: 'md5', 40: 'sha1', 56: 'sha224', 64: 'sha256', 96: 'sha384', 128: 'sha512' };
  for (const [length, algorithm] of Object.entries(lengths))
    assert.deepEqual(checksumOf('AB'.repeat(Number(length) / 2)), {
      algorithm,
      hex: 'ab'.repeat(Number(length) / 2),
    });
  assert.equal(checksumOf(undefined), undefined);
  for (const hex of ['', 'ab', 'g'.repeat(64), 'a'.repeat(63), 'a'.repeat(130), `${'a'.repeat(64)}\n`])
    assert.equal(Checksum.safeParse(hex).success, false, hex);
});
