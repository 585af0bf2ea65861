/** Builtins that write and read text: echo, printf, read, test. */

import type { OpenFile } from '../process/open-file.ts';
import type { Builtin } from './builtin.ts';
import { binaryTests, testOne, testTwo, unaryTests } from './condition.ts';
import { format, readEscapes } from './printf.ts';
import { complaint, getVariable, type Shell, ShellError, setVariable } from './shell.ts';
import { untilSignalled } from './traps.ts';

const echo: Builtin = async (shell, args) => {
  let newline = true;
  // dash's echo always reads escapes and knows -n alone.
  let escapes = shell.dialect === 'dash';
  let at = 0;
  const flags = shell.dialect === 'bash' ? /^-[neE]+$/ : /^-n$/;
  for (; flags.test(args[at] ?? ''); at += 1)
    for (const flag of (args[at] ?? '').slice(1))
      if (flag === 'n') newline = false;
      else escapes = flag === 'e';
  const text = args.slice(at).join(' ');
  const { text: shown, stop } = escapes ? readEscapes(text) : { text, stop: false };
  await write(shell, 'echo', `${shown}${newline && !stop ? '\n' : ''}`);
  return 0;
};

async function write(shell: Shell, name: string, text: string): Promise<void> {
  if (!shell.self.fds.has(1)) throw new ShellError(`${name}: write error: Bad file descriptor`);
  await shell.self.out(text);
}

const printf: Builtin = async (shell, args) => {
  const [flag, variable = ''] = args;
  const assigns = flag === '-v';
  const rest = assigns ? args.slice(2) : flag === '--' ? args.slice(1) : args;
  const [pattern, ...values] = rest;
  if (pattern === undefined) {
    await shell.self.err(complaint(shell, 'printf: usage: printf [-v var] format [arguments]'));
    return 2;
  }
  const { text, problems } = format(pattern, values);
  if (assigns) setVariable(shell, variable, text);
  else await write(shell, 'printf', text);
  for (const problem of problems) await shell.self.err(complaint(shell, `printf: ${problem}`));
  return problems.length > 0 ? 1 : 0;
};

/** The longest line that read takes. */
const maxLineBytes = 1024 * 1024;

/** One line, byte by byte: what follows belongs to the next reader. */
interface LineRules {
  readonly file: OpenFile;
  readonly delimiter: string;
  readonly raw: boolean;
  readonly maxChars: number;
  readonly signal: AbortSignal;
}

async function readLine(shell: Shell, { file, delimiter, raw, maxChars, signal }: LineRules) {
  let line = '';
  for (let chars = 0; chars < maxChars; chars += 1) {
    const byte = (await file.read(1, signal)).toString('latin1');
    if (byte === '') return { line, ended: true };
    if (byte === delimiter) return { line, ended: false };
    if (byte === '\\' && !raw) {
      const next = (await file.read(1, signal)).toString('latin1');
      if (next !== '\n') line += next;
    } else line += byte;
    if (line.length > maxLineBytes) throw new ShellError('read: line too long');
    await shell.self.breathe();
  }
  return { line, ended: false };
}

const read: Builtin = async (shell, args) => {
  let [raw, delimiter, fd, maxChars, array] = [false, '\n', 0, maxLineBytes, ''];
  let at = 0;
  for (; /^-./.test(args[at] ?? ''); at += 1) {
    const flag = args[at] ?? '';
    if (flag.includes('r')) raw = true;
    const value = args[at + 1] ?? '';
    if (/[dnNtpua]$/.test(flag)) at += 1;
    if (flag.endsWith('d')) delimiter = value.slice(0, 1) || '\0';
    if (/[nN]$/.test(flag)) maxChars = Number(value);
    if (flag.endsWith('u')) fd = Number(value);
    if (flag.endsWith('a')) array = value;
  }
  const file = shell.self.fds.get(fd);
  if (file === undefined) return 1;
  const names = args.slice(at);
  return await untilSignalled(shell, async (signal) => {
    const { line, ended } = await readLine(shell, { file, delimiter, raw, maxChars, signal });
    assignLine(shell, line, names, array);
    return ended ? 1 : 0;
  });
};

function assignLine(shell: Shell, line: string, names: readonly string[], array: string): void {
  const ifs = getVariable(shell, 'IFS') ?? ' \t\n';
  if (array !== '') setVariable(shell, array, splitLine(line, ifs, Number.POSITIVE_INFINITY));
  else if (names.length === 0) setVariable(shell, 'REPLY', line);
  else {
    const values = splitLine(line, ifs, names.length);
    for (const [index, name] of names.entries()) setVariable(shell, name, values[index] ?? '');
  }
}

/** Splits by IFS; the last of `most` pieces keeps what is left over. */
function splitLine(line: string, ifs: string, most: number): string[] {
  const blanks = [...ifs].filter((char) => ' \t\n'.includes(char)).join('');
  const isBlank = (char: string | undefined) => char !== undefined && blanks.includes(char);
  const pieces: string[] = [];
  let end = line.length;
  while (isBlank(line[end - 1])) end -= 1;
  let at = 0;
  while (isBlank(line[at])) at += 1;
  while (at < end) {
    if (pieces.length === most - 1) {
      pieces.push(line.slice(at, end));
      break;
    }
    const start = at;
    while (at < end && !ifs.includes(line[at] ?? '')) at += 1;
    pieces.push(line.slice(start, at));
    while (at < end && isBlank(line[at])) at += 1;
    if (at < end && ifs.includes(line[at] ?? '') && !isBlank(line[start + (pieces.at(-1)?.length ?? 0)]))
      at += 1;
    while (at < end && isBlank(line[at])) at += 1;
  }
  return pieces;
}

async function evaluateTest(shell: Shell, args: readonly string[]): Promise<number> {
  let at = 0;
  const peek = () => args[at];
  const next = () => {
    at += 1;
    return args[at - 1] ?? '';
  };
  const primary = (): boolean => {
    const first = peek();
    if (first === undefined) return false;
    if (binaryTests.includes(args[at + 1] ?? '') && args[at + 2] !== undefined)
      return testTwo(shell, next(), next(), next());
    if (first === '!') {
      next();
      return !primary();
    }
    if (first === '(' && args.length > 1) {
      next();
      const inside = or();
      next();
      return inside;
    }
    if (unaryTests.includes(first) && args[at + 1] !== undefined) return testOne(shell, next(), next());
    return next() !== '';
  };
  const and = (): boolean => {
    let result = primary();
    while (peek() === '-a') {
      next();
      result = primary() && result;
    }
    return result;
  };
  const or = (): boolean => {
    let result = and();
    while (peek() === '-o') {
      next();
      result = and() || result;
    }
    return result;
  };
  const result = or();
  if (at < args.length) throw new ShellError(`[: ${args[at]}: unexpected operator`, { status: 2 });
  return result ? 0 : 1;
}

export const textBuiltins: Readonly<Record<string, Builtin>> = {
  echo,
  printf,
  read,
  test: evaluateTest,
  '[': async (shell, args) => {
    if (args.at(-1) !== ']') throw new ShellError("[: missing `]'", { status: 2 });
    return await evaluateTest(shell, args.slice(0, -1));
  },
};
