/** Reads what a client sent: the path, and the parameters of query and body as the node's server takes them apart. */
import type { IncomingMessage } from 'node:http';
import { ApiError } from './api-error.ts';
import type { Value } from './values.ts';

const maxBodyBytes = 512 * 1024;

/** The parts of a path, decoded; empty ones count for nothing. */
export function segmentsOf(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function add(into: Map<string, Value>, name: string, value: string): void {
  const before = into.get(name);
  into.set(name, before === undefined ? value : [before, value].flat());
}

/** A semicolon separates as an ampersand does, and a second equals sign ends the value. */
export function parametersOf(encoded: string): Map<string, Value> {
  const found = new Map<string, Value>();
  for (const pair of encoded.split(/[&;]/)) {
    if (pair === '') continue;
    const [name = '', value = ''] = pair.replaceAll('+', ' ').split('=');
    add(found, decoded(name), decoded(value));
  }
  return found;
}

function fromJson(text: string): Map<string, Value> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new ApiError(500, 'malformed JSON string, neither tag, array, object, number, string or atom\n');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new ApiError(500, 'Not a HASH reference at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 978.\n');
  const scalar = (value: unknown): string =>
    typeof value === 'boolean' ? String(Number(value)) : String(value);
  return new Map(
    Object.entries(parsed)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [name, Array.isArray(value) ? value.map(scalar) : scalar(value)]),
  );
}

/** Throws ApiError where the body is too large or of no kind that is understood. */
export async function bodyParametersOf(request: IncomingMessage): Promise<Map<string, Value>> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > maxBodyBytes) throw new ApiError(501, 'for data too large');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new ApiError(501, 'for data too large');
    chunks.push(chunk);
  }
  if (size === 0) return new Map();
  const text = Buffer.concat(chunks).toString('utf8');
  const [kind = ''] = (request.headers['content-type'] ?? '').split(';');
  if (kind === 'application/json') return fromJson(text);
  if (kind === '' || kind === 'application/x-www-form-urlencoded') return parametersOf(text);
  throw new ApiError(506, `upload 'Content-Type '${kind}' not implemented`);
}
