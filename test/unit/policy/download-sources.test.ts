import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceProblem } from '../../../src/policy/download-sources.ts';

const sources = ['https://cloud.debian.org/images', 'https://mirror.lan:8443/', 'http://10.0.0.5/iso/'];
const problem = (url: string, from: readonly string[] = sources) => sourceProblem(new URL(url), from);

test('nothing is fetched where no source is named, and the words name the setting', () => {
  assert.match(problem('https://cloud.debian.org/images/a.iso', []) ?? '', /switched off.*DOWNLOAD_URLS/);
});

for (const url of [
  'https://cloud.debian.org/images',
  'https://cloud.debian.org/images/cloud/bookworm/latest/debian-12.qcow2',
  'https://CLOUD.debian.org:443/images/a.iso',
  'https://cloud.debian.org/images/x/../a.iso',
  'https://cloud.debian.org/images/a.iso?version=12',
  'https://mirror.lan:8443/any/where.iso',
  'http://10.0.0.5/iso/a.iso',
  'http://0x0a.0.0.5/iso/a.iso',
])
  test(`allowed: ${url}`, () => assert.equal(problem(url), undefined));

for (const [url, why] of [
  ['http://cloud.debian.org/images/a.iso', 'another scheme'],
  ['https://cloud.debian.org:8443/images/a.iso', 'another port'],
  ['https://cloud.debian.org/images-evil/a.iso', 'a prefix inside a segment'],
  ['https://cloud.debian.org/imagesa.iso', 'a prefix inside a name'],
  ['https://cloud.debian.org/Images/a.iso', 'another path'],
  ['https://cloud.debian.org/images/../etc/a.iso', 'dot segments'],
  ['https://cloud.debian.org/images/%2e%2e/etc/a.iso', 'encoded dot segments'],
  ['https://cloud.debian.org/images/..%2fetc/a.iso', 'an encoded slash'],
  ['https://cloud.debian.org/images/..%5Cetc/a.iso', 'an encoded backslash'],
  ['https://cloud.debian.org/images/%252e%252e/a.iso', 'encoded twice'],
  ['https://cloud.debian.org/images/a%00.iso', 'an encoded NUL'],
  ['https://cloud.debian.org.evil.example/images/a.iso', 'a host that begins so'],
  ['https://evil.example/https://cloud.debian.org/images/a.iso', 'the source in the path'],
  ['https://cloud.debian.org@evil.example/images/a.iso', 'the host as a user'],
  ['https://user:secret@cloud.debian.org/images/a.iso', 'a user and a password'],
  ['https://evil.example\\@cloud.debian.org/images/a.iso', 'a backslash'],
  ['https://cloud.debian.org./images/a.iso', 'a dot after the host'],
  ['https://mirror.lan/a.iso', 'the port left out'],
  ['http://10.0.0.5/isolinux/a.iso', 'a prefix inside a segment'],
  ['http://10.0.0.50/iso/a.iso', 'a longer address'],
] as const)
  test(`refused for ${why}: ${url}`, () => assert.notEqual(problem(url), undefined));

test('what is refused is not repeated', () => {
  for (const url of ['https://evil.example/a.iso', 'https://user:secret@cloud.debian.org/images/a.iso'])
    assert.doesNotMatch(problem(url) ?? '', /evil|secret/);
});
