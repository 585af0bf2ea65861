/** The commands a shell carries out itself. */
import { forReading, openPath, readAll } from '../process/open.ts';
import { cloneFds } from '../process/open-file.ts';
import { statusOf } from '../process/process.ts';
import { findExecutable, NotRunnable, resolveProgram } from '../programs/resolve.ts';
import type { Builtin } from './builtin.ts';
import { directoryBuiltins } from './builtins-directory.ts';
import { jobBuiltins } from './builtins-jobs.ts';
import { textBuiltins } from './builtins-text.ts';
import { variableBuiltins } from './builtins-variables.ts';
import {
  complaint,
  ExitShell,
  environment,
  getVariable,
  LeaveLoop,
  ReturnFromFunction,
  type Shell,
  ShellError,
} from './shell.ts';

const maxScriptBytes = 1024 * 1024;

/** A count given as the first argument. Throws ShellError. */
function count(shell: Shell, name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^-?\d+$/.test(text)) return Number(text);
  const said = shell.dialect === 'bash' ? 'numeric argument required' : `Illegal number: ${text}`;
  throw new ShellError(shell.dialect === 'bash' ? `${name}: ${text}: ${said}` : `${name}: ${said}`, {
    status: 2,
    fatal: true,
  });
}

async function runCommandBuiltin(shell: Shell, args: readonly string[]): Promise<number> {
  const [flag] = args;
  if (flag === '-v' || flag === '-V') {
    let status = 0;
    for (const name of args.slice(1)) status = (await describe(shell, name, flag === '-V')) ? status : 127;
    return shell.dialect === 'bash' && status !== 0 ? 1 : status;
  }
  const argv = flag === '-p' || flag === '--' ? args.slice(1) : args;
  const builtin = findBuiltin(argv[0] ?? '');
  if (builtin !== undefined) return await builtin(shell, argv.slice(1));
  if (argv.length === 0) return 0;
  try {
    const { program } = resolveProgram(shell.self, argv, getVariable(shell, 'PATH') ?? '');
    const { self } = shell;
    const child = self.spawn({ argv, program, env: environment(shell), fds: cloneFds(self.fds) });
    return statusOf(await child.exited);
  } catch (error) {
    if (!(error instanceof NotRunnable)) throw error;
    const said = shell.dialect === 'bash' ? 'command not found' : 'not found';
    await shell.self.err(complaint(shell, `${argv[0]}: ${said}`));
    return error.status;
  }
}

async function describe(shell: Shell, name: string, wordy: boolean): Promise<boolean> {
  if (shell.functions.has(name) || findBuiltin(name) !== undefined) {
    const kind = shell.functions.has(name) ? 'function' : 'shell builtin';
    await shell.self.out(wordy ? `${name} is a ${kind}\n` : `${name}\n`);
    return true;
  }
  const found = findExecutable(shell.self, name, getVariable(shell, 'PATH') ?? '');
  if (found !== undefined) await shell.self.out(wordy ? `${name} is ${found}\n` : `${found}\n`);
  else if (wordy) await shell.self.err(complaint(shell, `${name}: not found`));
  return found !== undefined;
}

async function source(shell: Shell, args: readonly string[]): Promise<number> {
  const [path, ...rest] = args;
  if (path === undefined) return 2;
  const file = openPath(shell.self, path, forReading);
  const { positional } = shell;
  if (rest.length > 0) shell.positional = rest;
  try {
    const text = (await readAll(shell.self, file, maxScriptBytes)).toString('latin1');
    return await shell.runner.evaluate(shell, text);
  } catch (error) {
    if (error instanceof ReturnFromFunction) return error.status;
    throw error;
  } finally {
    file.release();
    shell.positional = positional;
  }
}

/** Only the bound on the size of files means anything to the lab. */
const ulimit: Builtin = async (shell, args) => {
  const { self } = shell;
  const blockBytes = shell.dialect === 'dash' ? 512 : 1024;
  const ofFiles = args.includes('-f') || !args.some((arg) => /^-[^HS]/.test(arg));
  const given = args.find((arg) => !arg.startsWith('-'));
  if (given === undefined) {
    const blocks = ofFiles ? self.maxFileBytes / blockBytes : Number.POSITIVE_INFINITY;
    await self.out(`${Number.isFinite(blocks) ? Math.floor(blocks) : 'unlimited'}\n`);
    return 0;
  }
  if (!/^(\d+|unlimited)$/.test(given))
    throw new ShellError(
      `ulimit: ${shell.dialect === 'dash' ? `Illegal number: ${given}` : `${given}: invalid number`}`,
      { status: 2 },
    );
  if (ofFiles)
    self.maxFileBytes = given === 'unlimited' ? Number.POSITIVE_INFINITY : Number(given) * blockBytes;
  return 0;
};

const controlBuiltins: Record<string, Builtin> = {
  ':': async () => 0,
  true: async () => 0,
  false: async () => 1,
  eval: (shell, args) => shell.runner.evaluate(shell, args.join(' ')),
  '.': source,
  source,
  command: runCommandBuiltin,
  builtin: (shell, args) => runCommandBuiltin(shell, args),
  type: async (shell, args) => {
    let status = 0;
    for (const name of args) status = (await describe(shell, name, true)) ? status : 1;
    return status;
  },
  exit: async (shell, [status]) => {
    throw new ExitShell(count(shell, 'exit', status, shell.status) & 0xff);
  },
  return: async (shell, [status]) => {
    throw new ReturnFromFunction(count(shell, 'return', status, shell.status) & 0xff);
  },
  break: async (shell, [levels]) => {
    throw new LeaveLoop('break', count(shell, 'break', levels, 1));
  },
  continue: async (shell, [levels]) => {
    throw new LeaveLoop('continue', count(shell, 'continue', levels, 1));
  },
  hash: async () => 0,
  ulimit,
};

const all: Readonly<Record<string, Builtin>> = {
  ...controlBuiltins,
  ...variableBuiltins,
  ...directoryBuiltins,
  ...textBuiltins,
  ...jobBuiltins,
};

export function findBuiltin(name: string): Builtin | undefined {
  return Object.hasOwn(all, name) ? all[name] : undefined;
}
