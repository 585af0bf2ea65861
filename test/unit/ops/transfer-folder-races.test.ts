/** Two that want one name, and somebody who swaps names all the time while files are read and written. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { GatewayError } from '../../../src/base/errors.ts';
import { createTransferFolder, type TransferFolder } from '../../../src/ops/files/transfer-folder.ts';

const base = mkdtempSync(join(tmpdir(), 'transfer-races-test-'));
after(() => rmSync(base, { recursive: true }));
const onLinux = { skip: process.platform !== 'linux' && 'handles can be walked on Linux only' };
const rounds = 1_000;
const maxMs = 30_000;

async function put(folder: TransferFolder, localPath: string, content: string, overwrite: boolean) {
  const sink = folder.createSink(localPath, { overwrite });
  try {
    await sink.begin({ size: content.length, sha256: undefined });
    await sink.write(Buffer.from(content));
    await sink.end(AbortSignal.any([]));
  } finally {
    await sink.abort();
  }
}

async function contentOf(folder: TransferFolder, localPath: string): Promise<string> {
  const source = await folder.openSource(localPath);
  const all: Uint8Array[] = [];
  for await (const chunk of source.chunks) all.push(chunk);
  await source.close();
  return String(Buffer.concat(all));
}

test('of two that race for one name exactly one wins, each time', async () => {
  const directory = mkdtempSync(join(base, 'names-'));
  // Two gateways that share the folder know as little of each other as two sinks of one.
  const folders = [createTransferFolder({ directory }), createTransferFolder({ directory })];
  for (let round = 0; round < 50; round++) {
    const name = `file-${round}`;
    const ends = await Promise.allSettled(folders.map((folder, who) => put(folder, name, `${who}`, false)));
    const winners = ends.flatMap(({ status }, who) => (status === 'fulfilled' ? [`${who}`] : []));
    assert.equal(winners.length, 1, `round ${round}`);
    assert.equal(readFileSync(join(directory, name), 'utf8'), winners[0]);
    const [lost] = ends.filter((end) => end.status === 'rejected');
    assert.equal(lost?.reason.code, 'FILE_EXISTS');
  }
  assert.equal(readdirSync(directory).length, 50);
});

test('of eight that replace one file each leaves it whole', async () => {
  const directory = mkdtempSync(join(base, 'whole-'));
  const folder = createTransferFolder({ directory });
  const contents = Array.from({ length: 8 }, (_, who) => `${who}`.repeat(100_000));
  const look = async () => {
    const content = await contentOf(folder, 'file');
    assert.ok(contents.includes(content), `${content.length} bytes`);
  };
  await Promise.all(contents.map((content) => put(folder, 'file', content, true).then(look)));
  assert.deepEqual(readdirSync(directory), ['file']);
});

/** A folder in which another process swaps `name` for a link that leads out, and back, as fast as it can. */
async function swapped(t: TestContext, name: 'sub' | 'sub/file') {
  const world = mkdtempSync(join(base, 'swap-'));
  const [inside, outside] = [join(world, 'inside'), join(world, 'outside')];
  for (const directory of [inside, outside, join(inside, 'sub')]) mkdirSync(directory);
  writeFileSync(join(inside, 'sub', 'file'), 'inside');
  writeFileSync(join(outside, 'file'), 'OUTSIDE');
  const [target, real, lure] = [join(inside, name), join(inside, 'real'), join(inside, 'link')];
  const out = name === 'sub' ? outside : join(outside, 'file');
  symlinkSync(out, lure);
  // A sink may have put a file in the place of the link, so that there a new one is needed each time.
  const turn =
    name === 'sub'
      ? 'renameSync(target, lure), renameSync(real, target);'
      : 'renameSync(real, target), symlinkSync(out, lure);';
  const program = `
    const { renameSync, symlinkSync } = require('node:fs');
    const [target, real, lure, out] = process.argv.slice(1);
    process.stdout.write('.');
    for (;;) {
      renameSync(target, real), renameSync(lure, target);
      ${turn}
    }`;
  const child = spawn(process.execPath, ['-e', program, target, real, lure, out], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const stop = async () => {
    if (child.signalCode !== null) return;
    assert.equal(child.exitCode, null, 'names were swapped to the end');
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  t.after(stop);
  await once(child.stdout, 'data');
  return { inside, outside, stop, folder: createTransferFolder({ directory: inside, byHandle: true }) };
}

/** At least 1,000 rounds, and on until it went well and was refused both: else nothing was swapped at all. */
async function tally(once: (round: number) => Promise<string>): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const until = performance.now() + maxMs;
  for (let round = 0; round < rounds || (counts.size < 2 && performance.now() < until); round++) {
    const end = await once(round).catch((error: unknown) => {
      if (error instanceof GatewayError) return error.code;
      throw error;
    });
    counts.set(end, (counts.get(end) ?? 0) + 1);
  }
  return counts;
}

for (const name of ['sub', 'sub/file'] as const) {
  test(`no byte from outside is read while ${name} is swapped for a link`, onLinux, async (t) => {
    const { folder } = await swapped(t, name);
    const counts = await tally(() => contentOf(folder, 'sub/file'));
    const refusals = ['FILE_NOT_FOUND', 'DIRECTORY_NOT_FOUND', 'INVALID_ARGUMENT'];
    assert.ok(counts.delete('inside'), 'it was read now and then');
    assert.ok(counts.size > 0, 'it was refused now and then');
    assert.deepEqual(
      [...counts.keys()].filter((end) => !refusals.includes(end)),
      [],
    );
  });

  test(`nothing is written outside while ${name} is swapped for a link`, onLinux, async (t) => {
    const { inside, outside, stop, folder } = await swapped(t, name);
    const path = (round: number) => (name === 'sub' ? `sub/out-${round}` : 'sub/file');
    const counts = await tally((round) => put(folder, path(round), 'written', true).then(() => 'written'));
    await stop();
    assert.ok((counts.get('written') ?? 0) > 0, 'it was written now and then');
    assert.ok(counts.size > 1, 'it was refused now and then');
    assert.deepEqual(readdirSync(outside), ['file']);
    assert.equal(readFileSync(join(outside, 'file'), 'utf8'), 'OUTSIDE');
    const left = readdirSync(inside, { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      left.filter((each) => each.includes('.part')),
      [],
    );
    if (name === 'sub') {
      const directory = ['sub', 'real']
        .map((each) => join(inside, each))
        .find((each) => lstatSync(each, { throwIfNoEntry: false })?.isDirectory());
      const written = readdirSync(directory ?? '').filter((each) => each.startsWith('out-'));
      assert.equal(written.length, counts.get('written'));
    }
  });
}
