/** Checks a call's arguments and says, argument by argument, what is wrong with them. */
import type { z } from 'zod';
import { failure } from '../base/errors.ts';
import { clean } from '../base/text.ts';

const maxProblems = 10;

/** Throws INVALID_ARGUMENT naming every bad argument; unknown ones are refused by name. */
export function parseArguments(schema: z.ZodObject, args: unknown): Readonly<Record<string, unknown>> {
  // The one name that an object takes in silently.
  if (typeof args === 'object' && args !== null && Object.hasOwn(args, '__proto__'))
    throw failure('INVALID_ARGUMENT', { problem: '__proto__: there is no such argument' });
  const parsed = schema.safeParse(args ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => describeIssue(issue, Object.keys(schema.shape)));
  throw failure('INVALID_ARGUMENT', { problem: problems.slice(0, maxProblems).join('; ') });
}

function describeIssue(issue: z.core.$ZodIssue, known: readonly string[]): string[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map(
      (key) => `${clean(key, 64)}: there is no such argument (there are ${known.join(', ') || 'none'})`,
    );
  const where = issue.path.map((part) => clean(String(part), 64)).join('.') || 'arguments';
  return [`${where}: ${clean(wordsOf(issue), 200)}`];
}

const nouns: Readonly<Record<string, string>> = {
  ...{ string: 'text', number: 'a number', int: 'a whole number', boolean: 'true or false' },
  ...{ array: 'a list', object: 'an object', record: 'an object' },
};

/** The words of a schema's own; in place of those that its library has for everyone. */
function wordsOf(issue: z.core.$ZodIssue): string {
  if (!/^(Invalid (input|option)|Too (small|big)): /.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      if (issue.message.endsWith('received undefined')) return 'is needed';
      return `must be ${nouns[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`;
    case 'too_small':
      return `must be at least ${issue.minimum}${measureOf(issue.origin, issue.minimum)}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${measureOf(issue.origin, issue.maximum)}`;
    default:
      return issue.message;
  }
}

function measureOf(origin: string, count: number | bigint): string {
  const measure = { string: 'character', array: 'item', set: 'item' }[origin];
  return measure === undefined ? '' : ` ${measure}${count === 1 || count === 1n ? '' : 's'}`;
}
