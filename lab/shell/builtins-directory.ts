/** Builtins about the working directory and new files. */
import { FsError } from '../files/fs-error.ts';
import { mayAccess } from '../files/inode.ts';
import { absolute, locate } from '../files/tree.ts';
import type { Builtin } from './builtin.ts';
import { complaint, getVariable, type Shell, setVariable } from './shell.ts';

/** Without its `.` and `..`, as a shell keeps it: links on the way are not looked at. */
function logical(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/'))
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  return `/${parts.join('/')}`;
}

function enter(shell: Shell, target: string, physical: boolean): string | undefined {
  const { self } = shell;
  try {
    const path = absolute(self.cwd, target);
    const place = locate(self.machine.files, path, self.who);
    if (target === '' || place.node === undefined) return 'No such file or directory';
    if (place.node.kind !== 'directory') return 'Not a directory';
    if (!mayAccess(place.node, self.who, 1)) return 'Permission denied';
    setVariable(shell, 'OLDPWD', self.cwd);
    self.cwd = physical ? place.path : logical(path);
    setVariable(shell, 'PWD', self.cwd);
    return undefined;
  } catch (error) {
    if (error instanceof FsError) return error.reason;
    throw error;
  }
}

const cd: Builtin = async (shell, args) => {
  const physical = args.includes('-P');
  const [operand] = args.filter((arg) => !/^-[LPe]+$/.test(arg) && arg !== '--');
  const target =
    operand === '-' ? getVariable(shell, 'OLDPWD') : (operand ?? getVariable(shell, 'HOME') ?? '/');
  const problem = target === undefined ? 'OLDPWD not set' : enter(shell, target, physical);
  if (problem !== undefined) {
    const said =
      shell.dialect === 'bash' ? `cd: ${target ?? ''}: ${problem}` : `cd: can't cd to ${target ?? ''}`;
    await shell.self.err(complaint(shell, said));
    return shell.dialect === 'bash' ? 1 : 2;
  }
  if (operand === '-') await shell.self.out(`${shell.self.cwd}\n`);
  return 0;
};

const pwd: Builtin = async (shell, [flag]) => {
  const { self } = shell;
  const path = flag === '-P' ? locate(self.machine.files, self.cwd, self.who).path : self.cwd;
  await self.out(`${path}\n`);
  return 0;
};

const umask: Builtin = async (shell, [mode]) => {
  if (mode === undefined) await shell.self.out(`${shell.self.umask.toString(8).padStart(4, '0')}\n`);
  else if (/^[0-7]{1,4}$/.test(mode)) shell.self.umask = Number.parseInt(mode, 8) & 0o777;
  else {
    await shell.self.err(complaint(shell, `umask: ${mode}: invalid symbolic mode operator`));
    return 1;
  }
  return 0;
};

export const directoryBuiltins: Readonly<Record<string, Builtin>> = { cd, pwd, umask };
