/** Builtins about children and signals. */

import { unlessAborted } from '../process/notice.ts';
import { statusOf } from '../process/process.ts';
import { runKill } from '../programs/kill.ts';
import type { Builtin } from './builtin.ts';
import { complaint } from './shell.ts';
import { setTrap } from './traps.ts';

const wait: Builtin = async (shell, args) => {
  const { self, jobs } = shell;
  const pids = args.filter((arg) => arg !== '-n').map(Number);
  const awaited = pids.length > 0 ? pids : [...jobs.keys()];
  let status = 0;
  for (const pid of awaited) {
    const child = jobs.get(pid);
    if (child === undefined) {
      await self.err(complaint(shell, `wait: pid ${pid} is not a child of this shell`));
      status = 127;
      continue;
    }
    status = statusOf(await unlessAborted(child.exited, self.signal));
    jobs.delete(pid);
  }
  return pids.length > 0 ? status : 0;
};

const trap: Builtin = async (shell, args) => {
  const [action, ...conditions] = args[0] === '--' ? args.slice(1) : args;
  if (action === undefined) {
    for (const [name, text] of shell.traps) await shell.self.out(`trap -- '${text}' ${name}\n`);
    return 0;
  }
  const restores = action === '-' || (conditions.length === 0 && action !== '');
  let status = 0;
  for (const condition of conditions.length === 0 ? [action] : conditions)
    if (!setTrap(shell, condition, restores ? undefined : action)) {
      const said =
        shell.dialect === 'bash'
          ? `trap: ${condition}: invalid signal specification`
          : `trap: ${condition}: bad trap`;
      await shell.self.err(complaint(shell, said));
      status = 1;
    }
  return status;
};

const kill: Builtin = async (shell, args) =>
  await runKill(shell.self, args, (message) => shell.self.err(complaint(shell, `kill: ${message}`)));

export const jobBuiltins: Readonly<Record<string, Builtin>> = {
  wait,
  trap,
  kill,
  jobs: async (shell) => {
    let number = 0;
    for (const [, process] of shell.jobs) {
      number += 1;
      await shell.self.out(`[${number}]+  Running                 ${process.argv.join(' ')} &\n`);
    }
    return 0;
  },
  disown: async (shell) => {
    shell.jobs.clear();
    return 0;
  },
};
