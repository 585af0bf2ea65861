/** Bounds how long a request may take to arrive, whatever became of its answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Arrival {
  /** Gives the rest of the request a time to arrive. */
  bound(request: IncomingMessage, response: ServerResponse): void;
  /** For a request whose reader has bounds of its own. */
  release(request: IncomingMessage): void;
}

const usualMs = 120_000;

/**
 * Node's own bound knows no exception for the requests that may be long. One that is late is answered with 408,
 * or cut off where it has an answer.
 */
export function createArrival({ withinMs = usualMs }: { withinMs?: number | undefined } = {}): Arrival {
  const timers = new WeakMap<IncomingMessage, NodeJS.Timeout>();
  const release = (request: IncomingMessage) => clearTimeout(timers.get(request));
  return {
    release,
    bound(request, response) {
      if (!hasBody(request)) return;
      const late = () => {
        if (!request.complete) refuseLate(request, response);
      };
      timers.set(request, setTimeout(late, withinMs).unref());
      request.once('close', () => release(request));
    },
  };
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function refuseLate(request: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent) return void request.socket.destroy();
  // A last byte that comes now must not set off what was just refused.
  request.pause();
  const message = 'The request took too long to arrive';
  const body = JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message }, id: null });
  response.writeHead(408, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(body);
}
