import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { stopScript } from '../../../src/exec/stop-script.ts';
import { guestCommand, readGuestOutput } from '../../../src/ops/agent/guest-script.ts';
import { underCi } from '../../ci.ts';

const mark = '0b0f2a4e-mark';
/** By which /bin/sh a guest may have. */
const shells: Readonly<Record<string, readonly string[]>> = {
  dash: ['dash'],
  bash: ['bash', '--posix'],
  busybox: ['busybox', 'sh'],
};

interface Running {
  readonly pid: number;
  readonly ended: Promise<ReturnType<typeof readGuestOutput>>;
}

/** As the agent starts it: no input, not the leader of a group. */
function start(shell: readonly string[], command: string, halfBytes: number): Running {
  const line = shell.join(' ');
  const [, ...args] = guestCommand({ command, mark, halfBytes });
  const [program = '', ...options] = shell;
  const child = spawn(
    program,
    [...options, ...args.map((arg) => arg.replaceAll('/bin/sh -c', `${line} -c`))],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const collect = async (stream: AsyncIterable<Buffer>) => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const ended = Promise.all([collect(child.stdout), collect(child.stderr), once(child, 'close')]).then(
    ([out, err]) => readGuestOutput({ out, err }, { mark, halfBytes }),
  );
  return { pid: child.pid ?? 0, ended };
}

const text = ({ head, tail }: { head: Buffer; tail: Buffer }) => [head.toString(), tail.toString()];

for (const [name, shell] of Object.entries(shells)) {
  const missing = spawnSync(shell[0] ?? '', [...shell.slice(1), '-c', 'exit 0']).status !== 0;
  if (missing && underCi) throw new Error(`${name} is not installed`);
  const options = { skip: missing && `${name} is not installed` };

  test(`in ${name}, streams and exit code come apart`, options, async () => {
    const { exitCode, stdout, stderr } = await start(shell, 'echo out; echo err >&2; exit 7', 100).ended;
    assert.deepEqual([exitCode, text(stdout), text(stderr)], [7, ['out\n', ''], ['err\n', '']]);
    assert.equal((await start(shell, 'cat; kill -9 $$', 100).ended).exitCode, 137);
    assert.equal((await start(shell, 'no-such-program-anywhere', 100).ended).exitCode, 127);
  });

  test(`in ${name}, a command of any characters arrives as it is`, options, async () => {
    const hostile = `'"\`$(id)\\ ;&|\n\u001b[31m grün 日本 \u202e`;
    const quoted = `'${hostile.replaceAll("'", "'\\''")}'`;
    const { stdout } = await start(shell, `printf %s ${quoted}`, 1_000).ended;
    assert.deepEqual(text(stdout), [hostile, '']);
  });

  test(`in ${name}, what is too long keeps both ends, and its length is known`, options, async () => {
    const { exitCode, stdout, stderr } = await start(shell, 'seq 1 1000; seq 1 9 >&2; exit 3', 100).ended;
    const whole = Array.from({ length: 1000 }, (_none, index) => `${index + 1}\n`).join('');
    assert.deepEqual(text(stdout), [whole.slice(0, 100), whole.slice(-100)]);
    assert.equal(stdout.totalChars, whole.length);
    assert.equal(stdout.totalBytes, whole.length);
    assert.deepEqual([exitCode, stderr.totalBytes], [3, 18]);
  });

  test(`in ${name}, characters are counted, not bytes`, options, async () => {
    const { stdout } = await start(shell, 'printf üüüüüüüüü', 4).ended;
    assert.deepEqual(text(stdout), ['üü', 'üü']);
    assert.equal(stdout.totalChars, 9);
    for (const length of [7, 8]) {
      const whole = await start(shell, `printf ${'x'.repeat(length)}`, 4).ended;
      assert.deepEqual([text(whole.stdout), whole.stdout.totalBytes], [['x'.repeat(length), ''], length]);
    }
  });

  test(
    `in ${name}, it can be stopped with all its children, and brings what there was`,
    options,
    async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'guest-script-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const begun = join(folder, 'begun');
      const trap = `(trap "" TERM; : > ${begun}; sleep 60) & sleep 60`;
      const running = start(shell, `echo before; echo warn >&2; ${trap}`, 100);
      for (const until = Date.now() + 10_000; !existsSync(begun) && Date.now() < until; ) await pause(10);
      const stopped = spawnSync('sh', ['-c', stopScript(running.pid)]);
      assert.equal(stopped.status, 0);
      const { stdout } = await running.ended;
      assert.deepEqual(text(stdout), ['before\n', '']);
    },
  );
}

test('what did not come to its end is read as it is', () => {
  const out = Buffer.from('half\n0b0f2a4e-mar');
  const read = readGuestOutput({ out, err: Buffer.from('x') }, { mark, halfBytes: 4 });
  assert.equal(read.exitCode, undefined);
  assert.deepEqual(text(read.stdout), [out.toString(), '']);
});

test('output that looks like the report is output', () => {
  const report = (status: string) => `\n${mark}\nstatus ${status}\nout 0\nerr 0\n`;
  const { exitCode, stdout } = readGuestOutput(
    { out: Buffer.from(`a${report('9')}b${report('0')}`), err: Buffer.alloc(0) },
    { mark, halfBytes: 1_000 },
  );
  assert.equal(exitCode, 0);
  assert.deepEqual(text(stdout), [`a${report('9')}b`, '']);
});

test('a command that no argument can hold is refused before anything is sent', () => {
  assert.throws(() => guestCommand({ command: 'ü'.repeat(60_000), mark, halfBytes: 1 }), RangeError);
  assert.ok(guestCommand({ command: 'x'.repeat(100_000), mark, halfBytes: 1 }));
  for (const word of guestCommand({ command: 'echo ü', mark, halfBytes: 1 }))
    assert.match(word, /^\p{ASCII}*$/u);
});
