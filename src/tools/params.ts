/** Parameters that several tools share, each with its bounds. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';

const maxCommandBytes = 100_000;
const maxPathBytes = 4096;
const maxStdinBytes = 1024 * 1024;
const maxVariables = 50;
const maxValueBytes = 32 * 1024;

/** The text "100" counts as 100, and nothing else that Number() would take does. */
const fromDigits = (value: unknown) =>
  typeof value === 'string' && /^[1-9][0-9]{2,8}$/.test(value) ? Number(value) : value;

const VmidNumber = z.int().min(100).max(999_999_999);

/** As Proxmox VE has names of guests: those of DNS. SECURITY: never what could be read as a number. */
const GuestName = z
  .string()
  .max(253)
  .regex(/^(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/)
  .refine((text) => Number.isNaN(Number(text)));

const idOrName = 'must be the id of a guest, from 100 to 999999999, or its name';

/**
 * The guest that a call is about. Declared as the number that a tool gets: the gate puts the id in the place
 * of a name.
 */
export const Vmid = z
  .preprocess(fromDigits, z.union([VmidNumber, GuestName], { error: idOrName }))
  .meta({ description: 'Id or name' }) as unknown as z.ZodType<number>;

/** An id that is still to be given to a guest. */
export const NewVmid = z.preprocess(fromDigits, VmidNumber).meta({ description: 'Id of the new guest' });

/** SECURITY: only a name's form; the gate lets no name through that the cluster does not know. */
export const NodeName = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/, 'must be the name of a node')
  .refine((name) => name !== 'localhost', 'must be the name of a node');

/** SECURITY: `current` means the guest as it is, and rolling back to it or deleting it does harm. */
export const SnapshotName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{1,39}$/, 'must be 2 to 40 letters, digits, _ and -, a letter first')
  .refine((name) => name.toLowerCase() !== 'current', 'current is not a snapshot')
  .meta({ description: 'Name of the snapshot' });

export const StorageName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,98}[A-Za-z0-9]$/, 'must be the name of a storage')
  .meta({ description: 'Name of the storage' });

/** As Proxmox VE has them, which takes a bad name for a missing right; a/b is one below the pool a. */
export const PoolName = z
  .string()
  .refine(
    (name) =>
      name.length <= 255 && /^[A-Za-z0-9_-][A-Za-z0-9_.-]*(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*){0,2}$/.test(name),
    'must be the name of a pool',
  );

/** What a storage holds, as its own listing names it: `local:iso/debian.iso`. SECURITY: never a way out of it. */
export const VolumeId = z
  .string()
  .max(512)
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,98}[A-Za-z0-9]:[A-Za-z0-9][\w.+:@=-]*(\/[A-Za-z0-9][\w.+:@=-]*)*$/, {
    error: 'must be a volume id such as local:iso/debian.iso',
  })
  .meta({ description: 'Volume id, as the content of a storage lists it' });

/** A note on a guest, snapshot or backup: data that reaches no shell. */
export const Description = z
  .string()
  .max(8192)
  .refine((text) => !text.includes('\0') && text.isWellFormed(), 'is not valid text');

export const ResponseFormat = z.enum(['text', 'json']);

export const TimeoutS = z.int().min(1).max(86_400).meta({ description: 'Seconds until it is stopped' });

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
  .meta({ description: 'Working directory' });

const VariableRecord = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), argumentText(maxValueBytes))
  .refine((env) => Object.keys(env).length <= maxVariables, `must be at most ${maxVariables} variables`)
  .meta({ description: 'Environment variables' });

/** A record leaves this one name out without a word. */
export const Variables = z.preprocess((value, context) => {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__'))
    context.addIssue('must not hold __proto__');
  return value;
}, VariableRecord);

export const UserName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, 'must be a user name')
  .meta({ description: 'User; root without it' });

export const Stdin = z
  .string()
  .refine((text) => text.isWellFormed(), 'is not valid Unicode')
  .refine((text) => Buffer.byteLength(text) <= maxStdinBytes, `must be at most ${maxStdinBytes} bytes`)
  .meta({ description: 'Standard input' });

/** Throws INVALID_ARGUMENT above what the operator allows. */
export function allowedTimeoutMs(timeoutS: number, maxTimeoutS: number): number {
  if (timeoutS > maxTimeoutS)
    throw failure('INVALID_ARGUMENT', {
      problem: `timeout: at most ${maxTimeoutS} s are allowed here (COMMAND_TIMEOUT_MAX)`,
    });
  return timeoutS * 1000;
}
