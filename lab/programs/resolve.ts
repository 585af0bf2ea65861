/** Which program a command name stands for, by PATH and the files of the machine. */
import { contentOf, mayAccess } from '../files/inode.ts';
import { absolute, findNode } from '../files/tree.ts';
import type { Process, Program } from '../process/process.ts';

/** The kernel's bound on one argument (MAX_ARG_STRLEN). */
const maxArgumentBytes = 131_071;

export class NotRunnable extends Error {
  readonly status: 126 | 127;
  /** The words of strerror. */
  readonly reason: string;
  /** The file that was found, where that is what the message names. */
  readonly path: string | undefined;
  constructor(status: 126 | 127, reason: string, path?: string) {
    super(reason);
    this.status = status;
    this.reason = reason;
    this.path = path;
  }
}

export interface Resolved {
  readonly program: Program;
  readonly argv: readonly string[];
}

/** The path of the file that runs under this name, if there is one. */
export function findExecutable(self: Process, name: string, path: string): string | undefined {
  if (name === '') return undefined;
  const candidates = name.includes('/')
    ? [name]
    : path.split(':').map((directory) => `${directory === '' ? '.' : directory}/${name}`);
  return candidates.find((candidate) => {
    const node = findNode(self.machine.files, absolute(self.cwd, candidate), self.who);
    return node?.kind === 'file' && mayAccess(node, self.who, 1);
  });
}

/** Throws NotRunnable. */
export function resolveProgram(self: Process, argv: readonly string[], path: string): Resolved {
  const [name = ''] = argv;
  const found = findExecutable(self, name, path);
  if (found === undefined) {
    const there = name.includes('/') && findNode(self.machine.files, absolute(self.cwd, name), self.who);
    if (!there) throw new NotRunnable(127, 'No such file or directory');
    throw new NotRunnable(126, there.kind === 'directory' ? 'Is a directory' : 'Permission denied');
  }
  if (argv.some((arg) => arg.length > maxArgumentBytes))
    throw new NotRunnable(126, 'Argument list too long', found);
  const node = findNode(self.machine.files, absolute(self.cwd, found), self.who);
  if (node?.kind !== 'file') throw new NotRunnable(127, 'No such file or directory');
  if (node.program !== undefined) return { program: byName(self, node.program), argv };
  const [, interpreter = '/bin/sh', argument] =
    /^#!\s*(\S+)[ \t]*(\S.*)?\n/.exec(contentOf(node).toString('latin1')) ?? [];
  const script = [...(argument === undefined ? [] : [argument.trim()]), found, ...argv.slice(1)];
  if (interpreter === found) throw new NotRunnable(126, 'Exec format error');
  return resolveProgram(self, [interpreter, ...script], path);
}

function byName(self: Process, program: string): Program {
  const found = self.machine.programs.get(program);
  if (found === undefined) throw new NotRunnable(127, 'No such file or directory');
  return found;
}
