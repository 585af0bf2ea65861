/** `$((…))`, `((…))` and array subscripts, in 64-bit integers. */
import { parse } from 'just-bash';
import { getVariable, type Shell, ShellError, setVariable } from './shell.ts';
import type { Arithmetic, ArithmeticNode } from './syntax.ts';

type Binary = Extract<Arithmetic, { type: 'ArithBinary' }>;
type Unary = Extract<Arithmetic, { type: 'ArithUnary' }>;
type Assignment = Extract<Arithmetic, { type: 'ArithAssignment' }>;

/** Values of variables are themselves expressions; this is how deep they may lead. */
const maxDepth = 32;

/** Throws ShellError. */
export function evaluate(shell: Shell, node: ArithmeticNode, depth = 0): bigint {
  return calculate(shell, node.expression, depth);
}

/** Throws ShellError. */
export function evaluateText(shell: Shell, text: string, depth = 0): bigint {
  const trimmed = text.trim();
  if (trimmed === '') return 0n;
  const number = parseNumber(trimmed);
  if (number !== undefined) return number;
  if (depth > maxDepth) throw new ShellError(`${trimmed}: expression recursion level exceeded`);
  const [statement] = parse(`((${trimmed}))`).statements;
  const command = statement?.pipelines[0]?.commands[0];
  if (command?.type !== 'ArithmeticCommand') throw syntaxError(trimmed);
  return evaluate(shell, command.expression, depth + 1);
}

function syntaxError(text: string): ShellError {
  return new ShellError(`${text}: syntax error: operand expected (error token is "${text}")`);
}

function parseNumber(text: string): bigint | undefined {
  if (/^[+-]?0[0-7]+$/.test(text)) return BigInt.asIntN(64, BigInt(Number.parseInt(text, 8)));
  if (/^[+-]?\d+$/.test(text)) return BigInt.asIntN(64, BigInt(text));
  if (/^0[xX][\da-fA-F]+$/.test(text)) return BigInt.asIntN(64, BigInt(text));
  return undefined;
}

function read(shell: Shell, name: string, depth: number): bigint {
  const special: Record<string, string> = {
    '#': String(shell.positional.length),
    '?': String(shell.status),
    $: String(shell.rootPid),
  };
  const positional = /^\d+$/.test(name) ? (shell.positional[Number(name) - 1] ?? '') : undefined;
  return evaluateText(shell, positional ?? special[name] ?? getVariable(shell, name) ?? '', depth + 1);
}

function calculate(shell: Shell, node: Arithmetic, depth: number): bigint {
  switch (node.type) {
    case 'ArithNumber':
      return BigInt(Math.trunc(node.value));
    case 'ArithVariable':
    case 'ArithSpecialVar':
      return read(shell, node.name, depth);
    case 'ArithGroup':
    case 'ArithNested':
      return calculate(shell, node.expression, depth);
    case 'ArithTernary':
      return calculate(shell, node.condition, depth) === 0n
        ? calculate(shell, node.alternate, depth)
        : calculate(shell, node.consequent, depth);
    case 'ArithUnary':
      return unary(shell, node, depth);
    case 'ArithBinary':
      return binary(shell, node, depth);
    case 'ArithAssignment':
      return assign(shell, node, depth);
    case 'ArithArrayElement': {
      const index = node.index === undefined ? 0n : calculate(shell, node.index, depth);
      const value = shell.variables.get(node.array)?.value;
      return evaluateText(shell, (Array.isArray(value) ? value[Number(index)] : value) ?? '', depth + 1);
    }
    default:
      throw syntaxError('expression');
  }
}

function unary(shell: Shell, node: Unary, depth: number): bigint {
  if (node.operator === '++' || node.operator === '--') {
    if (node.operand.type !== 'ArithVariable') throw syntaxError(node.operator);
    const before = read(shell, node.operand.name, depth);
    const after = node.operator === '++' ? before + 1n : before - 1n;
    setVariable(shell, node.operand.name, String(after));
    return node.prefix ? after : before;
  }
  const value = calculate(shell, node.operand, depth);
  if (node.operator === '-') return BigInt.asIntN(64, -value);
  if (node.operator === '!') return value === 0n ? 1n : 0n;
  return node.operator === '~' ? ~value : value;
}

function binary(shell: Shell, node: Binary, depth: number): bigint {
  const left = calculate(shell, node.left, depth);
  if (node.operator === '&&' && left === 0n) return 0n;
  if (node.operator === '||' && left !== 0n) return 1n;
  return operate(node.operator, left, calculate(shell, node.right, depth));
}

function operate(operator: Binary['operator'], left: bigint, right: bigint): bigint {
  if ((operator === '/' || operator === '%') && right === 0n) throw new ShellError('division by 0');
  if (operator === '**' && (right < 0n || right > 4096n)) throw new ShellError('exponent out of bounds');
  const truth = (value: boolean) => (value ? 1n : 0n);
  const results: Record<Binary['operator'], () => bigint> = {
    '+': () => left + right,
    '-': () => left - right,
    '*': () => left * right,
    '/': () => left / right,
    '%': () => left % right,
    '**': () => left ** right,
    '<<': () => left << (right & 63n),
    '>>': () => left >> (right & 63n),
    '<': () => truth(left < right),
    '<=': () => truth(left <= right),
    '>': () => truth(left > right),
    '>=': () => truth(left >= right),
    '==': () => truth(left === right),
    '!=': () => truth(left !== right),
    '&': () => left & right,
    '|': () => left | right,
    '^': () => left ^ right,
    '&&': () => truth(right !== 0n),
    '||': () => truth(right !== 0n),
    ',': () => right,
  };
  return BigInt.asIntN(64, results[operator]());
}

function assign(shell: Shell, node: Assignment, depth: number): bigint {
  const value = calculate(shell, node.value, depth);
  const operator = node.operator.slice(0, -1);
  const result =
    operator === ''
      ? value
      : operate(operator as Binary['operator'], read(shell, node.variable, depth), value);
  setVariable(shell, node.variable, String(result));
  return result;
}
