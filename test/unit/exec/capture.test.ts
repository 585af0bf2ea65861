import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Captured, createCapture, wholeText } from '../../../src/exec/capture.ts';

function capture(maxBytes: number, chunks: readonly (string | Buffer)[]): Captured {
  const stream = createCapture({ maxBytes });
  for (const chunk of chunks) stream.push(Buffer.from(chunk));
  return stream.result();
}

const parts = ({ head, tail }: Captured) => [head.toString('latin1'), tail.toString('latin1')];

test('nothing at all', () => {
  const empty = { head: Buffer.alloc(0), tail: Buffer.alloc(0), totalBytes: 0, totalChars: 0 };
  assert.deepEqual(capture(10, []), empty);
  assert.deepEqual(capture(10, ['', '']), empty);
});

test('up to exactly the bound everything is kept, in the head alone', () => {
  for (let length = 0; length <= 10; length++) {
    const text = '0123456789'.slice(0, length);
    assert.deepEqual(parts(capture(10, [text])), [text, '']);
    assert.deepEqual(parts(capture(10, [...text])), [text, '']);
  }
});

test('one byte beyond the bound leaves head and tail of half each', () => {
  assert.deepEqual(parts(capture(10, ['0123456789a'])), ['01234', '6789a']);
  assert.deepEqual(parts(capture(10, [...'0123456789a'])), ['01234', '6789a']);
});

test('the same stream gives the same result however it is cut', () => {
  const text = Array.from({ length: 300 }, (_, index) => String.fromCharCode(33 + (index % 90))).join('');
  const expected = capture(64, [text]);
  assert.deepEqual(parts(expected), [text.slice(0, 32), text.slice(-32)]);
  for (let size = 1; size <= 150; size++) {
    const chunks: string[] = [];
    for (let at = 0; at < text.length; at += size) chunks.push(text.slice(at, at + size));
    assert.deepEqual(capture(64, chunks), expected, `chunks of ${size}`);
  }
});

test('never more than the bound is kept, odd bounds included', () => {
  for (let maxBytes = 1; maxBytes <= 21; maxBytes++) {
    for (let total = 0; total <= 50; total++) {
      const { head, tail, totalBytes } = capture(maxBytes, ['x'.repeat(total)]);
      assert.equal(totalBytes, total);
      assert.ok(head.length + tail.length <= maxBytes, `${head.length} + ${tail.length} of ${maxBytes}`);
    }
  }
});

test('characters are counted over the whole stream, also when chunks part them', () => {
  const text = Buffer.from('aé日🙂'.repeat(50));
  for (let size = 1; size <= 7; size++) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < text.length; at += size) chunks.push(text.subarray(at, at + size));
    const { totalBytes, totalChars } = capture(16, chunks);
    assert.deepEqual([totalBytes, totalChars], [500, 200]);
  }
});

test('a chunk whose memory is used again afterwards does not change the tail', () => {
  const stream = createCapture({ maxBytes: 8 });
  stream.push(Buffer.from('head'));
  const reused = Buffer.from('0123456789');
  stream.push(reused);
  reused.fill('!');
  assert.deepEqual(parts(stream.result()), ['head', '6789']);
});

test('a result may be read while the stream goes on', () => {
  const stream = createCapture({ maxBytes: 8 });
  stream.push(Buffer.from('abcdefgh'));
  assert.deepEqual(parts(stream.result()), ['abcdefgh', '']);
  stream.push(Buffer.from('ij'));
  assert.deepEqual(parts(stream.result()), ['abcd', 'ghij']);
  assert.deepEqual(parts(stream.result()), ['abcd', 'ghij']);
});

test('a long stream is held in bounded memory', () => {
  const stream = createCapture({ maxBytes: 1000 });
  const chunk = Buffer.alloc(64 * 1024, 'x');
  for (let round = 0; round < 2000; round++) stream.push(chunk);
  const { head, tail, totalBytes, totalChars } = stream.result();
  assert.deepEqual([head.length, tail.length], [500, 500]);
  assert.deepEqual([totalBytes, totalChars], [131_072_000, 131_072_000]);
});

test('small output is read as one text', () => {
  assert.equal(wholeText(capture(100, ['grü', 'n'])), 'grün');
  assert.equal(wholeText(capture(4, ['abcdef'])), 'abef');
});
