/** Files that do not stay as they are while they are copied: what comes is one of their contents, or an error. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, failureOf } from '../gateway/harness.ts';
import { startGet } from './direct.ts';
import { type Hands, movedBy, sumOf } from './hands.ts';
import { vmids } from './site.ts';

/** More than fits into all that lies between a reader and a file. */
const bytes = 20 * 1024 * 1024;
const slowPctMs = 700;

const made = (letter: string, count = bytes) => `head -c ${count} /dev/zero | tr '\\0' ${letter}`;

const changes: readonly (readonly [what: string, lines: string])[] = [
  ['grows', 'printf more >>f'],
  ['shrinks', 'truncate -s 1000 f'],
  ['is emptied', ': >f'],
  ['is written anew', `${made('n')} >n; cat n >f`],
  ['is exchanged for another', `${made('n')} >n; mv n f`],
  ['is removed', 'rm f'],
];

/** MAX_FILE_SIZE is above those files. */
export function changing(hands: () => Hands): void {
  for (const [what, lines] of changes)
    test(`a file that ${what} while it is fetched comes whole as it was, or not at all`, () =>
      changedWhileFetched(hands(), lines));

  test('a file that never stops growing comes as it was at one moment, or not at all', async () => {
    const directory = await hands().fresh(`${made('o', 1_000_000)} >f`);
    await hands().sh(
      `cd ${directory} && { (until [ -e stop ]; do echo another line >>f; done) >/dev/null 2>&1 & }; :`,
    );
    try {
      for (let round = 0; round < 3; round++) {
        const result = await hands().down(`${directory}/f`, { local_path: 'growing', overwrite: true });
        if (result.isError === true) assert.equal(failureOf(result).code, 'FILE_CHANGED');
        else assert.equal(movedBy(result).sha256, sumOf(await readFile(join(hands().folder, 'growing'))));
      }
    } finally {
      await hands().sh(`touch ${directory}/stop`);
    }
  });

  test('a file that is exchanged all the time comes as one of both', async () => {
    const directory = await hands().fresh(`${made('a', 700_000)} >a; ${made('b', 700_000)} >b; cp a f`);
    await hands().sh(
      `cd ${directory} && { (until [ -e stop ]; do for n in a b; do cp $n n; mv n f; done; done) >/dev/null 2>&1 & }; :`,
    );
    const both = ['a', 'b'].map((letter) => sumOf(Buffer.alloc(700_000, letter)));
    try {
      for (let round = 0; round < 6; round++) {
        const result = await hands().down(`${directory}/f`);
        if (result.isError === true) assert.equal(failureOf(result).code, 'FILE_CHANGED');
        else assert.ok(both.includes(movedBy(result).sha256), 'a mixture came');
      }
    } finally {
      await hands().sh(`touch ${directory}/stop`);
    }
  });
}

/** In a container that can tell no SHA-256 beforehand. */
export function changingUnsummed(hands: () => Hands): void {
  for (const [what, lines] of changes)
    test(`without sha256sum, a file that ${what} while it is fetched does not come mixed`, async () =>
      changedWhileFetched(await hands().with({ vmid: vmids.bare }), lines));
}

async function changedWhileFetched(hands: Hands, lines: string): Promise<void> {
  const directory = await hands.fresh(`${made('o')} >f`);
  const get = await startGet(hands, `${directory}/f`);
  assert.equal(Number(get.headers['content-length']), bytes);
  await hands.sh(`cd ${directory} && { ${lines}\n}`);
  const got = await get.rest().then(sumOf, () => 'broken');
  assert.ok(['broken', sumOf(Buffer.alloc(bytes, 'o'))].includes(got), 'a mixture came');
  await hands.sh(`rm -rf ${directory}`);
}

/** Where files are staged. */
export function changingBeforePull(hands: () => Hands): void {
  for (const [what, lines] of changes)
    test(`a file that ${what} before pct has pulled it does not come`, async () => {
      const directory = await hands().fresh(`${made('o', 200_000)} >f`);
      hands().site.slowPct(slowPctMs);
      try {
        const down = hands().down(`${directory}/f`, { local_path: 'changed', overwrite: true });
        const pulling = async () => (await hands().site.processes()).some((line) => /pct pull/.test(line));
        await eventually(async () => ((await pulling()) ? true : undefined));
        // Below the size at which the one that pulls makes its pause.
        await hands().sh(`cd ${directory} && { ${lines.replaceAll(String(bytes), '200000')}\n}`);
        const result = await down;
        if (result.isError === true) assert.equal(failureOf(result).code, 'FILE_CHANGED');
        else assert.equal(movedBy(result).sha256, sumOf(Buffer.alloc(200_000, 'o')));
        assert.equal(result.isError === true, !existsSync(join(hands().folder, 'changed')));
      } finally {
        hands().site.slowPct(0);
      }
    });
}
