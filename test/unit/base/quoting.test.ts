/** Whatever the text, a shell gives it back byte for byte: through one level of quoting and through two. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { commandLine } from '../../../src/base/shell.ts';
import { underCi } from '../../ci.ts';
import { hostileStrings } from '../hostile-strings.ts';

const shells: readonly (readonly [string, ...string[]])[] = [
  ['bash'],
  ['dash'],
  ['busybox', 'sh'],
  ['ksh'],
  ['mksh'],
  ['zsh'],
];

const strings = hostileStrings(512);
const batchSize = 64;

/** What the shell printed for each string, in small batches: one argument may not pass 128 KiB. */
function roundTrip(shell: readonly [string, ...string[]], levels: 1 | 2): string[] {
  const [program, ...args] = shell;
  const printed: string[] = [];
  for (let from = 0; from < strings.length; from += batchSize) {
    const line = commandLine(['printf', '%s\\0', ...strings.slice(from, from + batchSize)]);
    const outer = levels === 1 ? line : commandLine([...shell, '-c', line]);
    const { status, stdout, stderr } = spawnSync(program, [...args, '-c', outer], {
      maxBuffer: 1024 * 1024,
      timeout: 10_000,
    });
    assert.equal(status, 0, `${program}: ${stderr.toString('utf8').slice(0, 500)}`);
    printed.push(...stdout.toString('utf8').split('\0').slice(0, -1));
  }
  return printed;
}

function isMissing(program: string): boolean {
  const { error } = spawnSync(program, ['-c', 'exit 0']);
  return error !== undefined && 'code' in error && error.code === 'ENOENT';
}

function absence(program: string): string | false {
  if (underCi || !isMissing(program)) return false;
  return `${program} is not installed here`;
}

for (const shell of shells) {
  const name = shell.join(' ');
  for (const levels of [1, 2] as const) {
    test(`${name} reads ${levels} level(s) of quoting back byte for byte`, {
      skip: absence(shell[0]),
    }, () => {
      assert.ok(!isMissing(shell[0]), `${shell[0]} must be installed`);
      const printed = roundTrip(shell, levels);
      assert.equal(printed.length, strings.length);
      for (const [index, text] of strings.entries()) assert.equal(printed[index], text);
    });
  }
}

/** The reason for which the gateway probes the login shell before it trusts it. */
test('fish does not follow these rules', { skip: absence('fish') }, () => {
  assert.ok(!isMissing('fish'), 'fish must be installed');
  const text = 'a\\\\b';
  const { stdout } = spawnSync('fish', ['--no-config', '-c', commandLine(['printf', '%s', text])]);
  assert.notEqual(stdout.toString('utf8'), text);
});
