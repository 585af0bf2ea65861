/**
 * The pieces of Proxmox VE's answers, as loosely as it sends them: numbers and booleans come as text, too,
 * and null where there is nothing.
 */
import { z } from 'zod';

/** What nobody reads. */
export const Anything = z.unknown();

/** A finite number, or digits; everything else counts as absent. */
export const Num = z
  .unknown()
  .transform((value) => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
  })
  .optional();

/** Text, or a number as text; everything else counts as absent. */
export const Text = z
  .unknown()
  .transform((value) =>
    typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined,
  )
  .optional();

/** Perl's truth: 1 and "1". */
export const Flag = z
  .unknown()
  .transform((value) => value === 1 || value === '1' || value === true)
  .optional();

export type Present<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** Without the keys that have no value. */
export function present<T extends object>(record: T): Present<T> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Present<T>;
}
