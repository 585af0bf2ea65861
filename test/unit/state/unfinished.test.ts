import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { createUnfinished } from '../../../src/state/unfinished.ts';
import { eventually } from '../../gateway/harness.ts';

type Residue = { readonly kind: 'host'; readonly path: string };

const base = mkdtempSync(join(tmpdir(), 'unfinished-test-'));
after(() => rmSync(base, { recursive: true }));

const residue = (path: string): Residue => ({ kind: 'host', path });
const newFolder = () => join(mkdtempSync(join(base, 'state-')), 'unfinished');

function journal(t: TestContext, directory: string, times: { heartbeatMs?: number; staleMs?: number } = {}) {
  const unfinished = createUnfinished<Residue>({ directory, ...times });
  t.after(() => unfinished.close());
  return unfinished;
}

const pathsOf = (entries: readonly { readonly residue: Residue }[]) =>
  entries.map((entry) => entry.residue.path).sort();

test('an entry is on disk when add resolves, private, and gone when it is removed', async (t) => {
  const directory = newFolder();
  const earliest = Date.now();
  const entry = await journal(t, directory).add(residue('/a "b"\n'));
  assert.deepEqual(readdirSync(directory), [`${entry.id}.json`]);
  const { addedAt, ...written } = JSON.parse(readFileSync(join(directory, `${entry.id}.json`), 'utf8'));
  assert.deepEqual(written, { residue: residue('/a "b"\n') });
  assert.ok(addedAt === entry.addedAt && addedAt >= earliest && addedAt <= Date.now());
  assert.equal(statSync(directory).mode & 0o7777, 0o700);
  assert.equal(statSync(join(directory, `${entry.id}.json`)).mode & 0o7777, 0o600);
  await entry.remove();
  assert.deepEqual(readdirSync(directory), []);
  await entry.remove();
});

test('nothing is stale where there is no folder yet', async (t) => {
  assert.deepEqual(await journal(t, newFolder()).listStale(), []);
});

test('what is under way is nobody else’s as long as the heart beats', async (t) => {
  const directory = newFolder();
  const owner = journal(t, directory, { heartbeatMs: 20 });
  const other = journal(t, directory, { heartbeatMs: 20 });
  const entry = await owner.add(residue('/kept'));
  const file = join(directory, `${entry.id}.json`);
  utimesSync(file, 0, 0);
  await eventually(() => (statSync(file).mtimeMs > 0 ? true : undefined));
  assert.deepEqual(await other.listStale(), []);
  assert.deepEqual(await owner.listStale(), []);
});

test('its owner does not take it for stale, however late the heartbeat', async (t) => {
  const directory = newFolder();
  const owner = journal(t, directory);
  const entry = await owner.add(residue('/late'));
  utimesSync(join(directory, `${entry.id}.json`), 0, 0);
  assert.deepEqual(await owner.listStale(), []);
  assert.deepEqual(pathsOf(await journal(t, directory).listStale()), ['/late']);
});

test('an entry is stale after staleMs, and not before', async (t) => {
  const directory = newFolder();
  const entry = await journal(t, directory).add(residue('/aged'));
  const file = join(directory, `${entry.id}.json`);
  const other = journal(t, directory, { staleMs: 60_000 });
  const aged = (ms: number) => utimesSync(file, new Date(), new Date(Date.now() - ms));
  aged(50_000);
  assert.deepEqual(await other.listStale(), []);
  aged(61_000);
  const [found] = await other.listStale();
  assert.deepEqual([found?.id, found?.residue, found?.addedAt], [entry.id, residue('/aged'), entry.addedAt]);
  await found?.remove();
  assert.deepEqual(readdirSync(directory), []);
});

test('a released entry is stale at once, for its owner and for others, and stays so', async (t) => {
  const directory = newFolder();
  const owner = journal(t, directory, { heartbeatMs: 5 });
  const other = journal(t, directory);
  const [released, kept] = [await owner.add(residue('/released')), await owner.add(residue('/kept'))];
  released.release();
  const keptFile = join(directory, `${kept.id}.json`);
  utimesSync(keptFile, 0, 0);
  // A heartbeat has passed.
  await eventually(() => (statSync(keptFile).mtimeMs > 0 ? true : undefined));
  for (const each of [owner, other]) assert.deepEqual(pathsOf(await each.listStale()), ['/released']);
  await released.remove();
  released.release();
  assert.deepEqual(await other.listStale(), []);
});

