/** Every shell of this machine that may be /bin/sh somewhere, and talks with scripts in them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { converse, type Peer } from '../../../src/exec/dialogue.ts';
import { createLocalExecutor } from '../../../src/exec/local.ts';
import { underCi } from '../../ci.ts';
import { hostileStrings } from '../hostile-strings.ts';

export const folder = mkdtempSync(join(tmpdir(), 'scripts-test-'));
after(() => rmSync(folder, { recursive: true }));

/** As in Alpine: every tool is busybox's too. */
const applets = join(folder, 'applets');
const hasApplets =
  spawnSync('/bin/sh', ['-c', 'mkdir "$1" && busybox --install -s "$1"', 'sh', applets]).status === 0;

const asSh = join(folder, 'bash');
const hasBash =
  spawnSync('/bin/sh', ['-c', 'mkdir "$1" && ln -s "$(command -v bash)" "$1/sh"', 'sh', asSh]).status === 0;

const shells: Readonly<Record<string, readonly string[]>> = {
  dash: ['dash'],
  // By this name it reads no .bashrc when its input is a socket.
  'bash as sh': hasBash ? ['env', `PATH=${asSh}:/usr/sbin:/usr/bin:/sbin:/bin`, 'sh'] : [],
  'busybox sh': ['busybox', 'sh'],
  ksh: ['ksh'],
  mksh: ['mksh'],
  ...(hasApplets && { 'busybox with its own tools': ['env', `PATH=${applets}`, `${applets}/sh`] }),
};

const executor = createLocalExecutor({ sudo: false });
const mark = '2f1c7f5e-mark';

export type InShell = <T>(
  script: string,
  args: readonly string[],
  talk: (peer: Peer) => Promise<T>,
) => Promise<T>;

/** One test for every shell; one that is missing is skipped, but in CI, where none may be. */
export function inEveryShell(name: string, body: (run: InShell, scratch: string) => Promise<void>): void {
  let count = 0;
  for (const [shell, [program = '', ...options]] of Object.entries(shells)) {
    const installed = spawnSync(program, [...options, '-c', 'exit 0']).status === 0;
    if (!installed && underCi) throw new Error(`${shell} is not installed`);
    test(`in ${shell}, ${name}`, { skip: !installed && `${shell} is not installed` }, async () => {
      const scratch = mkdtempSync(join(folder, `${++count}-`));
      const run: InShell = async (script, args, talk) =>
        await converse({
          executor,
          command: {
            argv: [program, ...options, '-c', script, 'sh', mark, ...args],
            ...{ timeoutMs: 8_000, maxBytes: 16_384, announces: mark },
          },
          signal: new AbortController().signal,
          talk,
          farewellMs: 5_000,
        });
      await body(run, scratch);
    });
  }
}

/** What a file may be called, beginnings and ends that shells like to eat among them. */
export function hostileNames(count: number): string[] {
  const picked = [
    '-rf',
    '--',
    '~',
    '*',
    ' ',
    ' x ',
    'x\n',
    '\n',
    'x\n\n',
    '$(id)',
    '`id`',
    'a\\',
    "a'b",
    'é',
    '\u202e',
  ];
  const usable = hostileStrings(count * 2).filter(
    (name) =>
      name !== '' && name !== '.' && name !== '..' && !name.includes('/') && Buffer.byteLength(name) <= 255,
  );
  return [...new Set([...picked, ...usable])].slice(0, count);
}
