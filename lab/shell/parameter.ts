/** `$name`, `${name…}` and the special parameters. */
import { toByteString, toText } from '../byte-string.ts';
import { evaluate, evaluateText } from './arithmetic.ts';
import { type Field, patternSource } from './pattern.ts';
import { getVariable, type Shell, ShellError, setVariable } from './shell.ts';
import type { ParameterOperation, ParameterPart, WordNode } from './syntax.ts';

/** What a parameter gives: one value, none, or a list for `$@`, `$*` and arrays. */
export type Values =
  | { readonly kind: 'one'; readonly value: string | undefined }
  | { readonly kind: 'list'; readonly values: readonly string[]; readonly joined: boolean };

/** How the words inside `${…}` are expanded. */
export interface Expander {
  text(word: WordNode): Promise<string>;
  pattern(word: WordNode): Promise<Field>;
}

/** A parameter's own value, or the word that the operation puts in its place. */
export type Expansion = Values | { readonly kind: 'word'; readonly word: WordNode };

type Operation<Type extends ParameterOperation['type']> = Extract<ParameterOperation, { type: Type }>;

function one(value: string | undefined): Values {
  return { kind: 'one', value };
}

function special(shell: Shell, name: string): string | undefined {
  const { self } = shell;
  const specials: Record<string, () => string | undefined> = {
    '?': () => String(shell.status),
    $: () => String(shell.rootPid),
    '!': () => [...shell.jobs.keys()].at(-1)?.toString(),
    '#': () => String(shell.positional.length),
    '-': () => (shell.options.has('errexit') ? 'e' : ''),
    LINENO: () => String(shell.line),
    PPID: () => String(self.parent),
    ...(shell.dialect === 'bash'
      ? {
          RANDOM: () => String(Math.floor(Math.random() * 32768)),
          SECONDS: () => String(Math.floor((Date.now() - shell.startedMs) / 1000)),
          UID: () => String(self.who.uid),
          EUID: () => String(self.who.uid),
          BASHPID: () => String(self.pid),
          HOSTNAME: () => self.machine.hostname(),
          BASH_VERSION: () => '5.2.37(1)-release',
          EPOCHSECONDS: () => String(Math.floor(Date.now() / 1000)),
        }
      : {}),
  };
  return Object.hasOwn(specials, name) ? specials[name]?.() : undefined;
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

function lookUp(shell: Shell, name: string): Values {
  if (name === '@' || name === '*') return { kind: 'list', values: shell.positional, joined: name === '*' };
  if (name === '0') return one(shell.name);
  if (/^\d+$/.test(name)) return one(shell.positional[Number(name) - 1]);
  const element = /^(\w+)\[(.*)\]$/s.exec(name);
  if (element === null) return one(getVariable(shell, name) ?? special(shell, name));
  const [, array = '', index = ''] = element;
  const values =
    array === 'PIPESTATUS' ? shell.pipeStatus.map(String) : listOf(shell.variables.get(array)?.value);
  if (index === '@' || index === '*') return { kind: 'list', values, joined: index === '*' };
  const at = Number(evaluateText(shell, index));
  return one(values[at < 0 ? values.length + at : at]);
}

/** Throws ShellError. */
export async function expandParameter(
  shell: Shell,
  { parameter, operation }: ParameterPart,
  expander: Expander,
): Promise<Expansion> {
  if (operation?.type === 'Indirection') {
    const target = getVariable(shell, parameter) ?? '';
    return await expandParameter(
      shell,
      { type: 'ParameterExpansion', parameter: target, operation: operation.innerOp ?? null },
      expander,
    );
  }
  const values = lookUp(shell, parameter);
  if (operation === null) {
    requireSet(shell, parameter, values);
    return values;
  }
  return await apply(shell, parameter, values, operation, expander);
}

function requireSet(shell: Shell, name: string, values: Values): void {
  if (!shell.options.has('nounset') || values.kind === 'list' || values.value !== undefined) return;
  const said = shell.dialect === 'bash' ? 'unbound variable' : 'parameter not set';
  throw new ShellError(`${name}: ${said}`, { fatal: true, status: shell.dialect === 'bash' ? 1 : 2 });
}

async function apply(
  shell: Shell,
  name: string,
  values: Values,
  operation: ParameterOperation,
  expander: Expander,
): Promise<Expansion> {
  const isSet = values.kind === 'list' ? values.values.length > 0 : values.value !== undefined;
  const isEmpty = !isSet || (values.kind === 'one' && values.value === '');
  switch (operation.type) {
    case 'DefaultValue':
      return (operation.checkEmpty ? isEmpty : !isSet) ? { kind: 'word', word: operation.word } : values;
    case 'UseAlternative':
      return (operation.checkEmpty ? isEmpty : !isSet) ? one('') : { kind: 'word', word: operation.word };
    case 'AssignDefault': {
      if (!(operation.checkEmpty ? isEmpty : !isSet)) return values;
      const value = await expander.text(operation.word);
      setVariable(shell, name, value);
      return one(value);
    }
    case 'ErrorIfUnset': {
      if (!(operation.checkEmpty ? isEmpty : !isSet)) return values;
      const said =
        operation.word === null ? 'parameter null or not set' : await expander.text(operation.word);
      throw new ShellError(`${name}: ${said}`, { fatal: true, status: shell.dialect === 'bash' ? 127 : 2 });
    }
    case 'Length':
      if (values.kind === 'list') return one(String(values.values.length));
      return one(String(toText(values.value ?? '').length));
    case 'Substring':
      return substring(shell, values, operation);
    case 'PatternRemoval':
    case 'PatternReplacement':
    case 'CaseModification': {
      const change = await changer(operation, expander);
      if (values.kind === 'list') return { ...values, values: values.values.map(change) };
      return one(values.value === undefined ? undefined : change(values.value));
    }
    case 'Transform':
      if (operation.operator === 'Q') return one(`'${(joinedValue(values) ?? '').replaceAll("'", "'\\''")}'`);
      return values;
    case 'ArrayKeys': {
      const list = listOf(shell.variables.get(operation.array)?.value);
      return { kind: 'list', values: list.map((_value, index) => String(index)), joined: operation.star };
    }
    case 'VarNamePrefix': {
      const names = [...shell.variables.keys()].filter((known) => known.startsWith(operation.prefix));
      return { kind: 'list', values: names.sort(), joined: operation.star };
    }
    default:
      throw new ShellError(`\${${name}}: bad substitution`, { fatal: true });
  }
}

function joinedValue(values: Values): string | undefined {
  return values.kind === 'one' ? values.value : values.values.join(' ');
}

function substring(shell: Shell, values: Values, operation: Operation<'Substring'>): Values {
  const from = Number(evaluate(shell, operation.offset));
  const length = operation.length === null ? undefined : Number(evaluate(shell, operation.length));
  if (values.kind === 'list') {
    // `${@:1}` begins with the first parameter, `${array[@]:0}` with the first element.
    const all = values.values === shell.positional ? [shell.name, ...values.values] : values.values;
    return { ...values, values: slice(all, from, length) };
  }
  return one(toByteString(slice([...toText(values.value ?? '')], from, length).join('')));
}

function slice<T>(items: readonly T[], from: number, length: number | undefined): T[] {
  const start = from < 0 ? Math.max(0, items.length + from) : from;
  const end = length === undefined ? items.length : length < 0 ? items.length + length : start + length;
  return items.slice(start, end);
}

async function changer(
  operation: Operation<'PatternRemoval' | 'PatternReplacement' | 'CaseModification'>,
  expander: Expander,
): Promise<(value: string) => string> {
  if (operation.type === 'CaseModification') {
    const change = (text: string) =>
      operation.direction === 'upper' ? text.toUpperCase() : text.toLowerCase();
    return (value) => {
      const text = toText(value);
      return toByteString(operation.all ? change(text) : change(text.slice(0, 1)) + text.slice(1));
    };
  }
  const source = patternSource(await expander.pattern(operation.pattern));
  if (operation.type === 'PatternRemoval') return remover(source, operation.side, operation.greedy);
  if (source === '') return (value) => value;
  const anchored =
    operation.anchor === 'start' ? `^(?:${source})` : operation.anchor === 'end' ? `(?:${source})$` : source;
  const replacement = operation.replacement === null ? '' : await expander.text(operation.replacement);
  const expression = new RegExp(anchored, operation.all ? 'g' : '');
  return (value) => value.replace(expression, () => replacement);
}

/** Tries the shorter or the longer pieces first, as the operator asks. */
function remover(source: string, side: 'prefix' | 'suffix', greedy: boolean) {
  const whole = new RegExp(`^(?:${source})$`);
  return (value: string): string => {
    for (let step = 0; step <= value.length; step += 1) {
      const length = greedy ? value.length - step : step;
      const piece = side === 'prefix' ? value.slice(0, length) : value.slice(value.length - length);
      if (whole.test(piece))
        return side === 'prefix' ? value.slice(length) : value.slice(0, value.length - length);
    }
    return value;
  };
}
