import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createSealer } from '../../../src/mcp/seal.ts';

const key = randomBytes(32);
const sealer = createSealer({ key, purpose: 'test 1', maxChars: 500 });

test('what was sealed opens again, for the same purpose and with the same key alone', () => {
  const value = { a: [1, 'é'], b: null };
  const sealed = sealer.seal(value);
  assert.deepEqual(sealer.open(sealed), value);
  assert.deepEqual(createSealer({ key, purpose: 'test 1', maxChars: 500 }).open(sealed), value);
  assert.equal(createSealer({ key, purpose: 'test 2', maxChars: 500 }).open(sealed), undefined);
  const otherKey = { key: randomBytes(32), purpose: 'test 1', maxChars: 500 };
  assert.equal(createSealer(otherKey).open(sealed), undefined);
});

test('what was altered, cut, lengthened or made up does not open', () => {
  const sealed = sealer.seal('value');
  for (let at = 0; at < sealed.length; at++) {
    const other = sealed[at] === 'A' ? 'B' : 'A';
    assert.equal(sealer.open(sealed.slice(0, at) + other + sealed.slice(at + 1)), undefined);
    assert.equal(sealer.open(sealed.slice(0, at)), undefined);
  }
  for (const made of [`${sealed}=`, `${sealed}A`, ` ${sealed}`, '', 'A', 'A'.repeat(60), '\0'])
    assert.equal(sealer.open(made), undefined);
});

test('what would be too long is not sealed', () => {
  assert.ok(sealer.seal('x'.repeat(300)).length <= 500);
  assert.throws(() => sealer.seal('x'.repeat(400)), RangeError);
  assert.equal(sealer.open('A'.repeat(501)), undefined);
});
