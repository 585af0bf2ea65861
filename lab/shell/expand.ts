/** From words to arguments: braces, tildes, parameters, substitutions, field splitting, path names. */
import { findUser } from '../machine/users.ts';
import { createPipe } from '../process/open-file.ts';
import { evaluate } from './arithmetic.ts';
import { type Expander, expandParameter } from './parameter.ts';
import { type Field, pathNames, plainText, type Run } from './pattern.ts';
import { getVariable, type Shell, ShellError } from './shell.ts';
import type { BraceItem, ScriptNode, WordNode, WordPart } from './syntax.ts';

/** The most arguments one command may have. */
const maxFields = 100_000;

/** Collects the fields of one word. */
class Fields {
  readonly done: Run[][] = [];
  current: Run[] | undefined;
  readonly ifs: string;
  afterBlank = false;

  constructor(ifs: string) {
    this.ifs = ifs;
  }

  add(text: string, quoted: boolean): void {
    if (text === '' && !quoted) return;
    this.current ??= [];
    this.current.push({ text, quoted });
    this.afterBlank = false;
  }

  finish(): void {
    if (this.current !== undefined) this.done.push(this.current);
    if (this.done.length > maxFields) throw new ShellError('Argument list too long', { fatal: true });
    this.current = undefined;
  }

  /** Adds the result of an unquoted expansion, which IFS splits. */
  split(text: string): void {
    let piece = '';
    const flush = () => {
      this.add(piece, false);
      piece = '';
    };
    for (const char of text) {
      if (!this.ifs.includes(char)) {
        piece += char;
        continue;
      }
      flush();
      const blank = ' \t\n'.includes(char);
      if (blank) {
        if (this.current !== undefined) {
          this.finish();
          this.afterBlank = true;
        }
      } else if (this.current === undefined && !this.afterBlank) this.done.push([]);
      else {
        this.finish();
        this.afterBlank = false;
      }
    }
    flush();
  }
}

export async function expandWords(shell: Shell, words: readonly WordNode[]): Promise<string[]> {
  const args: string[] = [];
  for (const word of words)
    for (const parts of braces(word.parts)) {
      const fields = new Fields(getVariable(shell, 'IFS') ?? ' \t\n');
      await collect(shell, parts, false, fields);
      fields.finish();
      for (const field of fields.done) {
        const names = shell.options.has('noglob') ? [] : pathNames(shell.self, field);
        if (names.length > 0) args.push(...names);
        else args.push(plainText(field));
      }
    }
  return args;
}

/** One string, without splitting or path names, as for assignments. */
export async function expandText(shell: Shell, word: WordNode | null): Promise<string> {
  return plainText(await expandPattern(shell, word));
}

/** One field that remembers what was quoted, as for patterns. */
export async function expandPattern(shell: Shell, word: WordNode | null): Promise<Field> {
  if (word === null) return [];
  const fields = new Fields('');
  await collect(shell, word.parts, false, fields);
  fields.finish();
  return fields.done.flatMap((field, index) =>
    index === 0 ? field : [{ text: ' ', quoted: true }, ...field],
  );
}

async function collect(
  shell: Shell,
  parts: readonly WordPart[],
  quoted: boolean,
  fields: Fields,
): Promise<void> {
  const give = (text: string) => (quoted ? fields.add(text, true) : fields.split(text));
  for (const part of parts)
    switch (part.type) {
      case 'Literal':
        fields.add(part.value, quoted);
        break;
      case 'SingleQuoted':
      case 'Escaped':
        fields.add(part.value, true);
        break;
      case 'DoubleQuoted':
        if (part.parts.length === 0) fields.add('', true);
        await collect(shell, part.parts, true, fields);
        break;
      case 'Glob':
        fields.add(part.pattern, quoted);
        break;
      case 'TildeExpansion':
        fields.add(home(shell, part.user), true);
        break;
      case 'ArithmeticExpansion':
        give(String(evaluate(shell, part.expression)));
        break;
      case 'CommandSubstitution':
        give(await shell.runner.substitute(shell, part.body));
        break;
      case 'ParameterExpansion':
        await parameter(shell, part, quoted, fields);
        break;
      case 'ProcessSubstitution':
        fields.add(await processSubstitution(shell, part.body, part.direction), true);
        break;
      case 'BraceExpansion':
        for (const [index, item] of braceItems(part.items).entries()) {
          if (index > 0) fields.finish();
          await collect(shell, item, quoted, fields);
        }
        break;
    }
}

