/** The largest that goes, and one byte more. */
import assert from 'node:assert/strict';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startGet, startPut } from './direct.ts';
import { contentOf, failing, type Hands, lastStaged, lookAt, movedBy, sumOf } from './hands.ts';

const maxFileBytes = 10_485_760;
const maxInlineBytes = 1_048_576;

const fill = (bytes: number) => `head -c ${bytes} /dev/zero | tr '\\0' z >f`;

export function limits(hands: () => Hands): void {
  test('as content goes INLINE_MAX_BYTES, and not a byte more', async () => {
    const directory = await hands().fresh('printf old >g');
    const most = 'ü'.repeat(maxInlineBytes / 2);
    assert.equal(movedBy(await hands().up(`${directory}/f`, { content: most })).sha256, sumOf(most));
    const binary = Buffer.alloc(maxInlineBytes + 1, 0xff);
    const sent = { content: binary.subarray(1).toString('base64'), encoding: 'base64', overwrite: true };
    assert.equal(movedBy(await hands().up(`${directory}/f`, sent)).bytes_transferred, maxInlineBytes);
    const [before, staged] = [await lookAt(hands(), directory), await lastStaged(hands())];
    for (const args of [
      { content: `${most}a` },
      { content: binary.toString('base64'), encoding: 'base64' },
    ]) {
      const failure = await failing(
        hands().up(`${directory}/g`, { ...args, overwrite: true }),
        'TOO_LARGE_INLINE',
      );
      assert.match(failure.suggestion, /transfer: "url"/);
    }
    assert.equal(await lookAt(hands(), directory), before);
    assert.equal(await lastStaged(hands()), staged);
  });

  test('in a result comes INLINE_MAX_BYTES, and not a byte more', async () => {
    const directory = await hands().fresh(fill(maxInlineBytes));
    assert.equal(contentOf(movedBy(await hands().down(`${directory}/f`))).length, maxInlineBytes);
    await hands().sh(`printf a >>${directory}/f`);
    const staged = await lastStaged(hands());
    const failure = await failing(hands().down(`${directory}/f`), 'TOO_LARGE_INLINE');
    assert.match(failure.suggestion, /transfer: "url"/);
    await failing(
      hands().down(`${directory}/f`, { offset: 0, length: maxInlineBytes + 1 }),
      'TOO_LARGE_INLINE',
    );
    assert.equal(await lastStaged(hands()), staged);
    const part = movedBy(await hands().down(`${directory}/f`, { offset: 1, length: maxInlineBytes }));
    assert.equal(contentOf(part).at(-1), 0x61);
  });

  test('up goes MAX_FILE_SIZE, and not a byte more', async () => {
    const directory = await hands().fresh('printf old >g');
    const local = join(hands().folder, 'large');
    await writeFile(local, Buffer.alloc(maxFileBytes, 'z'));
    const sent = movedBy(await hands().up(`${directory}/f`, { local_path: 'large' }));
    assert.equal(sent.bytes_transferred, maxFileBytes);
    assert.equal((await hands().sh(`sha256sum <${directory}/f`)).slice(0, 64), sent.sha256);
    await truncate(local, maxFileBytes + 1);
    const [before, staged] = [await lookAt(hands(), directory), await lastStaged(hands())];
    const failure = await failing(
      hands().up(`${directory}/g`, { local_path: 'large', overwrite: true }),
      'TOO_LARGE',
    );
    assert.match(failure.error, /MAX_FILE_SIZE/);
    assert.equal(await lookAt(hands(), directory), before);
    assert.equal(await lastStaged(hands()), staged);
    await rm(local);
  });

  test('down comes MAX_FILE_SIZE, and not a byte more', async () => {
    const directory = await hands().fresh(fill(maxFileBytes));
    const got = movedBy(await hands().down(`${directory}/f`, { local_path: 'most', overwrite: true }));
    const expected = Buffer.alloc(maxFileBytes, 'z');
    assert.equal(got.sha256, sumOf(expected));
    assert.ok((await readFile(join(hands().folder, 'most'))).equals(expected));
    await hands().sh(`printf a >>${directory}/f`);
    const staged = await lastStaged(hands());
    const failure = await failing(hands().down(`${directory}/f`, { local_path: 'more' }), 'TOO_LARGE');
    assert.match(failure.error, /MAX_FILE_SIZE/);
    assert.equal(await lastStaged(hands()), staged);
    await assert.rejects(readFile(join(hands().folder, 'more')));
  });

  test('by URL goes and comes the same, without an announced length too', async () => {
    const directory = await hands().fresh('printf old >g');
    const content = Buffer.alloc(maxFileBytes, 'z');
    const put = await startPut(hands(), `${directory}/f`, {}, { announced: undefined });
    put.send(content);
    assert.equal((await put.end()).status, 201);
    const got = await startGet(hands(), `${directory}/f`);
    assert.equal(sumOf(await got.rest()), sumOf(content));
    const before = await lookAt(hands(), directory);
    const more = await startPut(hands(), `${directory}/g`, { overwrite: true }, { announced: undefined });
    more.send(content);
    more.send(Buffer.from('a'));
    const { status, code } = await more.end();
    assert.deepEqual([status, code], [413, 'TOO_LARGE']);
    assert.equal(await lookAt(hands(), directory), before);
  });
}
