/** Redirections: what they open, and for how long. */
import { FsError } from '../files/fs-error.ts';
import { findNodeAt, forAppending, forReading, forWriting, openPath } from '../process/open.ts';
import { cloneFds, type FdTable, type OpenFile, openText, releaseFds, setFd } from '../process/open-file.ts';
import { expandText } from './expand.ts';
import { type Shell, ShellError } from './shell.ts';
import type { Redirection } from './syntax.ts';

/** Applies the redirections to the shell's own descriptors. Throws ShellError, fatal where it is to end the shell. */
export async function redirect(
  shell: Shell,
  redirections: readonly Redirection[],
  ends = false,
): Promise<void> {
  try {
    for (const redirection of redirections) await apply(shell, shell.self.fds, redirection);
  } catch (error) {
    if (!(error instanceof ShellError) || !ends) throw error;
    throw new ShellError(error.message, { status: error.status, fatal: true });
  }
}

/** Runs the action with the redirections in force, and puts the descriptors back. Throws ShellError. */
export async function withRedirections<T>(
  shell: Shell,
  redirections: readonly Redirection[],
  action: () => Promise<T>,
  ends = false,
): Promise<T> {
  if (redirections.length === 0) return await action();
  const { self } = shell;
  const saved = self.fds;
  self.fds = cloneFds(saved);
  try {
    await redirect(shell, redirections, ends);
    return await action();
  } finally {
    releaseFds(self.fds);
    self.fds = saved;
    // Who was killed meanwhile comes back to these no more.
    if (self.signal.aborted) releaseFds(saved);
  }
}

async function apply(shell: Shell, fds: FdTable, redirection: Redirection): Promise<void> {
  const { operator, target } = redirection;
  const reads = operator.startsWith('<');
  const fd = redirection.fd ?? (reads ? 0 : 1);
  if (target.type === 'HereDoc') {
    const text = await expandText(shell, target.content);
    setFd(fds, fd, openText(Buffer.from(text, 'latin1')));
    return;
  }
  const word = await expandText(shell, target);
  switch (operator) {
    case '<<<':
      setFd(fds, fd, openText(Buffer.from(`${word}\n`, 'latin1')));
      break;
    case '<&':
    case '>&':
      duplicate(shell, fds, fd, word, redirection.fd === null && operator === '>&');
      break;
    case '&>':
    case '&>>': {
      const file = open(shell, word, operator === '&>' ? '>' : '>>');
      setFd(fds, 1, file);
      file.retain();
      setFd(fds, 2, file);
      break;
    }
    default:
      setFd(fds, fd, await opened(shell, open(shell, word, operator)));
  }
}

/** Waits where opening does: at a FIFO that nobody has open at its other end. */
async function opened(shell: Shell, file: OpenFile): Promise<OpenFile> {
  try {
    await file.opened?.(shell.self.signal);
    return file;
  } catch (error) {
    file.release();
    throw error;
  }
}

function duplicate(shell: Shell, fds: FdTable, fd: number, word: string, mayBeFile: boolean): void {
  if (word === '-') {
    fds.get(fd)?.release();
    fds.delete(fd);
    return;
  }
  const from = /^\d+-?$/.test(word) ? fds.get(Number.parseInt(word, 10)) : undefined;
  if (from !== undefined) {
    from.retain();
    setFd(fds, fd, from);
    return;
  }
  if (!mayBeFile || /^\d+$/.test(word)) throw new ShellError(`${word}: Bad file descriptor`);
  const file = open(shell, word, '>');
  setFd(fds, 1, file);
  file.retain();
  setFd(fds, 2, file);
}

const modes = { '<': forReading, '>': forWriting, '>|': forWriting, '>>': forAppending } as const;

function open(shell: Shell, path: string, operator: string): OpenFile {
  const mode =
    operator === '<>'
      ? { read: true, write: true, append: false, create: true }
      : (modes[operator as keyof typeof modes] ?? forReading);
  const there =
    operator === '>' && shell.options.has('noclobber') ? findNodeAt(shell.self, path)?.kind : 'device';
  try {
    if (there === 'file') throw new FsError('EEXIST', path);
    return openPath(shell.self, path, there === undefined ? { ...mode, exclusive: true } : mode);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    if (shell.dialect === 'bash')
      throw new ShellError(
        `${path}: ${error.code === 'EEXIST' ? 'cannot overwrite existing file' : error.reason}`,
      );
    const missing = mode.write ? 'Directory nonexistent' : 'No such file';
    const reason = error.code === 'ENOENT' ? missing : error.reason;
    throw new ShellError(`cannot ${mode.write ? 'create' : 'open'} ${path}: ${reason}`, { status: 2 });
  }
}