test('what is left at the close is stale at once', async (t) => {
  const directory = newFolder();
  const owner = createUnfinished<Residue>({ directory });
  await owner.add(residue('/one'));
  await owner.add(residue('/two'));
  assert.deepEqual(await journal(t, directory).listStale(), []);
  owner.close();
  assert.deepEqual(pathsOf(await journal(t, directory).listStale()), ['/one', '/two']);
});

/** Adds an entry, says so, and works on until it is killed. */
const program = (directory: string) => `
  import { createUnfinished } from ${JSON.stringify(new URL('../../../src/state/unfinished.ts', import.meta.url).href)};
  const unfinished = createUnfinished({ directory: ${JSON.stringify(directory)}, heartbeatMs: 20 });
  await unfinished.add({ kind: 'host', path: '/left' });
  process.stdout.write('added');
`;
const evaluate = ['--input-type=module', '--eval'];

test('what a killed process leaves is found, when its heart has not beaten for a while', async (t) => {
  const directory = newFolder();
  const code = `${program(directory)}; setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, [...evaluate, code], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const patient = journal(t, directory);
  assert.deepEqual(await patient.listStale(), []);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  assert.deepEqual(await patient.listStale(), []);
  const other = journal(t, directory, { staleMs: 300 });
  const found = await eventually(async () => {
    const entries = await other.listStale();
    return entries.length > 0 ? entries : undefined;
  });
  assert.deepEqual(pathsOf(found), ['/left']);
});

test('the heartbeat keeps no process alive', () => {
  const { status, stdout } = spawnSync(process.execPath, [...evaluate, program(newFolder())], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.deepEqual([status, stdout], [0, 'added']);
});

test('foreign and unreadable files are passed over and left alone', async (t) => {
  const directory = newFolder();
  mkdirSync(directory);
  const id = (digit: string) => `${digit.repeat(8)}-1111-4111-8111-111111111111.json`;
  const whole = JSON.stringify({ addedAt: 1, residue: residue('/whole') });
  const files: Record<string, string> = {
    [id('1')]: whole,
    [id('2')]: '',
    [id('3')]: whole.slice(0, 20),
    [id('4')]: 'null',
    [id('5')]: JSON.stringify({ addedAt: 1, residue: 'text' }),
    [id('6')]: JSON.stringify({ addedAt: 1, residue: null }),
    [id('7')]: JSON.stringify({ addedAt: 'then', residue: residue('/then') }),
    [id('8')]: JSON.stringify({ addedAt: 1, residue: residue('/'.repeat(70_000)) }),
    'notes.json': whole,
    [`${id('1')}.bak`]: whole,
    [id('1').toUpperCase()]: whole,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  mkdirSync(join(directory, id('9')));
  symlinkSync(id('1'), join(directory, id('a')));
  spawnSync('sh', ['-c', `mkfifo '${join(directory, id('b'))}'`]);
  const names = readdirSync(directory);
  for (const name of names) utimesSync(join(directory, name), 0, 0);
  assert.deepEqual(pathsOf(await journal(t, directory).listStale()), ['/whole']);
  assert.deepEqual(readdirSync(directory), names);
});

test('at most 10,000 are listed at once', async (t) => {
  const directory = newFolder();
  mkdirSync(directory);
  const name = (index: number) =>
    join(directory, `00000000-0000-4000-8000-${String(index).padStart(12, '0')}.json`);
  writeFileSync(name(0), JSON.stringify({ addedAt: 1, residue: residue('/many') }));
  utimesSync(name(0), 0, 0);
  for (let index = 1; index <= 10_000; index++) linkSync(name(0), name(index));
  assert.equal((await journal(t, directory).listStale()).length, 10_000);
});

test('where the entry cannot be written the thing may not begin', async (t) => {
  const directory = newFolder();
  writeFileSync(directory, '');
  await assert.rejects(journal(t, directory).add(residue('/never')), { code: 'NOT_WRITABLE' });
});
