/** Simple commands: assignments, functions, builtins, and programs in processes of their own. */
import { FsError } from '../files/fs-error.ts';
import { cloneFds } from '../process/open-file.ts';
import { statusOf } from '../process/process.ts';
import { deathNotice } from '../process/signals.ts';
import { NotRunnable, resolveProgram } from '../programs/resolve.ts';
import { evaluateText } from './arithmetic.ts';
import { findBuiltin } from './builtins.ts';
import { expandText, expandWords } from './expand.ts';
import { redirect, withRedirections } from './redirect.ts';
import {
  complaint,
  ExitShell,
  environment,
  getVariable,
  ReturnFromFunction,
  type Shell,
  ShellError,
  setVariable,
} from './shell.ts';
import type { Assignment, SimpleCommandNode } from './syntax.ts';

/** POSIX's special builtins: a redirection of theirs that fails ends the shell. */
const specialBuiltins = new Set(
  ': . break continue eval exit export readonly return set shift trap unset'.split(' '),
);

/** The most functions that may be on the way at one time. */
const maxCalls = 200;

export async function runSimple(shell: Shell, command: SimpleCommandNode): Promise<number> {
  shell.substituted = undefined;
  const { isWholeScript } = shell;
  shell.isWholeScript = false;
  const words = command.name === null ? [] : [command.name, ...command.args];
  const argv = await expandWords(shell, words);
  const [name] = argv;
  if (name === undefined) {
    for (const assignment of command.assignments) await assign(shell, assignment);
    await withRedirections(shell, command.redirections, async () => 0);
    return shell.substituted ?? 0;
  }
  if (shell.options.has('xtrace')) await shell.self.err(`+ ${argv.join(' ')}\n`);
  if (name === 'exec') return await runExec(shell, command, argv.slice(1), shell.dialect === 'dash');
  // `command` takes from exec that a redirection which fails ends the shell, and nothing else.
  if (name === 'command' && argv[1] === 'exec') return await runExec(shell, command, argv.slice(2), false);
  const called = shell.functions.get(name);
  const builtin = findBuiltin(name);
  if (called !== undefined || builtin !== undefined)
    return await withAssignments(shell, command.assignments, () =>
      withRedirections(
        shell,
        command.redirections,
        async () =>
          called === undefined
            ? await runBuiltin(shell, name, argv.slice(1))
            : await callFunction(shell, name, argv.slice(1)),
        shell.dialect === 'dash' && called === undefined && specialBuiltins.has(name),
      ),
    );
  const extra = await temporary(shell, command.assignments);
  return await runProgram(shell, argv, extra, command.redirections, isWholeScript);
}

async function runBuiltin(shell: Shell, name: string, args: readonly string[]): Promise<number> {
  try {
    return (await findBuiltin(name)?.(shell, args)) ?? 0;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    throw new ShellError(
      error.path === '' ? `${name}: write error: ${error.reason}` : `${error.path}: ${error.reason}`,
    );
  }
}

/** `ends`: a redirection that fails ends the shell. */
async function runExec(
  shell: Shell,
  command: SimpleCommandNode,
  argv: readonly string[],
  ends: boolean,
): Promise<number> {
  const extra = await temporary(shell, command.assignments);
  await redirect(shell, command.redirections, ends);
  const [name] = argv;
  if (name === undefined) return 0;
  throw new ExitShell(await become(shell, argv, extra));
}

/** Runs the program in place of the shell. */
async function become(
  shell: Shell,
  argv: readonly string[],
  extra: ReadonlyMap<string, string>,
): Promise<number> {
  const { self } = shell;
  const env = environment(shell, extra);
  try {
    const { program, argv: resolved } = resolveProgram(self, argv, pathOf(shell));
    shell.traps.clear();
    self.handlers.clear();
    self.argv = resolved;
    self.env = env;
    return await program(self);
  } catch (error) {
    if (!(error instanceof NotRunnable)) throw error;
    await self.err(complaint(shell, notRunnable(shell, argv[0] ?? '', error)));
    return error.status;
  }
}

