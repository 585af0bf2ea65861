/** What is said in a talk arrives, both ways, at the pace of whoever takes it. The runner fails a file that leaves a rejection unhandled. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Executor } from '../../../src/exec/executor.ts';
import { eventually } from '../../gateway/harness.ts';
import { hostileStrings } from '../hostile-strings.ts';
import { collect, local, mebibyte, talkWith } from './talks.ts';

test('fields are what stands between NULs, empty ones and those with newlines too', async () => {
  const script = `printf 'one\\0two words\\0\\0\\nfour\\n\\0'`;
  const fields = await talkWith(script, async (peer) => [
    await peer.field(),
    await peer.field(),
    await peer.field(),
    await peer.field(),
  ]);
  assert.deepEqual(fields, ['one', 'two words', '', '\nfour\n']);
});

test('texts of any kind come as they are, as fields, and a character that is cut in two stays whole', async () => {
  const words = hostileStrings(300);
  const script = `printf '%s\\0' "$@"; printf '\\303'; sleep 0.2; printf '\\251\\0'`;
  const heard = await talkWith(
    script,
    async (peer) => {
      const fields = [];
      for (const _ of words) fields.push(await peer.field());
      return [...fields, await peer.field()];
    },
    { args: words },
  );
  assert.deepEqual(heard, [...words, 'é']);
});

test('bytes are as many as were asked for, and the next field begins behind them', async () => {
  const script = `printf 'size\\0ab\\0\\377cdnext\\0'; printf e; printf 'last\\0'`;
  await talkWith(script, async (peer) => {
    assert.equal(await peer.field(), 'size');
    assert.deepEqual(await collect(peer.bytes(0)), Buffer.alloc(0));
    assert.deepEqual(await collect(peer.bytes(6)), Buffer.from('ab\0\xffcd', 'latin1'));
    assert.equal(await peer.field(), 'next');
    assert.deepEqual(await collect(peer.bytes(1)), Buffer.from('e'));
    assert.equal(await peer.field(), 'last');
  });
});

test('what is sent arrives in order, lines and bytes, and is answered in between', async () => {
  const script = `while IFS= read -r line; do printf '<%s>\\0' "$line"; done; printf 'never heard\\0'`;
  await talkWith(script, async (peer) => {
    for (const line of ['', '  two  ', 'é\\n', 'x'.repeat(60_000)]) {
      await peer.send(line.slice(0, 1));
      await peer.send(Buffer.from(`${line.slice(1)}\n`));
      assert.equal(await peer.field(), `<${line}>`);
    }
  });
});

test('many MiB go both ways at once, whole', async () => {
  const block = Buffer.from(Array.from({ length: 65_537 }, (_, index) => (index * 7919) % 251));
  const count = 128;
  const sums = await talkWith('printf "go\\0"; cat', async (peer) => {
    assert.equal(await peer.field(), 'go');
    const [sent, heard] = [createHash('sha256'), createHash('sha256')];
    const sending = async () => {
      for (let index = 0; index < count; index++) {
        sent.update(block);
        await peer.send(block);
      }
    };
    const hearing = async () => {
      for await (const chunk of peer.bytes(block.length * count)) heard.update(chunk);
    };
    await Promise.all([sending(), hearing()]);
    return [sent.digest('hex'), heard.digest('hex')];
  });
  assert.equal(sums[0], sums[1]);
});

test('what nobody takes stays with the command: about 1 MiB waits here and no more', async () => {
  let [arrived, taken, mostWaiting] = [0, 0, 0];
  const counting: Executor = {
    ...local,
    run: (command, options) =>
      local.run(command, {
        ...options,
        onStdout(chunk) {
          arrived += chunk.length;
          mostWaiting = Math.max(mostWaiting, arrived - taken);
          return options.onStdout?.(chunk);
        },
      }),
  };
  const bytes = 24 * mebibyte;
  await talkWith(
    `head -c ${bytes} /dev/zero; printf 'end\\0'`,
    async (peer) => {
      await eventually(() => (arrived >= mebibyte ? true : undefined));
      for await (const chunk of peer.bytes(bytes)) {
        taken += chunk.length;
        // Slower than the command by far.
        if (taken % mebibyte < chunk.length) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.equal(await peer.field(), 'end');
    },
    { executor: counting },
  );
  assert.equal(taken, bytes);
  assert.ok(mostWaiting >= mebibyte && mostWaiting <= mebibyte + 128 * 1024, `${mostWaiting} bytes waited`);
});

test('what the command does not take is not asked for', async () => {
  const script = `printf 'ready\\0'; sleep 0.5; printf 'now\\0'; head -c ${4 * mebibyte} | wc -c | tr -d ' \\n'; printf '\\0'`;
  const block = Buffer.alloc(64 * 1024);
  await talkWith(script, async (peer) => {
    assert.equal(await peer.field(), 'ready');
    let isReading = false;
    let sentBefore = 0;
    const now = peer.field().then((word) => {
      isReading = true;
      return word;
    });
    for (let sent = 0; sent < 4 * mebibyte; sent += block.length) {
      await peer.send(block);
      if (!isReading) sentBefore = sent;
    }
    assert.equal(await now, 'now');
    assert.equal(await peer.field(), String(4 * mebibyte));
    assert.ok(sentBefore < mebibyte, `${sentBefore} bytes went to a command that did not read`);
  });
});
