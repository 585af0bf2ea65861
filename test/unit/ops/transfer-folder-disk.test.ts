/** What is said where the folder itself is the problem: missing, closed to the gateway, read-only or full. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createTransferFolder } from '../../../src/ops/files/transfer-folder.ts';

const base = mkdtempSync(join(tmpdir(), 'transfer-disk-test-'));
chmodSync(base, 0o755);
after(() => rmSync(base, { recursive: true }));
const file = { size: 100_000, sha256: undefined };

for (const [what, make, problem] of [
  ['missing', () => {}, /does not exist/],
  ['a file', (path: string) => writeFileSync(path, ''), /not a folder/],
] as const)
  test(`a folder that is ${what} is told for what it is, in every use`, async () => {
    const directory = join(base, what);
    make(directory);
    const folder = createTransferFolder({ directory });
    const expected = { code: 'TRANSFER_FOLDER', message: problem };
    await assert.rejects(folder.openSource('file'), expected);
    await assert.rejects(folder.createSink('file', { overwrite: true }).begin(file), expected);
    await assert.rejects(folder.sweep(0), expected);
    assert.ok(await folder.openSource('file').catch(({ message }) => !message.includes(base)));
  });

test('a folder may appear after the gateway began', async () => {
  const directory = join(base, 'later');
  const folder = createTransferFolder({ directory });
  await assert.rejects(folder.openSource('file'), { code: 'TRANSFER_FOLDER' });
  mkdirSync(directory);
  await assert.rejects(folder.openSource('file'), { code: 'FILE_NOT_FOUND' });
});

/** Reads «kept», writes «new», and reports how each ended and what is in the folder then. */
const program = (directory: string) => `
  import { readdirSync } from 'node:fs';
  import { createTransferFolder } from ${JSON.stringify(new URL('../../../src/ops/files/transfer-folder.ts', import.meta.url).href)};
  const folder = createTransferFolder({ directory: ${JSON.stringify(directory)} });
  const ending = (promise) => promise.then(() => 'ok', ({ code, message }) => code + ': ' + message);
  const read = async () => {
    const source = await folder.openSource('kept');
    for await (const chunk of source.chunks);
    await source.close();
  };
  const write = async () => {
    const sink = folder.createSink('new', { overwrite: true });
    try {
      await sink.begin({ size: 100_000, sha256: undefined });
      for (let written = 0; written < 100_000; written += 10_000) await sink.write(Buffer.alloc(10_000, 'x'));
      await sink.end();
    } finally {
      await sink.abort();
    }
  };
  const [reading, writing] = [await ending(read()), await ending(write())];
  process.stdout.write(JSON.stringify({ reading, writing, names: readdirSync(${JSON.stringify(directory)}) }));
`;

interface Outcome {
  readonly reading: string;
  readonly writing: string;
  readonly names: readonly string[];
}

function outcomeOf(directory: string, command: readonly string[], options = {}): Outcome {
  const [first = '', ...rest] = [
    ...command,
    process.execPath,
    '--input-type=module',
    '--eval',
    program(directory),
  ];
  const { stdout, stderr } = spawnSync(first, rest, { encoding: 'utf8', timeout: 20_000, ...options });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as Outcome;
}

function folderWithFile(name: string): string {
  const directory = join(base, name);
  mkdirSync(directory);
  writeFileSync(join(directory, 'kept'), 'kept');
  return directory;
}

/** In a mount namespace of its own, which ends with the process. */
const withMount = (script: string) => ['unshare', '--mount', 'sh', '-euc', `${script}; exec "$@"`, 'sh'];
const canMount =
  spawnSync('unshare', ['--mount', 'sh', '-c', `mount -t tmpfs none '${base}'`]).status === 0
    ? undefined
    : false;
const mounting = { skip: canMount === false && 'mounting needs root on Linux' };

test('a full disk is told as such, and what was there stays alone there', mounting, () => {
  const directory = folderWithFile('full');
  const fill = `mount -t tmpfs -o size=64k none '${directory}'; printf kept >'${directory}/kept'`;
  const { reading, writing, names } = outcomeOf(directory, withMount(fill));
  assert.equal(reading, 'ok');
  assert.match(writing, /^NO_SPACE: .* in the transfer folder of the gateway/);
  assert.deepEqual(names, ['kept']);
});

test('a read-only folder can be read', mounting, () => {
  const directory = folderWithFile('read-only');
  const bind = `mount --bind '${directory}' '${directory}'; mount -o remount,ro,bind '${directory}'`;
  const { reading, writing, names } = outcomeOf(directory, withMount(bind));
  assert.equal(reading, 'ok');
  assert.match(writing, /^TRANSFER_FOLDER: .*read-only/);
  assert.deepEqual(names, ['kept']);
});

test('a folder that is not the gateway’s is told as such', {
  skip: process.getuid?.() !== 0 && 'becoming another user needs root',
}, () => {
  const directory = folderWithFile('theirs');
  chmodSync(join(directory, 'kept'), 0o600);
  const { reading, writing, names } = outcomeOf(directory, [], { uid: 65_534, gid: 65_534 });
  assert.match(reading, /^TRANSFER_FOLDER: .*permission/);
  assert.match(writing, /^TRANSFER_FOLDER: .*permission/);
  assert.deepEqual(names, ['kept']);
});
