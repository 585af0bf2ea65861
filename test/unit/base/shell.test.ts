import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLine, quote } from '../../../src/base/shell.ts';

test('an argument is quoted even where it would not need it', () => {
  assert.equal(quote('ls'), "'ls'");
  assert.equal(quote(''), "''");
});

test('a quote inside closes, escapes and opens again', () => {
  assert.equal(quote("a'b"), "'a'\\''b'");
  assert.equal(quote("'"), "''\\'''");
});

test('everything else stays as it is between the quotes', () => {
  const text = '$(id) `id` "x" \\ \n\t * ? ~ ! # & ; | < > { } [ ] = % \u001b é 🙂';
  assert.equal(quote(text), `'${text}'`);
});

test('what no argument can carry is refused', () => {
  assert.throws(() => quote('a\0b'), { name: 'RangeError', message: /NUL/ });
  assert.throws(() => quote('\ud800'), { name: 'RangeError', message: /Unicode/ });
  assert.throws(() => quote('a\udc00b'), { name: 'RangeError', message: /Unicode/ });
  assert.throws(() => commandLine(['echo', 'fine', 'a\0']), { name: 'RangeError' });
});

test('the refusal does not repeat the text', () => {
  assert.throws(
    () => quote('hunter2\0'),
    (error: Error) => !error.message.includes('hunter2'),
  );
});

test('arguments are joined by single spaces, in order', () => {
  assert.equal(commandLine(['pct', 'exec', '100', '--', "it's"]), `'pct' 'exec' '100' '--' 'it'\\''s'`);
  assert.equal(commandLine([]), '');
});
