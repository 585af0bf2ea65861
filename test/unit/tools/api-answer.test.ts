/** How much of an answer is handed on, and what is said of the rest. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { linesOf, partOf } from '../../../src/tools/api-answer.ts';

const wanted = { fields: undefined, offset: 0, limit: 100, maxChars: 1_000 };
const guests = Array.from({ length: 5 }, (_, place) => ({ vmid: 100 + place, name: `web${place}`, mem: 1 }));

describe('a list', () => {
  test('that has room comes whole', () => {
    assert.deepEqual(partOf(guests, wanted), { data: guests, total: 5 });
    assert.deepEqual(partOf([], wanted), { data: [], total: 0 });
  });

  test('comes in pages', () => {
    assert.deepEqual(partOf(guests, { ...wanted, limit: 2, offset: 1 }), {
      ...{ data: guests.slice(1, 3), total: 5 },
      note: 'Items 2 to 3 of 5. offset 3 shows more.',
    });
    assert.deepEqual(partOf(guests, { ...wanted, limit: 2, offset: 4 }).note, 'Items 5 to 5 of 5.');
    assert.deepEqual(partOf(guests, { ...wanted, offset: 5 }), {
      ...{ data: [], total: 5 },
      note: 'There is nothing from offset 5 on.',
    });
  });

  test('keeps the fields that are asked for, or says which there are', () => {
    assert.deepEqual(partOf(guests, { ...wanted, fields: ['vmid', 'none'], limit: 1 }).data, [{ vmid: 100 }]);
    assert.match(partOf(guests, { ...wanted, fields: ['none'] }).note ?? '', /there are vmid, name, mem\./);
  });

  test('ends where the room does', () => {
    const part = partOf(guests, { ...wanted, maxChars: 80 });
    assert.deepEqual(part.data, guests.slice(0, 2));
    assert.match(
      part.note ?? '',
      /^Items 1 to 2 of 5\. More have no room in one result: use fields, or offset 2\.$/,
    );
    assert.ok(JSON.stringify(part.data).length <= 80);
  });

  test('whose first item has no room shows its beginning', () => {
    const part = partOf([{ log: 'x'.repeat(500) }], { ...wanted, maxChars: 100 });
    assert.equal(part.data, `{"log":"${'x'.repeat(92)}`);
    assert.match(part.note ?? '', /has 510 characters, of which 100 are shown; .*its fields: log\./);
  });
});

describe('anything else', () => {
  test('that has room comes whole, nothing as null', () => {
    assert.deepEqual(partOf({ a: 1 }, wanted), { data: { a: 1 } });
    assert.deepEqual(partOf('text', wanted), { data: 'text' });
    assert.deepEqual(partOf(undefined, wanted), { data: null });
    assert.deepEqual(partOf({ a: 1, b: 2 }, { ...wanted, fields: ['b'] }), { data: { b: 2 } });
    assert.deepEqual(partOf({ a: 1 }, { ...wanted, fields: ['b'] }), {
      ...{ data: {} },
      note: 'There are no such fields; there are a.',
    });
  });

  test('that has none shows its beginning, without half a character', () => {
    const part = partOf('😀'.repeat(200), { ...wanted, maxChars: 101 });
    assert.equal(part.data, `${'😀'.repeat(50)}\ufffd`);
    assert.match(part.note ?? '', /^The answer has 400 characters, of which 101 are shown/);
  });
});

describe('for a reader', () => {
  const shown: readonly [unknown, string[]][] = [
    [
      [{ a: 1 }, 'x'],
      ['{"a":1}', 'x'],
    ],
    [{ a: 'text', b: [1, 2] }, ['a: text', 'b: [1,2]']],
    ['one\ntwo', ['one', 'two']],
    [7, ['7']],
    [null, []],
    [undefined, []],
    [{ evil: 'a\nb\u202ec\u001b[31m' }, ['evil: a\\u{a}b\\u{202e}c\\u{1b}[31m']],
  ];
  for (const [data, lines] of shown)
    test(JSON.stringify(data) ?? 'nothing', () => {
      assert.deepEqual(linesOf(data), lines);
    });
});
