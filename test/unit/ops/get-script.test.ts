/** The script that gives files out, word by word, in every shell that may have to run it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Peer } from '../../../src/exec/dialogue.ts';
import { getScript } from '../../../src/ops/files/get-script.ts';
import { hostileNames, type InShell, inEveryShell } from './script-shells.ts';

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk));
  return Buffer.concat(all);
}

function sumOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

interface Opened {
  readonly real: string;
  readonly size: number;
}

/** Opens the file and goes on as the talk says. */
function opened<T>(run: InShell, path: string, talk: (peer: Peer, file: Opened) => Promise<T>): Promise<T> {
  return run(getScript, [path], async (peer) => {
    assert.equal(await peer.field(), 'at', path);
    const [real, size, sums] = [await peer.field(), await peer.field(), await peer.field()];
    assert.match(await peer.field(), /^\d+$/, 'its process');
    assert.equal(sums, 'yes');
    assert.match(size, /^\d+$/);
    return await talk(peer, { real, size: Number(size) });
  });
}

async function part(peer: Peer, offset: number, length: number): Promise<{ bytes: Buffer; word: string }> {
  await peer.send(`send ${offset} ${length}\n`);
  return { bytes: await collect(peer.bytes(length)), word: await peer.field() };
}

function refusal(run: InShell, path: string): Promise<string> {
  return run(getScript, [path], async (peer) => {
    assert.equal(await peer.field(), 'failed', path);
    return await peer.field();
  });
}

inEveryShell('files of any name come byte for byte, with their real path', async (run, scratch) => {
  for (const name of hostileNames(40)) {
    const path = join(scratch, name);
    fs.writeFileSync(path, `of ${name}`);
    await opened(run, path, async (peer, { real, size }) => {
      assert.equal(real, path, JSON.stringify(name));
      const { bytes, word } = await part(peer, 0, size);
      assert.deepEqual([bytes.toString(), word], [`of ${name}`, 'same'], JSON.stringify(name));
    });
  }
});

inEveryShell('the sum is that of the bytes, as often as it is asked for', async (run, scratch) => {
  const content = Buffer.concat([Buffer.from('\nsend 0 1\n\0failed\0'), randomBytes(300_000)]);
  const path = join(scratch, 'a');
  fs.writeFileSync(path, content);
  await opened(run, path, async (peer, { size }) => {
    assert.equal(size, content.length);
    for (const _ of [1, 2]) {
      await peer.send('sum\n');
      assert.deepEqual([await peer.field(), await peer.field()], ['sum', sumOf(content)]);
    }
    const { bytes, word } = await part(peer, 0, size);
    assert.equal(word, 'same');
    assert.ok(bytes.equals(content));
  });
});

inEveryShell('parts are exactly those bytes', async (run, scratch) => {
  const content = randomBytes(200_003);
  const path = join(scratch, 'a');
  fs.writeFileSync(path, content);
  for (const [offset, length] of [
    [0, 1],
    [0, 200_002],
    [1, 200_002],
    [65_535, 65_537],
    [200_002, 1],
    [200_003, 0],
    [0, 0],
  ] as const)
    await opened(run, path, async (peer) => {
      const { bytes, word } = await part(peer, offset, length);
      assert.ok(bytes.equals(content.subarray(offset, offset + length)), `${offset}+${length}`);
      assert.equal(word, 'same');
    });
});

inEveryShell('an empty file has no bytes, and one with holes has all of them', async (run, scratch) => {
  fs.writeFileSync(join(scratch, 'empty'), '');
  await opened(run, join(scratch, 'empty'), async (peer, { size }) => {
    assert.equal(size, 0);
    await peer.send('sum\n');
    assert.deepEqual([await peer.field(), await peer.field()], ['sum', sumOf(Buffer.alloc(0))]);
    assert.deepEqual(await part(peer, 0, 0), { bytes: Buffer.alloc(0), word: 'same' });
  });
  fs.writeFileSync(join(scratch, 'sparse'), '');
  fs.truncateSync(join(scratch, 'sparse'), 3_000_000);
  await opened(run, join(scratch, 'sparse'), async (peer, { size }) => {
    const { bytes, word } = await part(peer, 0, size);
    assert.equal(word, 'same');
    assert.ok(bytes.equals(Buffer.alloc(3_000_000)));
  });
});

