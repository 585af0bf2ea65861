/** Parameters that several tools share, each with its bounds. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';

const maxCommandBytes = 100_000;
const maxPathBytes = 4096;
const maxStdinBytes = 1024 * 1024;
const maxVariables = 50;
const maxValueBytes = 32 * 1024;

/** A guest id; the text "100" counts as 100, and nothing else that Number() would take does. */
export const Vmid = z
  .preprocess(
    (value) => (typeof value === 'string' && /^[1-9][0-9]{2,8}$/.test(value) ? Number(value) : value),
    z.int().min(100).max(999_999_999),
  )
  .meta({ description: 'Container id' });

export const ResponseFormat = z.enum(['text', 'json']);

export const TimeoutS = z
  .int()
  .min(1)
  .max(86_400)
  .meta({ description: 'Seconds until the command is stopped; the gateway allows 300 unless set otherwise' });

/** Text that can be an argument of a process: no NUL, no lone surrogate, bounded in bytes. */
function argumentText(maxBytes: number) {
  return z
    .string()
    .refine((text) => !text.includes('\0'), 'must not hold a NUL byte')
    .refine((text) => text.isWellFormed(), 'is not valid Unicode')
    .refine((text) => Buffer.byteLength(text) <= maxBytes, `must be at most ${maxBytes} bytes`);
}

export const CommandText = argumentText(maxCommandBytes)
  .refine((text) => text.trim() !== '', 'must not be blank')
  .meta({ description: 'Shell command or script; bash where there is one, else sh' });

export const Directory = argumentText(maxPathBytes)
  .refine((path) => path.startsWith('/'), 'must be an absolute path')
  .meta({ description: 'Directory to run in, absolute' });

const VariableRecord = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), argumentText(maxValueBytes))
  .refine((env) => Object.keys(env).length <= maxVariables, `must be at most ${maxVariables} variables`)
  .meta({ description: 'Environment variables for the command' });

/** A record leaves this one name out without a word. */
export const Variables = z.preprocess((value, context) => {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__'))
    context.addIssue('must not hold __proto__');
  return value;
}, VariableRecord);

export const UserName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, 'must be a user name')
  .meta({ description: 'User to run as; root without it' });

export const Stdin = z
  .string()
  .refine((text) => text.isWellFormed(), 'is not valid Unicode')
  .refine((text) => Buffer.byteLength(text) <= maxStdinBytes, `must be at most ${maxStdinBytes} bytes`)
  .meta({ description: 'Text for the standard input of the command' });

/** Throws INVALID_ARGUMENT above what the operator allows. */
export function allowedTimeoutMs(timeoutS: number, maxTimeoutS: number): number {
  if (timeoutS > maxTimeoutS)
    throw failure('INVALID_ARGUMENT', {
      problem: `timeout: at most ${maxTimeoutS} s are allowed here (COMMAND_TIMEOUT_MAX)`,
    });
  return timeoutS * 1000;
}
