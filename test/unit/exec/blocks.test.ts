import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inBlocks } from '../../../src/exec/blocks.ts';

async function* chunksOf(lengths: readonly number[], asked?: { count: number }): AsyncIterable<Uint8Array> {
  let at = 0;
  for (const length of lengths) {
    if (asked !== undefined) asked.count += 1;
    yield Uint8Array.from({ length }, (_, index) => (at + index) % 251);
    at += length;
  }
}

async function blocksOf(lengths: readonly number[], blockBytes: number): Promise<Buffer[]> {
  const blocks: Buffer[] = [];
  for await (const block of inBlocks(chunksOf(lengths), blockBytes)) blocks.push(block);
  return blocks;
}

for (const [what, lengths] of [
  ['none', []],
  ['empty chunks alone', [0, 0]],
  ['one byte', [1]],
  ['one block', [10]],
  ['one block and one byte', [11]],
  ['many blocks in one chunk', [105]],
  ['chunks smaller than a block', [3, 3, 3, 3, 3, 0, 3]],
  ['chunks across the bounds of blocks', [7, 25, 0, 1, 9, 10, 20, 8]],
] as const)
  test(`of ${what} come whole blocks, a shorter last one, and every byte in order`, async () => {
    const total = lengths.reduce((sum: number, length) => sum + length, 0);
    const blocks = await blocksOf(lengths, 10);
    assert.deepEqual(
      blocks.map(({ length }) => length),
      [...Array(Math.floor(total / 10)).fill(10), ...(total % 10 > 0 ? [total % 10] : [])],
    );
    const expected = Buffer.from(Array.from({ length: total }, (_, index) => index % 251));
    assert.deepEqual(Buffer.concat(blocks), expected);
  });

test('a chunk that is a block already, or holds some, passes without a copy', async () => {
  const chunk = Buffer.alloc(12, 7);
  const source = async function* () {
    yield chunk;
  };
  for await (const block of inBlocks(source(), 4)) {
    assert.equal(block.buffer, chunk.buffer);
    assert.deepEqual(block, Buffer.alloc(4, 7));
  }
});

test('no more is asked of the source than the blocks that are taken need', async () => {
  const asked = { count: 0 };
  for await (const block of inBlocks(chunksOf(Array(100).fill(10), asked), 20)) {
    assert.equal(block.length, 20);
    if (asked.count >= 6) break;
  }
  assert.equal(asked.count, 6);
});

test('the failure of the source comes out, and no short block in its place', async () => {
  const source = async function* () {
    yield new Uint8Array(15);
    throw new Error('the source broke');
  };
  const lengths: number[] = [];
  await assert.rejects(async () => {
    for await (const { length } of inBlocks(source(), 10)) lengths.push(length);
  }, /the source broke/);
  assert.deepEqual(lengths, [10]);
});
