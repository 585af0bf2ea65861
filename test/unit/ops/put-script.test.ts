/** The script that takes files in, word by word, in every shell that may have to run it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../../../src/exec/dialogue.ts';
import { putScript } from '../../../src/ops/files/put-script.ts';
import { eventually } from '../../gateway/harness.ts';
import { fields, newTemp, put, sumOf, temp } from './put-talk.ts';
import { hostileNames, inEveryShell } from './script-shells.ts';

const isRoot = process.getuid?.() === 0;

/** The script is gone some moments after its last word, and takes its temporary file with it. */
async function onlyThese(directory: string, names: readonly string[]): Promise<void> {
  const parts = () => fs.readdirSync(directory).filter((name) => name.endsWith('.part'));
  await eventually(() => (parts().length === 0 ? true : undefined));
  assert.deepEqual(fs.readdirSync(directory).sort(), [...names].sort());
}

inEveryShell('names of any kind arrive byte for byte, and nothing beside them', async (run, scratch) => {
  const names = hostileNames(40);
  for (const name of names) {
    const content = `of ${name}`;
    assert.deepEqual(await put(run, scratch, name, { content }), ['done'], JSON.stringify(name));
    assert.equal(fs.readFileSync(join(scratch, name), 'utf8'), content);
  }
  await onlyThese(scratch, names);
});

inEveryShell('directories of any name are entered, and made where that is wanted', async (run, scratch) => {
  for (const name of hostileNames(12)) {
    const directory = join(scratch, name);
    assert.deepEqual(
      await put(run, `${directory}/${name}`, 'a', { content: 'x' }),
      ['done'],
      JSON.stringify(name),
    );
    assert.equal(fs.readFileSync(`${directory}/${name}/a`, 'utf8'), 'x');
    assert.equal(fs.statSync(`${directory}/${name}`).mode & 0o7777, 0o755);
    assert.deepEqual(await put(run, `${directory}/${name}`, 'b', { content: 'y' }), ['done']);
    await onlyThese(`${directory}/${name}`, ['a', 'b']);
  }
});

inEveryShell('it says where it really is, what is missing, and what is there', async (run, scratch) => {
  const real = join(scratch, 'real\n');
  fs.mkdirSync(real);
  fs.symlinkSync(real, join(scratch, 'link'));
  fs.writeFileSync(join(real, 'file'), '');
  fs.symlinkSync('/nowhere', join(real, 'dangling'));
  fs.mkdirSync(join(real, 'directory'));
  await run('mkfifo "$2"', [join(real, 'fifo')], async () => {});
  await eventually(() => (fs.existsSync(join(real, 'fifo')) ? true : undefined));
  const told = (directory: string, name: string) =>
    run(putScript, [directory, name, newTemp()], async (peer) => {
      const told = await fields(peer, 5);
      assert.match(told.pop() ?? '', /^[1-9]\d*$/, 'its process');
      return told;
    });
  for (const [name, kind] of [
    ['none', 'missing'],
    ['file', 'file'],
    ['dangling', 'link'],
    ['directory', 'directory'],
    ['fifo', 'other'],
  ] as const)
    for (const way of [real, join(scratch, 'link')])
      assert.deepEqual(await told(way, name), ['at', real, '', kind]);
  assert.deepEqual(await told(join(scratch, 'link', 'a\n', 'b'), 'file'), ['at', real, '/a\n/b', 'missing']);
  assert.deepEqual(await told('/', 'no-such-file'), ['at', '/', '', 'missing']);
  assert.deepEqual(await told('/no-such-directory', 'x'), ['at', '/', '/no-such-directory', 'missing']);
  for (const way of [join(real, 'file'), join(real, 'file', 'below'), join(real, 'dangling')])
    assert.deepEqual(await run(putScript, [way, 'x', newTemp()], (peer) => fields(peer, 3)), [
      'failed',
      'directory-missing',
      '',
    ]);
  await onlyThese(real, ['dangling', 'directory', 'fifo', 'file']);
});

inEveryShell('without the word nothing is made', async (run, scratch) => {
  await run(putScript, [join(scratch, 'a'), 'b', newTemp()], (peer) => fields(peer, 5));
  await run(putScript, [scratch, 'b', newTemp()], async (peer) => {
    await fields(peer, 5);
    await peer.send('stop\n');
  });
  assert.deepEqual(fs.readdirSync(scratch), []);
});

