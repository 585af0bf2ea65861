import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { keepKey } from '../../../src/state/key-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'key-file-test-'));
after(() => rmSync(folder, { recursive: true }));

test('a key is made once and read from then on', () => {
  const file = join(folder, 'made', 'session.key');
  const key = keepKey(file);
  assert.equal(key.length, 32);
  assert.deepEqual(keepKey(file), key);
  assert.deepEqual(readFileSync(file), key);
});

test('only the gateway can read it', () => {
  const file = join(folder, 'private', 'session.key');
  keepKey(file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(join(folder, 'private')).mode & 0o777, 0o700);
});

test('two gateways have two keys', () => {
  assert.notDeepEqual(keepKey(join(folder, 'one.key')), keepKey(join(folder, 'two.key')));
});

for (const length of [0, 31, 33]) {
  test(`a file of ${length} bytes is no key and is replaced`, () => {
    const file = join(folder, `length-${length}.key`);
    writeFileSync(file, Buffer.alloc(length));
    const key = keepKey(file);
    assert.equal(key.length, 32);
    assert.notDeepEqual(key, Buffer.alloc(32));
    assert.deepEqual(keepKey(file), key);
  });
}

test('a replaced key is no more readable than a new one', () => {
  const file = join(folder, 'open.key');
  writeFileSync(file, 'short');
  chmodSync(file, 0o644);
  keepKey(file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('where the key cannot be kept the reason is thrown', () => {
  const file = join(folder, 'directory');
  mkdirSync(file);
  assert.throws(() => keepKey(file), { code: 'EISDIR' });
  writeFileSync(join(folder, 'file'), 'x');
  assert.throws(() => keepKey(join(folder, 'file', 'session.key')), { code: /ENOTDIR|EEXIST/ });
});