async function parameter(
  shell: Shell,
  part: Extract<WordPart, { type: 'ParameterExpansion' }>,
  quoted: boolean,
  fields: Fields,
): Promise<void> {
  const expander: Expander = {
    text: (word) => expandText(shell, word),
    pattern: (word) => expandPattern(shell, word),
  };
  const expansion = await expandParameter(shell, part, expander);
  if (expansion.kind === 'word') {
    await collect(shell, expansion.word.parts, quoted, fields);
    return;
  }
  if (expansion.kind === 'one') {
    const value = expansion.value ?? '';
    if (quoted) fields.add(value, true);
    else fields.split(value);
    return;
  }
  if (quoted && expansion.joined) {
    fields.add(expansion.values.join((getVariable(shell, 'IFS') ?? ' ').slice(0, 1)), true);
    return;
  }
  for (const [index, value] of expansion.values.entries()) {
    if (index > 0) fields.finish();
    if (quoted) fields.add(value, true);
    else fields.split(value);
  }
}

function home(shell: Shell, user: string | null): string {
  if (user === null) return getVariable(shell, 'HOME') ?? '/';
  if (user === '+') return shell.self.cwd;
  return findUser(shell.self.machine.files, user)?.home ?? `~${user}`;
}

/** Runs the list beside this shell and names the end of a pipe that leads to it. */
async function processSubstitution(
  shell: Shell,
  body: ScriptNode,
  direction: 'input' | 'output',
): Promise<string> {
  const { reader, writer } = createPipe();
  const [ours, theirs] = direction === 'input' ? [reader, writer] : [writer, reader];
  shell.runner.startBeside(shell, body, direction === 'input' ? 1 : 0, theirs);
  let fd = 63;
  while (shell.self.fds.has(fd)) fd -= 1;
  shell.self.fds.set(fd, ours);
  return `/dev/fd/${fd}`;
}

/** The words that `{a,b}` and `{1..3}` make of one. */
function braces(parts: readonly WordPart[]): (readonly WordPart[])[] {
  const at = parts.findIndex((part) => part.type === 'BraceExpansion');
  const brace = parts[at];
  if (brace?.type !== 'BraceExpansion') return [parts];
  const before = parts.slice(0, at);
  const tails = braces(parts.slice(at + 1));
  return braceItems(brace.items).flatMap((item) => tails.map((tail) => [...before, ...item, ...tail]));
}

function braceItems(items: readonly BraceItem[]): (readonly WordPart[])[] {
  return items.flatMap((item): (readonly WordPart[])[] => {
    if (item.type === 'Word') return braces(item.word.parts);
    return range(item.start, item.end, item.step).map((value) => [{ type: 'Literal', value }]);
  });
}

function range(start: string | number, end: string | number, step = 1): string[] {
  const letters = typeof start === 'string' && typeof end === 'string';
  const from = letters ? start.charCodeAt(0) : Number(start);
  const to = letters ? end.charCodeAt(0) : Number(end);
  const by = Math.max(1, Math.abs(step)) * (from <= to ? 1 : -1);
  const values: string[] = [];
  for (let value = from; by > 0 ? value <= to : value >= to; value += by) {
    values.push(letters ? String.fromCharCode(value) : String(value));
    if (values.length > maxFields) throw new ShellError('brace expansion: too many elements');
  }
  return values;
}
