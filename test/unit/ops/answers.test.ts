import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flag, Num, Text } from '../../../src/ops/answers.ts';

test('a number may come as text, and what is none counts as absent', () => {
  const values = [1, 0, '1.5', '-2', ' 3 ', '', '  ', 'x', '1e999', Number.NaN, null, undefined, true, [1]];
  assert.deepEqual(
    values.map((value) => Num.parse(value)),
    [1, 0, 1.5, -2, 3, ...Array<undefined>(9).fill(undefined)],
  );
});

test('text may come as a number, and nothing else counts', () => {
  assert.deepEqual(
    ['a', '', 9, null, undefined, true, {}].map((value) => Text.parse(value)),
    ['a', '', '9', undefined, undefined, undefined, undefined],
  );
});

test('what is true is one, in whatever form, and what is absent stays so', () => {
  assert.deepEqual(
    [1, '1', true, 0, '0', '', null, undefined, false, 'yes'].map((value) => Flag.parse(value)),
    [true, true, true, false, false, false, false, undefined, false, false],
  );
});
