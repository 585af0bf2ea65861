import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesText, durationText, percentText } from '../../../src/base/quantities.ts';

const bytes: readonly (readonly [number, string])[] = [
  [0, '0 B'],
  [1, '1 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [10 * 1024 + 100, '10.1 KiB'],
  [1024 ** 2 - 1, '1 MiB'],
  [1.25 * 1024 ** 3, '1.25 GiB'],
  [25_276_502_016, '23.5 GiB'],
  [350 * 1024 ** 3, '350 GiB'],
  [2 ** 70, '1024 EiB'],
];
for (const [count, text] of bytes)
  test(`${count} bytes are ${text}`, () => assert.equal(bytesText(count), text));

const durations: readonly (readonly [number, string])[] = [
  [0, '0 s'],
  [-5, '0 s'],
  [59.4, '59 s'],
  [60, '1 min'],
  [61, '1 min 1 s'],
  [3_600, '1 h'],
  [3_605, '1 h'],
  [90_061, '1 d 1 h'],
  [518_400, '6 d'],
];
for (const [seconds, text] of durations)
  test(`${seconds} seconds are ${text}`, () => assert.equal(durationText(seconds), text));

test('a percentage has one digit, where it says something', () => {
  assert.deepEqual([0, 12.34, 99.96, 100, 0.04].map(percentText), ['0 %', '12.3 %', '100 %', '100 %', '0 %']);
});
