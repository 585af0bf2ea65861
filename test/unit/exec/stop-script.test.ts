/** The script that stops a process group, in every shell that may come to read it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { stopScript } from '../../../src/exec/stop-script.ts';
import { underCi } from '../../ci.ts';

const shells: readonly (readonly [program: string, ...args: string[]])[] = [
  ['bash'],
  ['dash'],
  ['busybox', 'sh'],
  ['ksh'],
  ['mksh'],
  ['zsh'],
];

function isThere(pgid: number): boolean {
  try {
    return process.kill(-pgid, 0);
  } catch {
    return false;
  }
}

/** A process group of its own, which stands when its first word is there. */
async function group(script: string): Promise<ChildProcess & { readonly pid: number }> {
  const child = spawn('bash', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  assert.ok(child.pid);
  return child as ChildProcess & { readonly pid: number };
}

async function exitCode(program: string, args: readonly string[]): Promise<unknown> {
  const [code] = await once(spawn(program, args, { stdio: 'ignore' }), 'exit');
  return code;
}

for (const [program, ...args] of shells) {
  const installed = spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined;
  if (!installed && underCi) throw new Error(`${program} is not installed`);
  const name = [program, ...args].join(' ');
  const options = installed ? {} : { skip: `${program} is not installed` };

  test(`read by ${name}, it ends a group that obeys and one that does not`, options, async () => {
    const scripts = [
      'sleep 60 & echo up; wait',
      "trap '' TERM; sleep 60 & echo up; while :; do sleep 1; done",
    ];
    for (const script of scripts) {
      const { pid } = await group(script);
      assert.ok(isThere(pid));
      assert.equal(await exitCode(program, [...args, '-c', stopScript(pid)]), 0);
      const left = spawnSync('ps', ['-eo', 'pgid=,stat='], { encoding: 'utf8' }).stdout;
      assert.doesNotMatch(left, new RegExp(`^ *${pid} +[^Z ]`, 'm'));
    }
  });

  test(`read by ${name}, it says so when the group cannot be ended`, options, async () => {
    if (process.getuid?.() !== 0) return;
    const child = await group('echo up; sleep 60');
    const as = ['--reuid=65534', '--clear-groups', program, ...args, '-c'];
    assert.equal(await exitCode('setpriv', [...as, stopScript(child.pid)]), 1);
    process.kill(-child.pid, 'SIGKILL');
  });
}
