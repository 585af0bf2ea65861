/** `[[ … ]]`, and the tests that `test` shares with it. */
import { type Inode, mayAccess } from '../files/inode.ts';
import { type FileKind, kindOf, sizeOf } from '../files/tree.ts';
import { findNodeAt } from '../process/open.ts';
import { evaluateText } from './arithmetic.ts';
import { expandPattern, expandText } from './expand.ts';
import { matches } from './pattern.ts';
import { getVariable, type Shell, ShellError, setVariable } from './shell.ts';
import type { Condition } from './syntax.ts';

export async function isTrue(shell: Shell, condition: Condition): Promise<boolean> {
  switch (condition.type) {
    case 'CondNot':
      return !(await isTrue(shell, condition.operand));
    case 'CondAnd':
      return (await isTrue(shell, condition.left)) && (await isTrue(shell, condition.right));
    case 'CondOr':
      return (await isTrue(shell, condition.left)) || (await isTrue(shell, condition.right));
    case 'CondGroup':
      return await isTrue(shell, condition.expression);
    case 'CondWord':
      return (await expandText(shell, condition.word)) !== '';
    case 'CondUnary':
      return testOne(shell, condition.operator, await expandText(shell, condition.operand));
    case 'CondBinary': {
      const left = await expandText(shell, condition.left);
      if (condition.operator === '=~')
        return matchRegExp(shell, left, await expandText(shell, condition.right));
      if (['=', '==', '!='].includes(condition.operator)) {
        const same = matches(await expandPattern(shell, condition.right), left);
        return condition.operator === '!=' ? !same : same;
      }
      return testTwo(shell, left, condition.operator, await expandText(shell, condition.right));
    }
  }
}

function matchRegExp(shell: Shell, text: string, source: string): boolean {
  let match: RegExpExecArray | null;
  try {
    match = new RegExp(source.replaceAll('[:space:]', '\\s').replaceAll('[:digit:]', '\\d')).exec(text);
  } catch {
    throw new ShellError('invalid regular expression', { status: 2 });
  }
  setVariable(
    shell,
    'BASH_REMATCH',
    (match ?? []).map((group) => group ?? ''),
  );
  return match !== null;
}

export const unaryTests =
  '-a -b -c -d -e -f -g -h -k -L -n -o -O -G -N -p -r -R -s -S -t -u -v -w -x -z'.split(' ');

const kindTests: Readonly<Record<string, FileKind>> = {
  ...{ '-d': 'directory', '-f': 'file', '-h': 'symlink', '-L': 'symlink' },
  ...{ '-c': 'character', '-b': 'block', '-p': 'fifo', '-S': 'socket' },
};

export function testOne(shell: Shell, operator: string, operand: string): boolean {
  const { self } = shell;
  if (operator === '-n') return operand !== '';
  if (operator === '-z') return operand === '';
  if (operator === '-v') return shell.variables.has(operand);
  if (operator === '-t' || operator === '-o' || operator === '-R') return false;
  if (operand === '') return false;
  const node = findNodeAt(self, operand, { follow: operator !== '-h' && operator !== '-L' });
  if (node === undefined) return false;
  const kind = kindTests[operator];
  if (kind !== undefined) return kindOf(node) === kind;
  const tests: Record<string, (there: Inode) => boolean> = {
    '-s': (there) => sizeOf(there) > 0,
    '-r': (there) => mayAccess(there, self.who, 4),
    '-w': (there) => mayAccess(there, self.who, 2),
    '-x': (there) => mayAccess(there, self.who, 1),
    '-u': ({ mode }) => (mode & 0o4000) !== 0,
    '-g': ({ mode }) => (mode & 0o2000) !== 0,
    '-k': ({ mode }) => (mode & 0o1000) !== 0,
    '-O': ({ uid }) => uid === self.who.uid,
    '-G': ({ gid }) => gid === self.who.gid,
  };
  return tests[operator]?.(node) ?? true;
}

export const binaryTests = '= == != < > -eq -ne -lt -le -gt -ge -nt -ot -ef'.split(' ');

/** Throws ShellError where a number is none. */
export function testTwo(shell: Shell, left: string, operator: string, right: string): boolean {
  if (operator === '=' || operator === '==') return left === right;
  if (operator === '!=') return left !== right;
  if (operator === '<') return left < right;
  if (operator === '>') return left > right;
  if (operator === '-nt' || operator === '-ot' || operator === '-ef')
    return compareFiles(shell, left, operator, right);
  const [first, second] = [integer(shell, left), integer(shell, right)];
  const results: Record<string, boolean> = {
    '-eq': first === second,
    '-ne': first !== second,
    '-lt': first < second,
    '-le': first <= second,
    '-gt': first > second,
    '-ge': first >= second,
  };
  return results[operator] ?? false;
}

function integer(shell: Shell, text: string): bigint {
  if (/^\s*[+-]?\d+\s*$/.test(text)) return BigInt(text.trim());
  if (getVariable(shell, text) !== undefined) return evaluateText(shell, text);
  const said =
    shell.dialect === 'bash' ? `[: ${text}: integer expression expected` : `[: Illegal number: ${text}`;
  throw new ShellError(said, { status: 2 });
}

function compareFiles(shell: Shell, left: string, operator: string, right: string): boolean {
  const { self } = shell;
  const [first, second] = [left, right].map((path) => findNodeAt(self, path));
  if (operator === '-ef') return first !== undefined && first === second;
  const [older, newer] = operator === '-nt' ? [second, first] : [first, second];
  return newer !== undefined && (older === undefined || newer.modifiedMs > older.modifiedMs);
}
