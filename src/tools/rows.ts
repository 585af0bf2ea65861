/** Data in results whose fields are known here and told to clients by their names alone. */
import { z } from 'zod';

const Anything = z.looseObject({});

/** A schema of every field of every table would cost each client thousands of bytes at each start. */
export function Open<T extends object>(): z.ZodType<T> {
  return Anything as unknown as z.ZodType<T>;
}

export function Rows<T extends object>(): z.ZodType<T[]> {
  return z.array(Open<T>());
}