inEveryShell('a link is told by where it leads', async (run, scratch) => {
  const target = join(scratch, 'real\n');
  fs.mkdirSync(join(scratch, 'directory'));
  fs.writeFileSync(target, 'x');
  fs.symlinkSync(target, join(scratch, 'directory', 'link'));
  fs.symlinkSync('directory', join(scratch, 'way'));
  for (const path of [join(scratch, 'way', 'link'), join(scratch, 'directory', '.', 'link')])
    await opened(run, path, async (_peer, { real }) => assert.equal(real, target));
});

inEveryShell('what is no regular file is not opened, and nothing waits for it', async (run, scratch) => {
  assert.equal(spawnSync('/bin/sh', ['-c', 'mkfifo "$1"', 'sh', join(scratch, 'fifo')]).status, 0);
  fs.symlinkSync('/nowhere', join(scratch, 'dangling'));
  fs.symlinkSync('/dev/zero', join(scratch, 'zero'));
  fs.symlinkSync('fifo', join(scratch, 'to-fifo'));
  fs.writeFileSync(join(scratch, 'file'), '');
  for (const [path, what] of [
    [join(scratch, 'none'), 'missing'],
    [join(scratch, 'file', 'below'), 'missing'],
    [join(scratch, 'dangling'), 'dangling'],
    [scratch, 'directory'],
    [join(scratch, 'fifo'), 'irregular'],
    [join(scratch, 'to-fifo'), 'irregular'],
    [join(scratch, 'zero'), 'irregular'],
    ['/dev/zero', 'irregular'],
    ['/dev/null', 'irregular'],
  ] as const)
    assert.equal(await refusal(run, path), what, path);
});

inEveryShell(
  'a file that is exchanged after it was opened is still the one that was opened',
  async (run, scratch) => {
    const path = join(scratch, 'a');
    fs.writeFileSync(path, 'opened');
    fs.writeFileSync(join(scratch, 'b'), 'exchanged');
    await opened(run, path, async (peer, { size }) => {
      fs.renameSync(join(scratch, 'b'), path);
      await peer.send('sum\n');
      assert.deepEqual([await peer.field(), await peer.field()], ['sum', sumOf(Buffer.from('opened'))]);
      const { bytes } = await part(peer, 0, size);
      assert.equal(bytes.toString(), 'opened');
    });
  },
);

inEveryShell(
  'a file that is written to meanwhile has changed, its size and its times restored or not',
  async (run, scratch) => {
    const path = join(scratch, 'a');
    const changes: Readonly<Record<string, () => void>> = {
      grown: () => fs.appendFileSync(path, 'more'),
      shorter: () => fs.truncateSync(path, 3),
      other: () => fs.writeFileSync(path, 'OPENED'),
      'other, with the old time': () => {
        const { atime, mtime } = fs.statSync(path);
        fs.writeFileSync(path, 'OPENED');
        fs.utimesSync(path, atime, mtime);
      },
    };
    for (const [how, change] of Object.entries(changes)) {
      fs.writeFileSync(path, 'opened');
      // A clock of the kernel ticks some hundred times a second.
      await pause(20);
      await opened(run, path, async (peer, { size }) => {
        change();
        await peer.send(`send 0 ${size}\n`);
        const said = await collect(peer.bytes(how === 'shorter' ? 3 : size + (how === 'grown' ? 4 : 0)));
        assert.equal(said.toString().toLowerCase().slice(0, 3), 'ope');
        assert.equal(await peer.field(), 'changed', how);
      });
    }
  },
);

inEveryShell(
  'one of the kernel’s files is opened by its own path, for policy to judge',
  async (run, scratch) => {
    fs.symlinkSync('/proc/self/environ', join(scratch, 'environ'));
    const real = await run(getScript, [join(scratch, 'environ')], async (peer) =>
      (await peer.field()) === 'at' ? await peer.field() : '/proc refused',
    );
    assert.match(real, /^\/proc/);
  },
);

inEveryShell('it ends with its input, and does what it knows alone', async (run, scratch) => {
  fs.writeFileSync(join(scratch, 'a'), 'x');
  await opened(run, join(scratch, 'a'), async (peer) => {
    await peer.send('\nnonsense\nsumming\nsend\n');
    await peer.send('sum\n');
  }).catch(() => {});
  await opened(run, join(scratch, 'a'), async () => {});
  assert.deepEqual(fs.readdirSync(scratch), ['a']);
});
