/** Runs syntax trees: lists, pipelines and compound commands. */
import { cloneFds, createPipe, type OpenFile, setFd } from '../process/open-file.ts';
import { type Exit, type Process, statusOf } from '../process/process.ts';
import { evaluate } from './arithmetic.ts';
import { isTrue } from './condition.ts';
import { expandPattern, expandText, expandWords } from './expand.ts';
import { matches } from './pattern.ts';
import { withRedirections } from './redirect.ts';
import {
  complaint,
  ExitShell,
  forkShell,
  LeaveLoop,
  ReturnFromFunction,
  type Shell,
  ShellError,
  setVariable,
} from './shell.ts';
import { runSimple } from './simple.ts';
import type {
  CaseNode,
  CommandNode,
  CStyleForNode,
  ForNode,
  IfNode,
  PipelineNode,
  StatementNode,
  UntilNode,
  WhileNode,
} from './syntax.ts';
import { runTraps } from './traps.ts';

export async function runList(shell: Shell, statements: readonly StatementNode[]): Promise<number> {
  let status = 0;
  for (const statement of statements) status = await runStatement(shell, statement);
  return status;
}

async function runStatement(shell: Shell, statement: StatementNode): Promise<number> {
  if (statement.deferredError !== undefined)
    throw new ShellError(`syntax error near unexpected token \`${statement.deferredError.token}'`, {
      status: 2,
      fatal: true,
    });
  await shell.self.breathe();
  await runTraps(shell);
  if (statement.background) {
    startBackground(shell, statement);
    shell.status = 0;
    return 0;
  }
  return await runAndOr(shell, statement);
}

async function runAndOr(shell: Shell, { pipelines, operators }: StatementNode): Promise<number> {
  let status = 0;
  for (const [index, pipeline] of pipelines.entries()) {
    const operator = operators[index - 1];
    if ((operator === '&&' && status !== 0) || (operator === '||' && status === 0)) continue;
    const isLast = index === pipelines.length - 1;
    const guards = !isLast || pipeline.negated;
    if (guards) shell.guarded += 1;
    try {
      status = await runPipeline(shell, pipeline);
    } finally {
      if (guards) shell.guarded -= 1;
    }
    shell.status = status;
    if (status !== 0 && !guards && shell.guarded === 0 && shell.options.has('errexit'))
      throw new ExitShell(status);
  }
  return status;
}

/** Runs part of the script in a process of its own; it takes over the descriptors. */
function startPart(shell: Shell, fds: Process['fds'], run: (part: Shell) => Promise<number>): Process {
  return shell.self.spawn({
    argv: shell.self.argv,
    env: shell.self.env,
    fds,
    program: (self) => finish(forkShell(shell, self), run),
  });
}

/** Runs to the end of the shell or of its part, whatever ends it. */
export async function finish(shell: Shell, run: (shell: Shell) => Promise<number>): Promise<number> {
  let status: number;
  try {
    status = await run(shell);
  } catch (error) {
    if (error instanceof ExitShell || error instanceof ReturnFromFunction) status = error.status;
    else if (error instanceof LeaveLoop) status = 0;
    else if (error instanceof ShellError) {
      await shell.self.err(complaint(shell, error.message));
      status = error.status;
    } else throw error;
  }
  const last = shell.traps.get('EXIT');
  if (last === undefined || last === '') return status;
  shell.traps.delete('EXIT');
  shell.status = status;
  return await finish(shell, async (self) => {
    await self.runner.evaluate(self, last);
    return status;
  });
}

function startBackground(shell: Shell, statement: StatementNode): void {
  const fds = cloneFds(shell.self.fds);
  const silence = createPipe();
  silence.writer.release();
  setFd(fds, 0, silence.reader);
  const [pipeline] = statement.pipelines;
  const [command] = pipeline?.commands ?? [];
  const isSimple = statement.pipelines.length === 1 && pipeline?.commands.length === 1;
  const process = startPart(shell, fds, (part) => {
    part.isWholeScript = isSimple && command?.type === 'SimpleCommand';
    return runAndOr(part, statement);
  });
  shell.jobs.set(process.pid, process);
}

async function runPipeline(shell: Shell, pipeline: PipelineNode): Promise<number> {
  const started = Date.now();
  const { commands } = pipeline;
  const [only] = commands;
  let status = 0;
  if (only !== undefined && commands.length === 1) {
    status = await runCommand(shell, only);
    shell.pipeStatus = [status];
  } else if (commands.length > 0) status = await runStages(shell, pipeline);
  if (pipeline.timed === true) {
    const seconds = ((Date.now() - started) / 1000).toFixed(3);
    await shell.self.err(`\nreal\t0m${seconds}s\nuser\t0m0.000s\nsys\t0m0.000s\n`);
  }
  if (!pipeline.negated) return status;
  return status === 0 ? 1 : 0;
}