inEveryShell('bytes of any number and kind arrive, in one frame and in many', async (run, scratch) => {
  const orders = Buffer.from('\ncommit 0 x 644 replace - -\ndata 5\n\0\0taken\0');
  const content = Buffer.concat([orders, randomBytes(300_000), orders]);
  const total = content.length;
  for (const frames of [
    [total],
    [1, 65_535, 65_536, 65_537, total - 196_609],
    [0, 0, 131_072, 0, total - 131_072],
    [5, total - 5, 0],
  ]) {
    assert.deepEqual(await put(run, scratch, 'bytes', { content, frames }), ['done']);
    assert.equal(sumOf(fs.readFileSync(join(scratch, 'bytes'))), sumOf(content), frames.join());
  }
  for (const frames of [[0], []]) {
    assert.deepEqual(await put(run, scratch, 'empty', { frames }), ['done']);
    assert.equal(fs.statSync(join(scratch, 'empty')).size, 0);
  }
  await onlyThese(scratch, ['bytes', 'empty']);
});

inEveryShell('mode and owner are set before anyone can see the file', async (run, scratch) => {
  let seen = 0;
  const before = () => {
    seen = fs.statSync(join(scratch, temp)).mode & 0o7777;
    assert.equal(fs.existsSync(join(scratch, 'new')), false);
  };
  assert.deepEqual(await put(run, scratch, 'new', { content: 'x', mode: '4750', before }), ['done']);
  assert.equal(seen, 0o600);
  assert.equal(fs.statSync(join(scratch, 'new')).mode & 0o7777, 0o4750);
  if (!isRoot) return;
  const owned = { content: 'x', user: '1234', group: '4321', mode: '0640' };
  assert.deepEqual(await put(run, scratch, 'new', owned), ['done']);
  const { uid, gid, mode } = fs.statSync(join(scratch, 'new'));
  assert.deepEqual([uid, gid, mode & 0o7777], [1234, 4321, 0o640]);
  // A replaced file keeps its owner where none is named, and its name stands for the new bytes alone.
  fs.linkSync(join(scratch, 'new'), join(scratch, 'second name'));
  assert.deepEqual(await put(run, scratch, 'new', { content: 'other', mode: '600', group: '0' }), ['done']);
  const replaced = fs.statSync(join(scratch, 'new'));
  assert.deepEqual([replaced.uid, replaced.gid, replaced.mode & 0o7777], [1234, 0, 0o600]);
  assert.equal(fs.readFileSync(join(scratch, 'second name'), 'utf8'), 'x');
});

inEveryShell('a link in the place of the temporary file leads nothing anywhere', async (run, scratch) => {
  const victim = join(scratch, 'victim');
  fs.writeFileSync(victim, 'of root', { mode: 0o600 });
  const before = () => {
    fs.renameSync(join(scratch, temp), join(scratch, 'aside'));
    fs.symlinkSync(victim, join(scratch, temp));
  };
  const options = { content: 'new', mode: '644', before, ...(isRoot && { user: '1234' }) };
  assert.deepEqual((await put(run, scratch, 'file', options)).slice(0, 2), ['failed', 'moved']);
  const { uid, mode, size } = fs.statSync(victim);
  assert.deepEqual([uid, mode & 0o7777, size], [process.getuid?.(), 0o600, 7]);
  assert.equal(fs.existsSync(join(scratch, 'file')), false);
});

inEveryShell('what is announced otherwise leaves the old file alone', async (run, scratch) => {
  fs.writeFileSync(join(scratch, 'old'), 'old');
  for (const [options, what] of [
    [{ content: 'new', sum: sumOf(Buffer.from('mew')) }, 'sum'],
    [{ content: 'new', size: 4 }, 'size'],
    [{ content: 'new', size: 2 }, 'size'],
    [{ content: 'new', user: 'no-such-user' }, 'owner'],
    [{ content: 'new', group: 'no-such-group' }, 'owner'],
    [{ content: 'new', before: () => fs.rmSync(join(scratch, temp)) }, 'moved'],
    [
      {
        content: 'new',
        before() {
          fs.rmSync(join(scratch, temp));
          fs.symlinkSync('old', join(scratch, temp));
        },
      },
      'moved',
    ],
  ] as const) {
    const [failed, said] = await put(run, scratch, 'old', options);
    assert.deepEqual([failed, said], ['failed', what]);
    assert.equal(fs.readFileSync(join(scratch, 'old'), 'utf8'), 'old');
    await onlyThese(scratch, ['old']);
  }
});

