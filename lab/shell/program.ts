/** bash and sh as programs: their arguments, and the shell that runs the script. */
import { parse } from 'just-bash';
import { FsError } from '../files/fs-error.ts';
import { forReading, openPath, readAll } from '../process/open.ts';
import { cloneFds, createPipe, setFd } from '../process/open-file.ts';
import { type Process, type Program, statusOf } from '../process/process.ts';
import { findBuiltin } from './builtins.ts';
import { setFlags, setOption } from './builtins-variables.ts';
import { expandText } from './expand.ts';
import { finish, runCommand, runList } from './run.ts';
import { forkShell, type Runner, type Shell, ShellError, type Variable } from './shell.ts';
import type { ScriptNode, WordNode } from './syntax.ts';

const maxScriptBytes = 1024 * 1024;
/** The most bytes a command substitution gives. */
const maxSubstitutedBytes = 4 * 1024 * 1024;
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const bash: Program = (self) => runShell(self, 'bash');
export const dash: Program = (self) => runShell(self, 'dash');

interface Invocation {
  readonly flags: readonly string[];
  readonly options: readonly string[];
  readonly script: { readonly kind: 'text' | 'file'; readonly value: string } | { readonly kind: 'stdin' };
  readonly name: string;
  readonly positional: readonly string[];
}

function readArguments([called = 'sh', ...args]: readonly string[]): Invocation {
  const flags: string[] = [];
  const options: string[] = [];
  let [command, stdin] = [false, false];
  let at = 0;
  for (; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (arg === '--' || arg === '-') {
      at += 1;
      break;
    }
    if (!/^[-+]./.test(arg)) break;
    if (arg.startsWith('--')) continue;
    if (/^[-+]\w*o$/.test(arg)) {
      at += 1;
      options.push(args[at] ?? '');
    }
    command ||= /^-\w*c/.test(arg);
    stdin ||= /^-\w*s/.test(arg);
    flags.push(arg.replaceAll(/[csil]/g, ''));
  }
  const rest = args.slice(at);
  const [first] = rest;
  const given = { flags, options };
  if (command && first !== undefined)
    return {
      ...given,
      script: { kind: 'text', value: first },
      name: rest[1] ?? called,
      positional: rest.slice(2),
    };
  if (stdin || first === undefined)
    return { ...given, script: { kind: 'stdin' }, name: called, positional: rest };
  return { ...given, script: { kind: 'file', value: first }, name: first, positional: rest.slice(1) };
}

async function runShell(self: Process, dialect: Shell['dialect']): Promise<number> {
  const { argv } = self;
  const invocation = readArguments(argv);
  const shell = createShell(self, dialect, invocation);
  let text: string;
  try {
    text = await scriptText(self, invocation.script);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    await self.err(`${argv[0]}: ${invocation.name}: ${error.reason}\n`);
    return 127;
  }
  return await finish(shell, async () => {
    const script = parseScript(text, invocation.script.kind === 'text' && dialect === 'bash' ? '-c: ' : '');
    const [only, ...more] = script.statements;
    const [pipeline, ...others] = only?.pipelines ?? [];
    const isOne = more.length === 0 && others.length === 0 && only?.background === false;
    shell.isWholeScript =
      isOne &&
      pipeline?.commands.length === 1 &&
      !pipeline.negated &&
      pipeline.commands[0]?.type === 'SimpleCommand';
    return await runList(shell, script.statements);
  });
}

async function scriptText(self: Process, script: Invocation['script']): Promise<string> {
  if (script.kind === 'text') return script.value;
  const file = script.kind === 'file' ? openPath(self, script.value, forReading) : self.fds.get(0);
  if (file === undefined) return '';
  try {
    return (await readAll(self, file, maxScriptBytes)).toString('latin1');
  } finally {
    if (script.kind === 'file') file.release();
  }
}

/** Throws ShellError where the text is no script. */
function parseScript(text: string, where = ''): ScriptNode {
  try {
    return parse(text);
  } catch (error) {
    const [, token] = /got '?([^']+?)'?$/.exec(error instanceof Error ? error.message : '') ?? [];
    const said =
      token === undefined || token === 'EOF'
        ? 'syntax error: unexpected end of file'
        : `syntax error near unexpected token \`${token}'`;
    throw new ShellError(`${where}${said}`, { status: 2, fatal: true });
  }
}

