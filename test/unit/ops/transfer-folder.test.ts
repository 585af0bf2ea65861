import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import type { ErrorCode } from '../../../src/base/errors.ts';
import { createTransferFolder, type TransferFolder } from '../../../src/ops/files/transfer-folder.ts';

const base = mkdtempSync(join(tmpdir(), 'transfer-folder-test-'));
after(() => rmSync(base, { recursive: true }));

/** A folder, with something beside it that must stay out of reach. */
function world(byHandle: boolean) {
  const directory = mkdtempSync(join(base, 'world-'));
  const [inside, outside] = [join(directory, 'inside'), join(directory, 'outside')];
  mkdirSync(join(inside, 'sub'), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'OUTSIDE');
  return { inside, outside, folder: createTransferFolder({ directory: inside, byHandle }) };
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

async function contentOf(folder: TransferFolder, localPath: string): Promise<Buffer> {
  const source = await folder.openSource(localPath);
  try {
    return await bytesOf(source.chunks);
  } finally {
    await source.close();
  }
}

async function put(folder: TransferFolder, localPath: string, content: string, overwrite = false) {
  const sink = folder.createSink(localPath, { overwrite });
  await sink.begin({ size: Buffer.byteLength(content), sha256: undefined });
  await sink.write(Buffer.from(content));
  await sink.end(AbortSignal.any([]));
}

const code = (expected: ErrorCode) => ({ name: 'GatewayError', code: expected });
const namesIn = (directory: string) => readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
const oldTemporary = '.proxmox-mcp-01234567-89ab-cdef-0123-456789abcdef.part';

const ways = process.platform === 'linux' ? [true, false] : [false];
for (const byHandle of ways)
  describe(byHandle ? 'directories held open by handle' : 'directories compared by path', () => {
    test('a file is read by its relative and its absolute path', async () => {
      const { inside, folder } = world(byHandle);
      writeFileSync(join(inside, 'sub', 'dump.sql'), 'select 1');
      const spellings = [
        'sub/dump.sql',
        './sub//./dump.sql',
        `${inside}/sub/dump.sql`,
        `/${inside}//sub/dump.sql`,
      ];
      for (const path of spellings) assert.equal(String(await contentOf(folder, path)), 'select 1', path);
    });

    test('a folder that is itself a link is used, and by its own name', async () => {
      const { inside, outside } = world(byHandle);
      symlinkSync(inside, join(outside, 'folder'));
      const folder = createTransferFolder({ directory: join(outside, 'folder'), byHandle });
      await put(folder, join(outside, 'folder', 'sub', 'file'), 'there');
      assert.equal(String(await contentOf(folder, 'sub/file')), 'there');
      assert.equal(readFileSync(join(inside, 'sub', 'file'), 'utf8'), 'there');
    });

    test('names arrive byte for byte', async () => {
      const { inside, folder } = world(byHandle);
      const names = [
        ' ',
        '-rf',
        '\'"$(id)`',
        'a\nb',
        '*',
        '...',
        '..a',
        '日本🙂',
        '\\..\\x',
        'é',
        'x'.repeat(255),
      ];
      for (const name of names) await put(folder, `sub/${name}`, name);
      assert.deepEqual(readdirSync(join(inside, 'sub')).sort(), names.toSorted());
      for (const name of names) assert.equal(String(await contentOf(folder, `sub/${name}`)), name);
    });

    for (const size of [0, 1, 256 * 1024, 1_000_000])
      test(`${size} bytes are announced and read, and are what was written`, async () => {
        const { inside, folder } = world(byHandle);
        const content = Buffer.alloc(size, 'Zürich\0');
        const sink = folder.createSink('file', { overwrite: false });
        await sink.begin({ size, sha256: undefined });
        for (let at = 0; at < size; at += 300_000) await sink.write(content.subarray(at, at + 300_000));
        await sink.end(AbortSignal.any([]));
        const source = await folder.openSource('file');
        assert.equal(source.size, size);
        assert.ok(content.equals(await bytesOf(source.chunks)));
        await source.close();
        assert.deepEqual(namesIn(inside), ['file', 'sub']);
        assert.equal(statSync(join(inside, 'file')).mode & 0o7777, 0o600);
      });

    test('of a file that grew no more is read than was announced', async () => {
      const { inside, folder } = world(byHandle);
      writeFileSync(join(inside, 'log'), 'one');
      const source = await folder.openSource('log');
      writeFileSync(join(inside, 'log'), 'one, two');
      assert.equal(String(await bytesOf(source.chunks)), 'one');
      await source.close();
    });

    test('a file that shrinks while it is read is an error, whatever of it was read', async () => {
      const { inside, folder } = world(byHandle);
      writeFileSync(join(inside, 'log'), Buffer.alloc(2_000_000));
      const source = await folder.openSource('log');
      let read = 0;
      await assert.rejects(async () => {
        for await (const chunk of source.chunks) {
          read += chunk.length;
          truncateSync(join(inside, 'log'), 1_000_000);
        }
      }, code('FILE_CHANGED'));
      assert.ok(read > 0 && read <= 1_000_000, `${read} bytes`);
      await source.close();
    });

    test('what is not there, or no file, is refused for what it is', async (t) => {
      const { inside, outside, folder } = world(byHandle);
      writeFileSync(join(inside, 'file'), '');
      await listenOn(t, join(inside, 'socket'));
      spawnSync('sh', ['-c', `mkfifo '${join(inside, 'fifo')}'`]);
      symlinkSync(join(outside, 'secret'), join(inside, 'link'));
      symlinkSync('/nowhere', join(inside, 'dangling'));
      symlinkSync('file', join(inside, 'link-inside'));
      symlinkSync(outside, join(inside, 'way-out'));
      assert.ok(statSync(join(inside, 'fifo')).isFIFO());
      const cases: [string, ErrorCode, ErrorCode | undefined][] = [
        ['absent', 'FILE_NOT_FOUND', undefined],
        ['absent/file', 'FILE_NOT_FOUND', 'DIRECTORY_NOT_FOUND'],
        ['sub', 'IS_DIRECTORY', 'IS_DIRECTORY'],
        ['file/below', 'DIRECTORY_NOT_FOUND', 'DIRECTORY_NOT_FOUND'],
        ['way-out/secret', 'DIRECTORY_NOT_FOUND', 'DIRECTORY_NOT_FOUND'],
        ['way-out/absent', 'DIRECTORY_NOT_FOUND', 'DIRECTORY_NOT_FOUND'],
        ['dangling/secret', 'DIRECTORY_NOT_FOUND', 'DIRECTORY_NOT_FOUND'],
        ...['fifo', 'socket', 'link', 'link-inside', 'dangling'].map(
          (name) => [name, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'] as [string, ErrorCode, ErrorCode],
        ),
      ];
      const before = namesIn(dirname(inside));
      for (const [path, read, write] of cases) {
        await assert.rejects(folder.openSource(path), code(read), path);
        if (write !== undefined) await assert.rejects(put(folder, path, 'x', true), code(write), path);
      }
      assert.deepEqual(namesIn(dirname(inside)), before);
      assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'OUTSIDE');
    });

    test('a device is not opened', { skip: process.getuid?.() !== 0 && 'mknod needs root' }, async (t) => {
      const { inside, folder } = world(byHandle);
      const { status, stderr } = spawnSync('mknod', [join(inside, 'zero'), 'c', '1', '5']);
      if (status !== 0) return t.skip(`mknod: ${stderr}`);
      await assert.rejects(folder.openSource('zero'), code('INVALID_ARGUMENT'));
      await assert.rejects(put(folder, 'zero', 'x', true), code('INVALID_ARGUMENT'));
    });

    test('an existing file is replaced as a whole, or stays as it was', async () => {
      const { inside, folder } = world(byHandle);
      await put(folder, 'file', 'first');
      await assert.rejects(put(folder, 'file', 'second'), code('FILE_EXISTS'));
      assert.equal(readFileSync(join(inside, 'file'), 'utf8'), 'first');
      const sink = folder.createSink('file', { overwrite: true });
      await sink.begin({ size: 6, sha256: undefined });
      await sink.write(Buffer.from('sec'));
      assert.equal(readFileSync(join(inside, 'file'), 'utf8'), 'first');
      await sink.write(Buffer.from('ond'));
      await sink.end(AbortSignal.any([]));
      assert.equal(readFileSync(join(inside, 'file'), 'utf8'), 'second');
      assert.deepEqual(namesIn(inside), ['file', 'sub']);
    });

    test('what appears during the transfer is not overwritten', async () => {
      const { inside, folder } = world(byHandle);
      const sink = folder.createSink('file', { overwrite: false });
      await sink.begin({ size: 1, sha256: undefined });
      await sink.write(Buffer.from('x'));
      writeFileSync(join(inside, 'file'), 'theirs');
      await assert.rejects(sink.end(AbortSignal.any([])), code('FILE_EXISTS'));
      assert.equal(readFileSync(join(inside, 'file'), 'utf8'), 'theirs');
      assert.deepEqual(namesIn(inside), ['file', 'sub']);
    });

    test('a directory that appears in its place stays', async () => {
      const { inside, folder } = world(byHandle);
      const sink = folder.createSink('file', { overwrite: true });
      await sink.begin({ size: 0, sha256: undefined });
      mkdirSync(join(inside, 'file'));
      await assert.rejects(sink.end(AbortSignal.any([])), code('IS_DIRECTORY'));
      assert.deepEqual(namesIn(inside), ['file', 'sub']);
    });

    test('while it is written the file has another name that is private; an abort leaves nothing', async () => {
      const { inside, folder } = world(byHandle);
      const sink = folder.createSink('sub/file', { overwrite: false });
      await sink.begin({ size: 9, sha256: undefined });
      await sink.write(Buffer.from('unfinished'));
      const [name = ''] = readdirSync(join(inside, 'sub'));
      assert.match(name, /^\.proxmox-mcp-[0-9a-f-]{36}\.part$/);
      assert.equal(statSync(join(inside, 'sub', name)).mode & 0o7777, 0o600);
      await Promise.all([sink.abort(), sink.abort()]);
      await sink.abort();
      assert.deepEqual(namesIn(inside), ['sub']);
    });

    test('an abort is harmless before the beginning and after the end', async () => {
      const { inside, folder } = world(byHandle);
      await folder.createSink('never', { overwrite: false }).abort();
      const sink = folder.createSink('file', { overwrite: false });
      await sink.begin({ size: 0, sha256: undefined });
      await Promise.all([sink.end(AbortSignal.any([])), sink.abort()]);
      await sink.abort();
      assert.deepEqual(namesIn(inside), ['file', 'sub']);
    });

    test('an abort during the beginning leaves nothing', async () => {
      const { inside, folder } = world(byHandle);
      const sink = folder.createSink('file', { overwrite: false });
      await Promise.all([sink.begin({ size: 0, sha256: undefined }), sink.abort()]);
      assert.deepEqual(namesIn(inside), ['sub']);
    });

    test('a sweep removes old unfinished files of ours, and nothing else', async () => {
      const { inside, outside, folder } = world(byHandle);
      const deep = join(inside, ...'abcdefgh');
      mkdirSync(join(deep, 'too-deep'), { recursive: true });
      symlinkSync(outside, join(inside, 'way-out'));
      const old = [inside, join(inside, 'sub'), deep];
      const kept = [outside, join(deep, 'too-deep')];
      for (const directory of [...old, ...kept]) writeFileSync(join(directory, oldTemporary), '');
      const others = ['dump.part', '.proxmox-mcp-x.part', `x${oldTemporary}`, `${oldTemporary}x`];
      for (const name of others) writeFileSync(join(inside, name), '');
      symlinkSync(join(outside, 'secret'), join(inside, oldTemporary.replace('0', '1')));
      const sink = folder.createSink('file', { overwrite: false });
      await sink.begin({ size: 0, sha256: undefined });
      for (const name of namesIn(dirname(inside)).filter((each) => !each.includes('/too-deep/')))
        utimesSync(join(dirname(inside), name), 0, 0);
      writeFileSync(join(inside, oldTemporary.replace('0', '2')), 'of another gateway, just written');
      assert.equal(await folder.sweep(60_000), old.length);
      for (const directory of old) assert.ok(!existsSync(join(directory, oldTemporary)), directory);
      for (const directory of kept) assert.ok(existsSync(join(directory, oldTemporary)), directory);
      for (const name of others) assert.ok(existsSync(join(inside, name)), name);
      assert.ok(existsSync(join(inside, oldTemporary.replace('0', '2'))));
      assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'OUTSIDE');
      await sink.end(AbortSignal.any([]));
      assert.ok(existsSync(join(inside, 'file')));
    });
  });

async function listenOn(t: TestContext, path: string): Promise<void> {
  const server = createServer().listen(path);
  t.after(() => server.close());
  await once(server, 'listening');
}