inEveryShell('with keep, whatever has the name by then is there afterwards', async (run, scratch) => {
  const path = join(scratch, 'name');
  assert.deepEqual(await put(run, scratch, 'name', { content: 'first', place: 'keep' }), ['done']);
  assert.equal(fs.statSync(path).nlink, 1);
  const makers: Readonly<Record<string, () => void>> = {
    file: () => fs.writeFileSync(path, 'foreign'),
    'dangling link': () => fs.symlinkSync('/nowhere', path),
    'link to a directory': () => fs.symlinkSync(scratch, path),
    'link to a file': () => fs.symlinkSync(join(scratch, temp), path),
    directory: () => fs.mkdirSync(path),
  };
  for (const [kind, make] of Object.entries(makers)) {
    fs.rmSync(path, { recursive: true, force: true });
    const [failed, what] = await put(run, scratch, 'name', { content: 'new', place: 'keep', before: make });
    assert.deepEqual([failed, what], ['failed', kind === 'directory' ? 'directory' : 'exists'], kind);
    const stats = fs.lstatSync(path);
    assert.equal(stats.isSymbolicLink(), kind.includes('link'), kind);
    if (kind === 'file') assert.equal(fs.readFileSync(path, 'utf8'), 'foreign');
    await onlyThese(scratch, ['name']);
  }
});

inEveryShell('replacing takes the place of links and files, and of no directory', async (run, scratch) => {
  const target = join(scratch, 'target');
  fs.writeFileSync(target, 'target');
  fs.mkdirSync(join(scratch, 'inner'));
  const path = join(scratch, 'name');
  for (const to of [target, '/nowhere', join(scratch, 'inner')]) {
    fs.rmSync(path, { force: true });
    fs.symlinkSync(to, path);
    const [said, what] = await put(run, scratch, 'name', { content: 'new' });
    if (said === 'failed' && to.endsWith('inner')) {
      // Where mv knows no -T, there is no safe way: then nothing is touched.
      assert.equal(what, 'directory');
      assert.equal(fs.readlinkSync(path), to);
      continue;
    }
    assert.equal(said, 'done', to);
    assert.ok(fs.lstatSync(path).isFile(), to);
    assert.equal(fs.readFileSync(path, 'utf8'), 'new');
  }
  assert.equal(fs.readFileSync(target, 'utf8'), 'target');
  assert.deepEqual(fs.readdirSync(join(scratch, 'inner')), []);
  for (const before of [undefined, () => {}])
    assert.deepEqual(
      (await put(run, scratch, 'inner', { content: 'x', ...(before !== undefined && { before }) })).slice(
        0,
        2,
      ),
      ['failed', 'directory'],
    );
  await onlyThese(scratch, ['inner', 'name', 'target']);
});

inEveryShell('its input ending at any point leaves nothing behind', async (run, scratch) => {
  fs.writeFileSync(join(scratch, 'old'), 'old');
  const points: readonly ((peer: Peer) => Promise<unknown>)[] = [
    async () => {},
    (peer) => peer.send('data 100\n'),
    async (peer) => {
      await peer.send('data 100000\n');
      await peer.send(Buffer.alloc(70_000));
    },
    async (peer) => {
      await peer.send('data 3\nnew');
      assert.equal(await peer.field(), 'taken');
    },
    (peer) => peer.send('commit 0'),
  ];
  for (const point of points) {
    await run(putScript, [scratch, 'old', newTemp()], async (peer) => {
      await fields(peer, 5);
      await peer.send('go\n');
      assert.equal(await peer.field(), 'ready');
      assert.ok(fs.existsSync(join(scratch, temp)));
      await point(peer);
    });
    await onlyThese(scratch, ['old']);
    assert.equal(fs.readFileSync(join(scratch, 'old'), 'utf8'), 'old');
  }
});

inEveryShell('a temporary file that is there already is neither used nor removed', async (run, scratch) => {
  const refused = async (make: (path: string) => void) => {
    const told = await run(putScript, [scratch, 'a', newTemp()], async (peer) => {
      await fields(peer, 5);
      make(join(scratch, temp));
      await peer.send('go\n');
      return await fields(peer, 2);
    });
    assert.deepEqual(told, ['failed', 'create']);
    return temp;
  };
  const file = await refused((path) => fs.writeFileSync(path, 'foreign'));
  const link = await refused((path) => fs.symlinkSync(join(scratch, 'elsewhere'), path));
  assert.deepEqual(fs.readdirSync(scratch).sort(), [file, link].sort());
  assert.equal(fs.readFileSync(join(scratch, file), 'utf8'), 'foreign');
});
