/** The parameters of a call as they are sent: in the query or in the body, percent-encoded to the last byte. */
import { failure } from '../base/errors.ts';
import type { Method, Params } from './pve.ts';

/** A node reads header lines of 8 KiB and bodies of 512 KiB, and closes the connection on more. */
const maxPathChars = 7_000;
const maxBodyBytes = 512 * 1024 - 1;

/** All names of the API's schema are of this form. */
const name = /^[A-Za-z][\w-]{0,63}$/;

export interface Form {
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** Throws INVALID_ARGUMENT for what cannot be sent. */
export function form(method: Method, path: string, params: Params = {}): Form {
  const text = encode(params);
  const inBody = method === 'POST' || method === 'PUT';
  const whole = inBody || text === '' ? path : `${path}?${text}`;
  if (whole.length > maxPathChars) throw refused('together they are too long for the address of a request');
  // Percent-encoded, so that a character is a byte.
  if (inBody && text.length > maxBodyBytes)
    throw refused(`together they are larger than ${maxBodyBytes} bytes`);
  if (!inBody || text === '') return { path: whole, headers: {}, body: undefined };
  return { path: whole, headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: text };
}

/** A node splits at every raw `;` too, and cuts values at a raw `=`: none is left. */
function encode(params: Params): string {
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined) continue;
    if (!name.test(key)) throw refused('the name of one is not of the form that Proxmox VE uses');
    for (const each of Array.isArray(value) ? (value as readonly string[]) : [value])
      pairs.push(`${key}=${encodeValue(key, each)}`);
  }
  return pairs.join('&');
}

function encodeValue(key: string, value: unknown): string {
  const text = typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
  if (!text.isWellFormed() || text.includes('\0'))
    throw refused(`${key} holds characters that cannot be sent`);
  return encodeURIComponent(text);
}

function refused(problem: string) {
  return failure('INVALID_ARGUMENT', { problem: `of the parameters for Proxmox VE, ${problem}` });
}
