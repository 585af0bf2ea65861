/** The state of one running shell, copied whenever a part of a script runs in a process of its own. */

import type { OpenFile } from '../process/open-file.ts';
import type { Process } from '../process/process.ts';
import type { CommandNode, FunctionDefNode, ScriptNode } from './syntax.ts';

export interface Variable {
  readonly value: string | readonly string[];
  readonly exported: boolean;
  readonly readonly: boolean;
}

export type ShellOption = 'errexit' | 'nounset' | 'xtrace' | 'pipefail' | 'noglob' | 'noclobber';

export interface Shell {
  readonly self: Process;
  readonly dialect: 'bash' | 'dash';
  /** `$0`, and the first word of error messages. */
  readonly name: string;
  /** `$$`: the shell itself, not a part of it that runs in a process of its own. */
  readonly rootPid: number;
  readonly variables: Map<string, Variable>;
  readonly functions: Map<string, FunctionDefNode>;
  readonly options: Set<ShellOption>;
  readonly traps: Map<string, string>;
  /** Children left in the background, latest last. */
  readonly jobs: Map<number, Process>;
  /** What functions on the way here made local, with what was there before. */
  readonly scopes: Map<string, Variable | undefined>[];
  readonly startedMs: number;
  positional: readonly string[];
  status: number;
  pipeStatus: readonly number[];
  line: number;
  /** How many conditions enclose the current command: a failure there is no error. */
  guarded: number;
  /** The status of the latest command substitution while a command is being expanded. */
  substituted: number | undefined;
  /** Whether the command now run is the whole of a `-c` script, which the shell then becomes. */
  isWholeScript: boolean;
  readonly runner: Runner;
}

/** What commands ask of the interpreter above them. */
export interface Runner {
  /** Runs text as part of the shell. */
  evaluate(shell: Shell, source: string): Promise<number>;
  run(shell: Shell, command: CommandNode): Promise<number>;
  /** What the list prints, without the last newlines. */
  substitute(shell: Shell, body: ScriptNode): Promise<string>;
  /** Runs a list in a process of its own with the file at the descriptor, which it takes over. */
  startBeside(shell: Shell, body: ScriptNode, fd: number, file: OpenFile): void;
}

/** Leaves the shell. */
export class ExitShell extends Error {
  readonly status: number;
  constructor(status: number) {
    super('exit');
    this.status = status;
  }
}

/** Leaves a function or a sourced file. */
export class ReturnFromFunction extends Error {
  readonly status: number;
  constructor(status: number) {
    super('return');
    this.status = status;
  }
}

/** Leaves or goes on with a loop, counted from the innermost. */
export class LeaveLoop extends Error {
  readonly kind: 'break' | 'continue';
  readonly levels: number;
  constructor(kind: 'break' | 'continue', levels: number) {
    super(kind);
    this.kind = kind;
    this.levels = levels;
  }
}

/** Ends the command with a message from the shell; in dash, and for expansions, the shell with it. */
export class ShellError extends Error {
  readonly status: number;
  readonly fatal: boolean;
  constructor(message: string, { status = 1, fatal = false }: { status?: number; fatal?: boolean } = {}) {
    super(message);
    this.status = status;
    this.fatal = fatal;
  }
}

export function complaint(shell: Shell, message: string): string {
  const line = shell.dialect === 'bash' ? `line ${shell.line}` : String(shell.line);
  return `${shell.name}: ${line}: ${message}\n`;
}

export function getVariable(shell: Shell, name: string): string | undefined {
  const value = shell.variables.get(name)?.value;
  return typeof value === 'string' ? value : value?.[0];
}

/** Throws ShellError where the variable is read-only. */
export function setVariable(
  shell: Shell,
  name: string,
  value: string | readonly string[],
  { exported, readonly }: { exported?: boolean; readonly?: boolean } = {},
): void {
  const old = shell.variables.get(name);
  if (old?.readonly === true) {
    const message = shell.dialect === 'bash' ? `${name}: readonly variable` : `${name}: is read only`;
    throw new ShellError(message, { fatal: true, status: shell.dialect === 'bash' ? 1 : 2 });
  }
  shell.variables.set(name, {
    value,
    exported: exported ?? old?.exported ?? false,
    readonly: readonly ?? false,
  });
}

export function environment(
  shell: Shell,
  extra: ReadonlyMap<string, string> = new Map(),
): Map<string, string> {
  const env = new Map<string, string>();
  for (const [name, { value, exported }] of shell.variables)
    if (exported) env.set(name, typeof value === 'string' ? value : (value[0] ?? ''));
  for (const [name, value] of extra) env.set(name, value);
  return env;
}

/** A copy for a process of its own: what happens there stays there. */
export function forkShell(shell: Shell, self: Process): Shell {
  return {
    ...shell,
    self,
    variables: new Map(shell.variables),
    functions: new Map(shell.functions),
    options: new Set(shell.options),
    traps: new Map([...shell.traps].filter(([, action]) => action === '')),
    jobs: new Map(),
    scopes: [...shell.scopes],
    isWholeScript: false,
  };
}
