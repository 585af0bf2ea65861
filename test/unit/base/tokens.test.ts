import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { digestOf, parseTokens, TokenError } from '../../../src/base/tokens.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function problemOf(text: string): string {
  try {
    parseTokens(text);
  } catch (error) {
    assert.ok(error instanceof TokenError);
    return error.message;
  }
  return assert.fail('the tokens were accepted');
}

test('a named token keeps its name and is known by its digest alone', () => {
  const [token, ...rest] = parseTokens('alice:0123456789');
  assert.deepEqual(rest, []);
  assert.equal(token?.name, 'alice');
  assert.equal(token?.digest.toString('hex'), sha256('0123456789'));
  assert.deepEqual(Object.keys(token ?? {}).sort(), ['digest', 'name']);
});

test('a bare token is named after its digest, wherever it stands', () => {
  const name = `token-${sha256('0123456789').slice(0, 8)}`;
  assert.equal(parseTokens('0123456789')[0]?.name, name);
  assert.equal(parseTokens('bob:abcdefgh\n0123456789')[1]?.name, name);
});

test('only the first colon parts name and token', () => {
  assert.equal(parseTokens('alice:01234:6789')[0]?.digest.toString('hex'), sha256('01234:6789'));
});

test('what cannot be a name belongs to the token', () => {
  assert.equal(parseTokens('a b:0123456789'.replace(' ', '/'))[0]?.name.startsWith('token-'), true);
  assert.equal(parseTokens(':0123456789')[0]?.digest.toString('hex'), sha256(':0123456789'));
});

test('empty lines, comments, blanks around a line and CRLF and a byte order mark do not matter', () => {
  const tokens = parseTokens('\ufeff# who may call\r\n\r\n  alice:0123456789 \r\n\tbob:9876543210\r\n');
  assert.deepEqual(
    tokens.map(({ name }) => name),
    ['alice', 'bob'],
  );
});

test('two tokens of one name are the two halves of a rotation', () => {
  assert.equal(parseTokens('alice:old-token-1\nalice:new-token-2').length, 2);
});

test('every fault names its line and never shows the token', () => {
  const faults: [text: string, problem: RegExp][] = [
    ['alice:short', /line 1 .*shorter than 8/],
    ['# fine\nalice:', /line 2 .*shorter than 8/],
    [`alice:${'x'.repeat(513)}`, /line 1 .*longer than 512/],
    ['alice:with space inside', /line 1 .*spaces/],
    ['alice:pässwörter', /line 1 .*ASCII/],
  ];
  for (const [text, problem] of faults) {
    const message = problemOf(text);
    assert.match(message, problem);
    assert.doesNotMatch(message, /short\b(?!er)|xxx|with space|pässw|0123456789/);
  }
});

test('lengths at the bounds are accepted', () => {
  assert.equal(parseTokens('12345678').length, 1);
  assert.equal(parseTokens('x'.repeat(512)).length, 1);
});

test('no token at all, too many, and the same one twice are faults', () => {
  assert.match(problemOf(''), /holds no token.*openssl rand/);
  assert.match(problemOf('# only a comment\n\n'), /holds no token/);
  const many = Array.from({ length: 1001 }, (_, index) => `token-number-${index}`);
  assert.match(problemOf(many.join('\n')), /more than 1000/);
  assert.equal(parseTokens(many.slice(1).join('\n')).length, 1000);
  assert.match(problemOf('alice:0123456789\nbob:0123456789'), /same token twice/);
});

test('a digest is SHA-256', () => {
  assert.equal(digestOf('abc').toString('hex'), sha256('abc'));
});
