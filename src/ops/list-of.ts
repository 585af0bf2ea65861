/** Lists in Proxmox VE's answers, read row by row. */
import { z } from 'zod';

/** SECURITY: an answer within its bound of bytes can still be of millions of rows, and each takes its time. */
const Bounded = z.array(z.unknown()).max(100_000);

/** Only the rows that fit: one that makes no sense does not keep the others from being read. */
export function ListOf<T extends z.ZodType>(row: T) {
  return Bounded.pipe(z.array(row.nullable().catch(null))).transform((rows) =>
    rows.filter((each): each is NonNullable<typeof each> => each !== null),
  );
}