async function runStages(shell: Shell, { commands, pipeStderr }: PipelineNode): Promise<number> {
  const processes: Process[] = [];
  let input: OpenFile | undefined;
  for (const [index, command] of commands.entries()) {
    const fds = cloneFds(shell.self.fds);
    if (input !== undefined) setFd(fds, 0, input);
    input = undefined;
    if (index < commands.length - 1) {
      const { reader, writer } = createPipe();
      setFd(fds, 1, writer);
      if (pipeStderr?.[index] === true) {
        writer.retain();
        setFd(fds, 2, writer);
      }
      input = reader;
    }
    processes.push(
      startPart(shell, fds, (part) => {
        part.isWholeScript = command.type === 'SimpleCommand';
        return runCommand(part, command);
      }),
    );
  }
  const exits: Exit[] = [];
  for (const process of processes) exits.push(await process.exited);
  shell.self.signal.throwIfAborted();
  shell.pipeStatus = exits.map(statusOf);
  if (!shell.options.has('pipefail')) return shell.pipeStatus.at(-1) ?? 0;
  return shell.pipeStatus.findLast((status) => status !== 0) ?? 0;
}

export async function runCommand(shell: Shell, command: CommandNode): Promise<number> {
  shell.line = command.line ?? shell.line;
  try {
    if (command.type === 'SimpleCommand' || command.type === 'FunctionDef')
      return await runNode(shell, command);
    return await withRedirections(shell, command.redirections, () => runNode(shell, command));
  } catch (error) {
    if (!(error instanceof ShellError) || error.fatal) throw error;
    await shell.self.err(complaint(shell, error.message));
    return error.status;
  }
}

async function runNode(shell: Shell, command: CommandNode): Promise<number> {
  switch (command.type) {
    case 'SimpleCommand':
      return await runSimple(shell, command);
    case 'FunctionDef':
      shell.functions.set(command.name, command);
      return 0;
    case 'Group':
      return await runList(shell, command.body);
    case 'Subshell': {
      const part = startPart(shell, cloneFds(shell.self.fds), (fork) => runList(fork, command.body));
      const exit = await part.exited;
      shell.self.signal.throwIfAborted();
      return statusOf(exit);
    }
    case 'If':
      return await runIf(shell, command);
    case 'For':
      return await runFor(shell, command);
    case 'CStyleFor':
      return await runCStyleFor(shell, command);
    case 'While':
    case 'Until':
      return await runWhile(shell, command);
    case 'Case':
      return await runCase(shell, command);
    case 'ArithmeticCommand':
      return evaluate(shell, command.expression) === 0n ? 1 : 0;
    case 'ConditionalCommand':
      return (await isTrue(shell, command.expression)) ? 0 : 1;
  }
}

async function holds(shell: Shell, condition: readonly StatementNode[]): Promise<boolean> {
  shell.guarded += 1;
  try {
    return (await runList(shell, condition)) === 0;
  } finally {
    shell.guarded -= 1;
  }
}

async function runIf(shell: Shell, { clauses, elseBody }: IfNode): Promise<number> {
  for (const { condition, body } of clauses)
    if (await holds(shell, condition)) return await runList(shell, body);
  return elseBody === null ? 0 : await runList(shell, elseBody);
}

/** Runs the body once; tells whether the loop goes on. */
async function turn(shell: Shell, body: readonly StatementNode[]): Promise<boolean> {
  try {
    await runList(shell, body);
    return true;
  } catch (error) {
    if (!(error instanceof LeaveLoop)) throw error;
    if (error.levels > 1) throw new LeaveLoop(error.kind, error.levels - 1);
    shell.status = 0;
    return error.kind === 'continue';
  }
}

async function runFor(shell: Shell, { variable, words, body }: ForNode): Promise<number> {
  const values = words === null ? shell.positional : await expandWords(shell, words);
  shell.status = 0;
  for (const value of values) {
    setVariable(shell, variable, value);
    if (!(await turn(shell, body))) break;
  }
  return shell.status;
}

async function runCStyleFor(shell: Shell, { init, condition, update, body }: CStyleForNode): Promise<number> {
  if (init !== null) evaluate(shell, init);
  shell.status = 0;
  while (condition === null || evaluate(shell, condition) !== 0n) {
    await shell.self.breathe();
    if (!(await turn(shell, body))) break;
    if (update !== null) evaluate(shell, update);
  }
  return shell.status;
}

async function runWhile(shell: Shell, { type, condition, body }: WhileNode | UntilNode): Promise<number> {
  let status = 0;
  for (;;) {
    await shell.self.breathe();
    if ((await holds(shell, condition)) !== (type === 'While')) return status;
    const goesOn = await turn(shell, body);
    status = shell.status;
    if (!goesOn) return status;
  }
}

async function runCase(shell: Shell, { word, items }: CaseNode): Promise<number> {
  const text = await expandText(shell, word);
  let falling = false;
  let status = 0;
  for (const { patterns, body, terminator } of items) {
    let matched = falling;
    for (const pattern of patterns) matched ||= matches(await expandPattern(shell, pattern), text);
    if (!matched) continue;
    status = await runList(shell, body);
    if (terminator === ';;') return status;
    falling = terminator === ';&';
  }
  return status;
}