async function runProgram(
  shell: Shell,
  argv: readonly string[],
  extra: ReadonlyMap<string, string>,
  redirections: SimpleCommandNode['redirections'],
  inPlace: boolean,
): Promise<number> {
  if (inPlace && !shell.traps.has('EXIT')) {
    // The shell must not keep what the redirections replace: a pipe would never end.
    await redirect(shell, redirections);
    throw new ExitShell(await become(shell, argv, extra));
  }
  return await withRedirections(shell, redirections, async () => {
    try {
      const { program, argv: resolved } = resolveProgram(shell.self, argv, pathOf(shell));
      const child = shell.self.spawn({
        argv: resolved,
        program,
        env: environment(shell, extra),
        fds: cloneFds(shell.self.fds),
      });
      const exit = await child.exited;
      shell.self.signal.throwIfAborted();
      const notice = 'signal' in exit ? deathNotice(exit.signal) : undefined;
      if (notice !== undefined) await shell.self.err(deathLine(shell, child.pid, notice, argv));
      return statusOf(exit);
    } catch (error) {
      if (!(error instanceof NotRunnable)) throw error;
      await shell.self.err(complaint(shell, notRunnable(shell, argv[0] ?? '', error)));
      return error.status;
    }
  });
}

function deathLine(shell: Shell, pid: number, notice: string, argv: readonly string[]): string {
  if (shell.dialect === 'dash') return `${notice}\n`;
  return complaint(shell, `${String(pid).padStart(5)} ${notice.padEnd(23)} ${argv.join(' ')}`);
}

function notRunnable(shell: Shell, called: string, { status, reason, path }: NotRunnable): string {
  const name = path ?? called;
  if (status === 126 || name.includes('/')) return `${name}: ${reason}`;
  return shell.dialect === 'bash' ? `${name}: command not found` : `${name}: not found`;
}

function pathOf(shell: Shell): string {
  return getVariable(shell, 'PATH') ?? '';
}

async function callFunction(shell: Shell, name: string, args: readonly string[]): Promise<number> {
  const definition = shell.functions.get(name);
  if (definition === undefined) return 127;
  if (shell.scopes.length >= maxCalls) throw new ExitShell(2);
  const { positional } = shell;
  const scope = new Map();
  shell.positional = args;
  shell.scopes.push(scope);
  try {
    return await withRedirections(shell, definition.redirections, () =>
      shell.runner.run(shell, definition.body),
    );
  } catch (error) {
    if (error instanceof ReturnFromFunction) return error.status;
    throw error;
  } finally {
    shell.positional = positional;
    shell.scopes.pop();
    for (const [local, before] of scope)
      if (before === undefined) shell.variables.delete(local);
      else shell.variables.set(local, before);
  }
}

async function temporary(shell: Shell, assignments: readonly Assignment[]): Promise<Map<string, string>> {
  const extra = new Map<string, string>();
  for (const { name, value, append } of assignments)
    extra.set(name, (append ? (getVariable(shell, name) ?? '') : '') + (await expandText(shell, value)));
  return extra;
}

/** Assignments in front of a builtin or function last as long as it. */
async function withAssignments(
  shell: Shell,
  assignments: readonly Assignment[],
  action: () => Promise<number>,
): Promise<number> {
  const extra = await temporary(shell, assignments);
  const before = [...extra.keys()].map((name) => [name, shell.variables.get(name)] as const);
  for (const [name, value] of extra) setVariable(shell, name, value, { exported: true });
  try {
    return await action();
  } finally {
    for (const [name, variable] of before)
      if (variable === undefined) shell.variables.delete(name);
      else shell.variables.set(name, variable);
  }
}

async function assign(shell: Shell, { name, value, append, array }: Assignment): Promise<void> {
  const old = shell.variables.get(name)?.value;
  if (array !== null) {
    const values = await expandWords(shell, array);
    const before = append ? (typeof old === 'string' ? [old] : (old ?? [])) : [];
    setVariable(shell, name, [...before, ...values]);
    return;
  }
  const text = await expandText(shell, value);
  const element = /^(\w+)\[(.+)\]$/s.exec(name);
  if (element === null) {
    setVariable(shell, name, append ? (getVariable(shell, name) ?? '') + text : text);
    return;
  }
  const [, base = '', index = ''] = element;
  const current = shell.variables.get(base)?.value ?? [];
  const values = typeof current === 'string' ? [current] : [...current];
  const at = Number(evaluateText(shell, index));
  if (at < 0 || at > 100_000) return;
  while (values.length < at) values.push('');
  values[at] = append ? (values[at] ?? '') + text : text;
  setVariable(shell, base, values);
}
