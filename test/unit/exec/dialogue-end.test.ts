/** How talks end, on either side. The runner fails a file that leaves a rejection unhandled. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { failure, GatewayError } from '../../../src/base/errors.ts';
import { converse, FieldTooLong, type Peer, PeerGone } from '../../../src/exec/dialogue.ts';
import type { Executor } from '../../../src/exec/executor.ts';
import { eventually } from '../../gateway/harness.ts';
import { collect, failsWith, goneWith, isGone, local, mebibyte, talkWith } from './talks.ts';

const folder = mkdtempSync(join(tmpdir(), 'dialogue-test-'));
after(() => rmSync(folder, { recursive: true }));

test('a command that ends early: what it had said is heard first, then how it ended', async () => {
  const ending = await goneWith(
    talkWith(`printf 'one\\0ha'; echo why >&2; exit 3`, async (peer) => {
      assert.equal(await peer.field(), 'one');
      return await peer.field();
    }),
  );
  assert.ok(!(ending instanceof GatewayError));
  assert.equal(ending.exitCode, 3);
  assert.equal(ending.stderr.head.toString(), 'why\n');
});

test('bytes that do not come are no end of the file', async () => {
  let got = 0;
  await goneWith(
    talkWith('printf 1234', async (peer) => {
      for await (const chunk of peer.bytes(5)) got += chunk.length;
    }),
  );
  assert.equal(got, 4);
});

test('sending to a command that is gone throws, also while it is waited for', async () => {
  const ending = await goneWith(
    talkWith('exec <&-; exit 7', async (peer) => {
      for (;;) await peer.send(Buffer.alloc(256 * 1024));
    }),
  );
  assert.ok(!(ending instanceof GatewayError));
  assert.equal(ending.exitCode, 7);
});

test('a field of more than 64 KiB is refused, and what it comes from is stopped', async () => {
  const exact = `head -c ${64 * 1024} /dev/zero | tr '\\0' x; printf '\\0'`;
  assert.equal((await talkWith(exact, (peer) => peer.field())).length, 64 * 1024);
  const mark = `endless-${process.pid}`;
  const startedAt = performance.now();
  await assert.rejects(
    talkWith(`yes ${mark} | tr -d '\\n'`, (peer) => peer.field()),
    FieldTooLong,
  );
  assert.ok(performance.now() - startedAt < 9_000, 'it is not waited for endlessly');
  await isGone(mark);
});

test('a field that is too long is refused also where its end has come already', async () => {
  let arrived = 0;
  const counting: Executor = {
    ...local,
    run: (command, options) =>
      local.run(command, {
        ...options,
        onStdout(chunk) {
          arrived += chunk.length;
          return options.onStdout?.(chunk);
        },
      }),
  };
  const script = `head -c 200000 /dev/zero | tr '\\0' x; printf '\\0next\\0'`;
  const talk = async (peer: Peer) => {
    await eventually(() => (arrived >= 200_006 ? true : undefined));
    return await peer.field();
  };
  await assert.rejects(talkWith(script, talk, { executor: counting }), FieldTooLong);
});

test('the signal of the talk aborts with the other one, and when the command has ended', async () => {
  const run = async (script: string, signal: AbortSignal) => {
    let heard: AbortSignal | undefined;
    const endings: unknown[] = [];
    const talking = converse({
      executor: local,
      command: { argv: ['/bin/sh', '-c', script], timeoutMs: 10_000, maxBytes: 1000 },
      signal,
      async talk(peer, over) {
        heard = over;
        await peer.field();
        await new Promise((resolve) => over.addEventListener('abort', resolve, { once: true }));
        throw failure('CANCELLED', { stopped: true });
      },
      farewellMs: 5_000,
      onEnd: (ending) => endings.push(ending),
    });
    const error: unknown = await talking.catch((reason: unknown) => reason);
    assert.equal(heard?.aborted, true);
    assert.equal(endings.length, 1, 'how it ended is told before');
    return { error, ending: endings[0] };
  };
  // Stopped only because the command had ended: that is the reason, and not the stop.
  const early = await run(`printf 'ready\\0'; sleep 0.1; exit 3`, new AbortController().signal);
  assert.ok(early.error instanceof PeerGone && early.error.ending === early.ending);
  assert.equal((early.ending as { exitCode: number }).exitCode, 3);
  const cancelled = await run(`printf 'ready\\0'; cat`, AbortSignal.timeout(300));
  assert.ok(failsWith('TRANSFER_CANCELLED')(cancelled.error));
});

test('behind a shield the talk goes on to its end, cancelled or not', async () => {
  const { signal, abort } = aborter();
  const said = await talkWith(
    `printf 'ready\\0'; IFS= read -r word; sleep 0.2; printf '%s\\0' "$word"`,
    async (peer) => {
      await peer.field();
      peer.shield();
      abort();
      await peer.send('done\n');
      return await peer.field();
    },
    { signal },
  );
  assert.equal(said, 'done');
});

test('what a command says when nobody listens any more does not keep it from its end', async () => {
  const file = join(folder, 'ended');
  const script = `printf 'one\\0'; head -c ${8 * mebibyte} /dev/zero; cat >/dev/null; echo done >"$1"`;
  assert.equal(await talkWith(script, (peer) => peer.field(), { args: [file] }), 'one');
  await eventually(() => (existsSync(file) && readFileSync(file, 'utf8') === 'done\n' ? true : undefined));
});

const cleaning = `trap 'sleep 0.2; echo cleaned >"$1"' EXIT; printf 'ready\\0'`;

test('a talk that throws: its own error comes, and not before the command has cleaned up', async () => {
  const file = join(folder, 'thrown');
  const own = new Error('of the talk');
  const talking = talkWith(
    `${cleaning}; cat >/dev/null`,
    async (peer) => {
      await peer.field();
      throw own;
    },
    { args: [file] },
  );
  await assert.rejects(talking, own);
  assert.equal(readFileSync(file, 'utf8'), 'cleaned\n');
});

for (const [what, talk] of [
  ['waits for a field', (peer: Peer) => peer.field()],
  ['waits for bytes', (peer: Peer) => collect(peer.bytes(10))],
  [
    'waits to send more',
    async (peer: Peer) => {
      for (;;) await peer.send(Buffer.alloc(256 * 1024));
    },
  ],
] as const)
  test(`cancelled while the talk ${what}: TRANSFER_CANCELLED, and the command has cleaned up`, async () => {
    const file = join(folder, what);
    const { signal, abort } = aborter();
    const talking = talkWith(
      `${cleaning}; sleep 0.5; cat >/dev/null`,
      async (peer) => {
        await peer.field();
        setTimeout(abort, 50);
        return await talk(peer);
      },
      { args: [file], signal },
    );
    await assert.rejects(talking, failsWith('TRANSFER_CANCELLED'));
    assert.equal(readFileSync(file, 'utf8'), 'cleaned\n');
  });

test('cancelled before it began, a command is given nothing', async () => {
  const file = join(folder, 'early');
  const talking = talkWith(
    `IFS= read -r order && echo "$order" >"$1"`,
    async (peer) => {
      await peer.send('order\n');
      return await peer.field();
    },
    { args: [file], signal: AbortSignal.abort() },
  );
  await assert.rejects(talking, failsWith('TRANSFER_CANCELLED'));
  assert.equal(existsSync(file), false);
});

test('a command that outlives its talk is stopped after some seconds', async () => {
  const mark = `lingering-${process.pid}`;
  const talking = talkWith(`printf 'ready\\0'; exec sh -c 'sleep 60; : ${mark}'`, async (peer) => {
    await peer.field();
    throw failure('SHUTTING_DOWN', {});
  });
  const startedAt = performance.now();
  await assert.rejects(talking, failsWith('SHUTTING_DOWN'));
  assert.ok(performance.now() - startedAt < 9_000);
  await isGone(mark);
});

test('the time of the command is bounded whatever the talk waits for', async () => {
  const startedAt = performance.now();
  const talking = talkWith(
    `printf 'ready\\0'; sleep 60`,
    async (peer) => [await peer.field(), await peer.field()],
    { timeoutMs: 700 },
  );
  await assert.rejects(talking, failsWith('TRANSFER_TIMEOUT'));
  assert.ok(performance.now() - startedAt < 9_000);
});

test('a host that cannot be reached ends the talk before its first word', async () => {
  const unreachable = failure('HOST_UNREACHABLE', { host: 'pve', problem: 'it is off' });
  const executor: Executor = { ...local, run: () => Promise.reject(unreachable) };
  for (const talk of [(peer: Peer) => peer.field(), (peer: Peer) => peer.send('x')])
    assert.equal(await goneWith(talkWith<unknown>('true', talk, { executor })), unreachable);
});

function aborter(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
