/** Reads the bodies of requests, bounded each and together. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Refused {
  readonly kind: 'refused';
  readonly status: number;
  readonly message: string;
  readonly retryAfterS?: number;
}

type ReadBody =
  | { readonly kind: 'read'; readonly text: string | undefined }
  | { readonly kind: 'gone' }
  | Refused;

/** What is held of request bodies, from their arrival until their requests are answered. */
export interface BodyStore {
  readonly maxBodyBytes: number;
  /** A place for one request; undefined where too many are under way. */
  enter(): BodyPlace | undefined;
}

export interface BodyPlace {
  /** Whether there is room for a body that has grown to this size. */
  grow(bytes: number): boolean;
  leave(): void;
}

/** Bytes of a body that are not counted, so that a store full of large ones never keeps anyone from cancelling. */
const freeBytes = 16 * 1024;

export function createBodyStore(input: {
  maxBodyBytes: number;
  maxTotalBytes: number;
  maxRequests: number;
}): BodyStore {
  let requests = 0;
  let total = 0;
  return {
    maxBodyBytes: input.maxBodyBytes,
    enter() {
      if (requests >= input.maxRequests) return undefined;
      requests++;
      let counted = 0;
      let left = false;
      return {
        grow(bytes) {
          const wanted = Math.max(0, bytes - freeBytes);
          if (left || total - counted + wanted > input.maxTotalBytes) return false;
          total += wanted - counted;
          counted = wanted;
          return true;
        },
        leave() {
          if (left) return;
          left = true;
          requests--;
          total -= counted;
        },
      };
    },
  };
}

/**
 * What is not read of a refused body is let pass, because a connection closed on it would take the answer
 * along; the listener bounds how long that may last.
 */
export async function readBody(input: {
  request: IncomingMessage;
  response: ServerResponse;
  store: BodyStore;
}): Promise<ReadBody> {
  const { request, response, store } = input;
  if (request.method !== 'POST') return { kind: 'read', text: undefined };
  const tooLarge = refused(413, `The body must be at most ${store.maxBodyBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > store.maxBodyBytes) return discard(request, tooLarge);
  const place = store.enter();
  if (place === undefined) return discard(request, tooMany);
  response.once('close', place.leave);
  const body = await collect(request, (size) => {
    if (size > store.maxBodyBytes) return tooLarge;
    return place.grow(size) ? undefined : tooMany;
  });
  if (body.kind !== 'refused') return body;
  place.leave();
  return discard(request, body);
}

function refused(status: number, message: string): Refused {
  return { kind: 'refused', status, message };
}

const tooMany: Refused = {
  ...refused(429, 'Too many requests, or too large ones, are under way; try again in a moment'),
  retryAfterS: 5,
};

function discard(request: IncomingMessage, answer: Refused): Refused {
  request.resume();
  return answer;
}

async function collect(
  request: IncomingMessage,
  objects: (bytes: number) => Refused | undefined,
): Promise<ReadBody> {
  const chunks: Buffer[] = [];
  let size = 0;
  return await new Promise((resolve) => {
    const settle = (body: ReadBody) => {
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      chunks.length = 0;
      resolve(body);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      const refusal = objects(size);
      if (refusal === undefined) chunks.push(chunk);
      else settle(refusal);
    };
    const onEnd = () => settle(decode(Buffer.concat(chunks)));
    const onClose = () => settle({ kind: 'gone' });
    request
      .on('data', onData)
      .on('end', onEnd)
      .on('close', onClose)
      .on('error', () => {});
  });
}

/** Bytes that are no text are refused: what replaces them would not be what was sent. */
function decode(bytes: Buffer): ReadBody {
  if (!isUtf8(bytes)) return refused(400, 'The body is not valid UTF-8');
  return { kind: 'read', text: bytes.toString('utf8').replace(/^\ufeff/, '') };
}
