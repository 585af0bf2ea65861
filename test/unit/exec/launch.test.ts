/** The waiting shell and its order, read by every shell that may come to read them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { Command } from '../../../src/exec/executor.ts';
import { backstopS, maxOrderBytes, oneLine, opening, order } from '../../../src/exec/launch.ts';
import { underCi } from '../../ci.ts';
import { hostileStrings } from '../hostile-strings.ts';

const bare = { texts: [], guarded: false };
const command: Command = { argv: ['echo', "it's"], timeoutMs: 30_000, maxBytes: 1000 };

/** What may be a login shell, or /bin/sh behind sudo. */
const shells = ['dash', 'bash', 'busybox sh', 'ksh', 'mksh', 'zsh'];

function runIn(
  shell: string,
  orderLine: string,
  options: { texts?: readonly string[]; stdin?: string } = {},
) {
  const { texts = [], stdin = '' } = options;
  const { line, nonce } = opening({ texts, sudo: false });
  const [program = '', ...args] = shell.split(' ');
  const { stdout, status } = spawnSync(program, [...args, '-c', line], {
    input: orderLine + stdin,
    env: { PATH: process.env.PATH, TMOUT: '1' },
  });
  return { nonce, stdout, status };
}

/** The words as `printf` got them, each ended by NUL. */
function wordsFrom(stdout: Buffer, nonce: string): string[] {
  const text = stdout.toString('utf8');
  const match = new RegExp(`^${nonce} [1-9]\\d*\\n${nonce} go\\n`).exec(text);
  assert.ok(match, text.slice(0, 200));
  return text.slice(match[0].length).split('\0').slice(0, -1);
}

for (const shell of shells) {
  const [program = ''] = shell.split(' ');
  const installed = spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined;
  if (!installed && underCi) throw new Error(`${program} is not installed`);
  const options = installed ? {} : { skip: `${program} is not installed` };

  test(`through ${shell}, words of any kind arrive byte for byte`, options, () => {
    const words = ["$_n'\n'", ...hostileStrings(600)];
    const line = order({ ...command, argv: ['printf', '%s\\0', ...words] }, bare);
    assert.equal(line.indexOf('\n'), line.length - 1, 'an order is one line');
    const { stdout, nonce } = runIn(shell, line);
    assert.deepEqual(wordsFrom(stdout, nonce), words);
  });

  test(`through ${shell}, what follows the order is the command’s input, to the byte`, options, () => {
    const stdin = 'one\\\n  two\n\nno newline at the end';
    const { stdout, nonce } = runIn(shell, order({ ...command, argv: ['cat'] }, bare), { stdin });
    assert.match(stdout.toString(), new RegExp(`^${nonce} \\d+\\n${nonce} go\\n`));
    assert.ok(stdout.toString().endsWith(` go\n${stdin}`));
  });

  test(`through ${shell}, a text kept by the shell stands for a word`, options, () => {
    const texts = ["a\n'b'\\", '$2 *'];
    const line = order(
      { ...command, argv: ['printf', '%s\\0', '$1', ...texts, 'a'] },
      { texts, guarded: false },
    );
    assert.ok(!line.includes("'b'"));
    const { stdout, nonce } = runIn(shell, line, { texts });
    assert.deepEqual(wordsFrom(stdout, nonce), ['$1', ...texts, 'a']);
  });

  test(`through ${shell}, the exit code is the command’s, and the end of input is no order`, options, () => {
    assert.equal(runIn(shell, order({ ...command, argv: ['sh', '-c', 'exit 42'] }, bare)).status, 42);
    const { stdout, status, nonce } = runIn(shell, '');
    assert.equal(status, 0);
    assert.match(stdout.toString(), new RegExp(`^${nonce} \\d+\\n$`));
    assert.doesNotMatch(runIn(shell, 'echo half an order').stdout.toString(), / go|half/);
  });

  test(`through ${shell}, the shell’s own variables are not in the environment`, options, () => {
    const { stdout } = runIn(shell, order({ ...command, argv: ['env'] }, bare));
    assert.doesNotMatch(stdout.toString(), /gateway_|TMOUT/);
  });
}

test('the group is the one in which the kernel has the shell', () => {
  const { line, nonce } = opening({ texts: [], sudo: false });
  const { stdout } = spawnSync('setsid', ['bash', '-c', `(${line}); ps -o pgid= -p $$`], {
    input: order({ ...command, argv: ['true'] }, bare),
    encoding: 'utf8',
  });
  const [first, , group] = stdout.split('\n');
  assert.equal(first, `${nonce} ${group?.trim()}`);
});

test('with sudo the waiting shell is root’s, and orders stay the same', () => {
  const { line } = opening({ texts: [], sudo: true });
  assert.match(line, /^exec sudo -n -- \/bin\/sh -c '/);
});

test('no two shells share a nonce', () => {
  const nonces = Array.from({ length: 100 }, () => opening({ texts: [], sudo: false }).nonce);
  assert.equal(new Set(nonces).size, 100);
  for (const nonce of nonces) assert.match(nonce, /^[0-9a-f-]{36}$/);
});

test('the backstop is in whole seconds and never before the deadline', () => {
  for (const [timeoutMs, seconds] of [
    [1, 6],
    [1000, 6],
    [1001, 7],
    [86_400_000, 86_405],
  ] as const)
    assert.match(
      order({ ...command, timeoutMs }, bare),
      new RegExp(`^exec 'timeout' '-s' 'KILL' '${seconds}' 'echo'`),
    );
});

test('the bound on an order holds after quoting', () => {
  const of = (text: string) => () => order({ ...command, argv: ['echo', text] }, bare);
  const spare = maxOrderBytes + 1 - Buffer.byteLength(of('')());
  assert.equal(Buffer.byteLength(of('a'.repeat(spare))()), maxOrderBytes + 1);
  assert.throws(of('a'.repeat(spare + 1)), { name: 'RangeError', message: /100001 bytes.*100000/ });
  assert.throws(of('é'.repeat(spare / 2 + 1)), { name: 'RangeError' });
  assert.doesNotThrow(of("'".repeat(20_000)));
  assert.throws(of("'".repeat(40_000)), { name: 'RangeError' });
  assert.throws(of('a\0b'), { name: 'RangeError', message: /NUL/ });
  assert.throws(() => oneLine('a'.repeat(maxOrderBytes + 1)), { name: 'RangeError' });
});

test('where a guard watches, the order is the command alone', () => {
  assert.equal(order(command, { texts: [], guarded: true }), `exec 'echo' 'it'\\''s'\n`);
  assert.equal(backstopS(command), 35);
});
