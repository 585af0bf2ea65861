/** Patterns of a node: those that are run, and those that could run for ever. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fits } from '../../../../src/pve/schema/pattern.ts';

const tried: readonly [pattern: string, value: string, boolean][] = [
  ['[a-z]+', 'abc', true],
  ['[a-z]+', 'abc1', false],
  ['[a-z]+', 'abc\n', false],
  ['a|b', 'b', true],
  ['a|b', 'bx', false],
  ['(?^:x+)', 'xx', true],
  ['(?^i:[a-z]+)', 'ABC', true],
  ['(?^u:[a-z]+)', 'ABC', false],
  ['([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}', `${'aB:'.repeat(31)}00`, true],
  ['([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}', 'aB', false],
  ['(/dev/[^,]+|socket)', 'socket', true],
  ['[(*]+\\(\\)', '(*()', true],
];
for (const [pattern, value, answer] of tried)
  test(`${pattern} ${answer ? 'fits' : 'does not fit'} ${JSON.stringify(value.slice(0, 12))}`, () => {
    assert.equal(fits(pattern, value), answer);
  });

const left = [
  '(a+)+',
  '(a|a)*',
  '(a?a)*',
  '((a*)b)*',
  '(?:a{1,9}){2,}',
  '(a*){9}',
  '(?:(?^i:a*))+',
  'a*a*a*a*',
  '(?:a|aa)'.repeat(26),
  'a?'.repeat(26),
  `a*a*${'(?:a|b)'.repeat(9)}`,
  '(.)\\1',
  'a(?=b)',
  '(?<!a)b',
  '(?<x>a)',
  '(?>a)',
  '(?(1)a)',
  'a++',
  '[',
  '(',
];
for (const pattern of left)
  test(`${pattern} is left to the node`, () => {
    assert.equal(fits(pattern, `${'a'.repeat(40)}!`), undefined);
  });

test('a long value is left to the node', () => {
  assert.equal(fits('a*', 'a'.repeat(256)), true);
  assert.equal(fits('a*', 'a'.repeat(257)), undefined);
});
