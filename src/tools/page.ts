/** Long lists, a part at a time. */
import { z } from 'zod';

export const Limit = z.int().min(1).max(500).default(50);
export const Offset = z.int().min(0).default(0);

export function pageOf<T>(items: readonly T[], { limit, offset }: { limit: number; offset: number }): T[] {
  return items.slice(offset, offset + limit);
}

/** A line on what is left out, or none. */
export function restOf(shown: number, { total, offset }: { total: number; offset: number }): string[] {
  if (shown === total) return [];
  const end = offset + shown;
  const more = end < total ? `; offset ${end} shows more` : '';
  return [
    shown === 0 ? `None from ${offset} on, of ${total}.` : `${offset + 1} to ${end} of ${total}${more}.`,
  ];
}
