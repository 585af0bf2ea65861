/** The body of a request as the source of a transfer: pulled as it is wanted, and whole or a failure. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { failure, type GatewayError } from '../base/errors.ts';
import type { Call } from '../mcp/call.ts';

type Source = Extract<NonNullable<Call['transfer']>, { kind: 'source' }>['source'];

export interface Upload {
  readonly source: Source;
  /** The status for what the client did wrong while it was sending, if it did. */
  readonly fault: number | undefined;
  /** Ends the reading, also one that is waited for, and leaves the rest of the body to others. */
  stop(): void;
}

/** `maxBytes` bounds the body, `stallMs` how long the client may send nothing while it is waited for. */
export function createUpload(input: {
  request: IncomingMessage;
  response: ServerResponse;
  maxBytes: number;
  stallMs: number;
}): Upload {
  const { request, response, maxBytes, stallMs } = input;
  const length = request.headers['content-length'];
  let taken = 0;
  let wanted = false;
  let stopped = false;
  let fault: number | undefined;
  let wake = () => {};

  const onChange = () => wake();
  const events = ['readable', 'end', 'close'] as const;
  const stop = () => {
    stopped = true;
    for (const event of events) request.off(event, onChange);
    wake();
  };
  const fail = (status: number, error: GatewayError) => {
    fault ??= status;
    stop();
    return error;
  };
  const interrupted = (why: string) => failure('TRANSFER_INTERRUPTED', { why });
  const begin = () => {
    wanted = true;
    request.on('error', () => {});
    for (const event of events) request.on(event, onChange);
    // Node refuses every other expectation before anyone sees the request.
    if (request.headers.expect !== undefined && request.httpVersion === '1.1') response.writeContinue();
  };
  /** Whether anything happened in time. */
  const change = () =>
    new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), stallMs);
      wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  /** The next bytes; undefined at the end of a whole body. */
  const pull = async (): Promise<Uint8Array | undefined> => {
    if (!wanted) begin();
    while (!stopped) {
      const chunk: Buffer | null = request.read();
      if (chunk !== null) {
        taken += chunk.length;
        if (taken <= maxBytes) return chunk;
        throw fail(413, failure('TOO_LARGE', { what: 'The body', maxBytes, setting: 'MAX_FILE_SIZE' }));
      }
      if (request.readableEnded && request.complete) return undefined;
      if (request.destroyed) throw failure('TRANSFER_CANCELLED', {});
      if (!(await change())) throw fail(408, interrupted(`the client sent nothing for ${stallMs / 1000} s`));
    }
    throw interrupted('nothing of the body is read any more');
  };

  const chunks: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const value = await pull();
        return value === undefined ? { done: true, value: undefined } : { done: false, value };
      },
      async return() {
        stop();
        return { done: true, value: undefined };
      },
    }),
  };
  return {
    source: { size: length === undefined ? undefined : Number(length), chunks },
    get fault() {
      return fault;
    },
    stop,
  };
}
