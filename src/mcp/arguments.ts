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
  return [`${where}: ${clean(issue.message, 200)}`];
}