function createShell(self: Process, dialect: Shell['dialect'], invocation: Invocation): Shell {
  const variables = new Map<string, Variable>();
  const put = (name: string, value: string, exported: boolean) =>
    variables.set(name, { value, exported, readonly: false });
  put('PATH', defaultPath, false);
  for (const [name, value] of self.env) put(name, value, true);
  put('PWD', self.cwd, true);
  put('IFS', ' \t\n', false);
  put('OPTIND', '1', false);
  if (dialect === 'bash') {
    put('SHLVL', String(Number(self.env.get('SHLVL') ?? 0) + 1), true);
    put('_', self.argv[0] ?? '', true);
    put('OSTYPE', 'linux-gnu', false);
  }
  const shell: Shell = {
    ...{ self, dialect, variables, name: invocation.name, rootPid: self.pid, startedMs: Date.now() },
    ...{ functions: new Map(), options: new Set(), traps: new Map(), jobs: new Map(), scopes: [] },
    ...{ positional: invocation.positional, status: 0, pipeStatus: [0], line: 1, guarded: 0 },
    ...{ substituted: undefined, isWholeScript: false },
    runner,
  };
  for (const flags of invocation.flags) setFlags(shell, flags);
  for (const option of invocation.options) setOption(shell, option, true);
  return shell;
}

/** `$(<file)` is the content of the file: bash's own short form of `cat`. */
function fileToRead(body: ScriptNode) {
  const [statement, ...more] = body.statements;
  const command = statement?.pipelines[0]?.commands[0];
  if (more.length > 0 || statement?.pipelines.length !== 1 || command?.type !== 'SimpleCommand')
    return undefined;
  const [redirection, ...others] = command.redirections;
  if (command.name !== null || command.assignments.length > 0 || others.length > 0) return undefined;
  return redirection?.operator === '<' && redirection.target.type === 'Word' ? redirection.target : undefined;
}

const runner: Runner = {
  evaluate: (shell, source) => runList(shell, parseScript(source).statements),
  run: runCommand,
  async substitute(shell, body) {
    const { self } = shell;
    const { reader, writer } = createPipe();
    const fds = cloneFds(self.fds);
    setFd(fds, 1, writer);
    const file = fileToRead(body);
    const part = self.spawn({
      argv: self.argv,
      fds,
      program: (process) =>
        finish(forkShell(shell, process), (fork) =>
          file === undefined ? runList(fork, body.statements) : copyFile(fork, file),
        ),
    });
    try {
      const output = await readAll(self, reader, maxSubstitutedBytes);
      shell.substituted = statusOf(await part.exited);
      shell.status = shell.substituted;
      return output.toString('latin1').replaceAll('\0', '').replace(/\n+$/, '');
    } catch (error) {
      if (error instanceof FsError)
        throw new ShellError('command substitution: output too long', { fatal: true });
      throw error;
    } finally {
      reader.release();
    }
  },
  startBeside(shell, body, fd, file) {
    const fds = cloneFds(shell.self.fds);
    setFd(fds, fd, file);
    shell.self.spawn({
      argv: shell.self.argv,
      fds,
      program: (process) => finish(forkShell(shell, process), (fork) => runList(fork, body.statements)),
    });
  },
};

async function copyFile(shell: Shell, path: WordNode): Promise<number> {
  const file = openPath(shell.self, await expandText(shell, path), forReading);
  try {
    for (;;) {
      const chunk = await file.read(64 * 1024, shell.self.signal);
      if (chunk.length === 0) return 0;
      await shell.self.out(chunk);
    }
  } finally {
    file.release();
  }
}

/** A builtin that is also a program of its own, such as /usr/bin/echo. */
export function builtinProgram(name: string): Program {
  return async (self) => {
    const shell = createShell(self, 'bash', {
      ...{ flags: [], options: [], script: { kind: 'stdin' } },
      ...{ name: self.argv[0] ?? name, positional: [] },
    });
    return await finish(shell, async () => (await findBuiltin(name)?.(shell, self.argv.slice(1))) ?? 127);
  };
}
