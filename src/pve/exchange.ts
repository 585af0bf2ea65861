/** One request and its answer, within bounds of time and size; whatever happens, it knows whether anything was sent. */
import type { IncomingMessage } from 'node:http';
import { Agent, type RequestOptions, request as requestHttps } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type Address, NotConnected } from './connect.ts';

export interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Of the answer's body: what is larger is not read. */
  readonly maxBytes: number;
  readonly patience: Patience;
  readonly signal: AbortSignal;
}

/** In ms, each by itself. */
export interface Patience {
  /** From the request sent to the answer begun. */
  readonly headersMs: number;
  /** Between two pieces of the answer. */
  readonly stallMs: number;
}

export interface Reply {
  readonly kind: 'reply';
  readonly status: number;
  readonly reason: string;
  readonly contentType: string;
  readonly text: string;
}

/** `problem` completes «no answer: …». */
export type Outcome =
  | Reply
  /** Nothing was sent. */
  | { readonly kind: 'not connected'; readonly error: NotConnected }
  /** The signal ended it. */
  | { readonly kind: 'stopped'; readonly sent: boolean }
  | { readonly kind: 'too large' }
  /** It was sent, and no whole answer came. Stale: the other side had closed a connection that was kept alive. */
  | { readonly kind: 'lost'; readonly problem: string; readonly stale: boolean };

const maxIdle = 16;
const firstHeldBytes = 16 * 1024;

/** Keeps connections to one host alive between requests; `open` makes them. */
export class Connections extends Agent {
  readonly #open: () => Promise<TLSSocket>;

  constructor({ open, idleMs }: { open: () => Promise<TLSSocket>; idleMs: number }) {
    super({ keepAlive: true, maxFreeSockets: maxIdle, timeout: idleMs });
    this.#open = open;
  }

  override createConnection(
    _options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#open().then(
      (socket) => callback?.(null, socket),
      // Declared to get a stream, which there is none of beside an error.
      (error: Error) => (callback as ((error: Error) => void) | undefined)?.(error),
    );
    return undefined;
  }

  closeIdle(): void {
    for (const sockets of Object.values(this.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }
}

/** Never rejects. */
export function exchange(address: Address, connections: Connections, outgoing: Outgoing): Promise<Outcome> {
  const { method, path, headers, body, maxBytes, patience, signal } = outgoing;
  if (signal.aborted) return Promise.resolve({ kind: 'stopped', sent: false });
  return new Promise((resolve) => {
    let sent = false;
    let answered = false;
    let ended = false;
    let silence: NodeJS.Timeout | undefined;
    const request = requestHttps({ ...address, agent: connections, method, path, headers });
    const end = (outcome: Outcome) => {
      if (ended) return;
      ended = true;
      clearTimeout(silence);
      signal.removeEventListener('abort', stop);
      if (outcome.kind !== 'reply') request.destroy();
      resolve(outcome);
    };
    const stop = () => end({ kind: 'stopped', sent });
    const lost = (problem: string, stale = false) => end({ kind: 'lost', problem, stale });
    const allow = (ms: number, problem: string) => {
      clearTimeout(silence);
      silence = setTimeout(lost, ms, problem);
    };
    request.on('error', (error) => {
      if (error instanceof NotConnected) end({ kind: 'not connected', error });
      else if (!sent)
        end({ kind: 'not connected', error: new NotConnected('the connection failed', { cause: error }) });
      else lost('the connection was lost', request.reusedSocket && !answered);
    });
    request.once('socket', () => {
      sent = true;
      allow(patience.headersMs, 'it took too long');
    });
    request.once('response', (response) => {
      answered = true;
      allow(patience.stallMs, 'the answer stopped halfway');
      response.on('data', () => silence?.refresh());
      collect(response, maxBytes, end);
      response.once('close', () => lost('the answer broke off'));
    });
    signal.addEventListener('abort', stop, { once: true });
    request.end(body);
  });
}

/** Ends with the whole answer or with what is too large; an answer that breaks off does not end. */
function collect(response: IncomingMessage, maxBytes: number, end: (outcome: Outcome) => void): void {
  const { statusCode: status = 0, statusMessage: reason = '', headers } = response;
  // SECURITY: chunks are copied together, as each by itself costs a hundred times the single byte that it may hold.
  let held = Buffer.allocUnsafe(firstHeldBytes);
  let bytes = 0;
  if (Number(headers['content-length'] ?? 0) > maxBytes) end({ kind: 'too large' });
  response.on('data', (chunk: Buffer) => {
    if (bytes + chunk.length > maxBytes) return end({ kind: 'too large' });
    if (bytes + chunk.length > held.length) {
      const larger = Buffer.allocUnsafe(2 * (bytes + chunk.length));
      held.copy(larger, 0, 0, bytes);
      held = larger;
    }
    bytes += chunk.copy(held, bytes);
  });
  response.on('error', () => {});
  response.once('end', () => {
    const text = held.toString('utf8', 0, bytes);
    end({ kind: 'reply', status, reason, contentType: headers['content-type'] ?? '', text });
  });
}
