/** One request and its answer, between Node's types and the web's, with bounds on what of them waits in memory. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type BodyStore, type Refused, readBody } from './body.ts';

/** In bytes and ms. */
export interface ExchangeBounds {
  /** Of one answer, behind the message that is being sent. */
  readonly maxWaitingBytes: number;
  /** Of all answers together. */
  readonly maxTotalWaitingBytes: number;
  /** How long a client may take nothing of what waits for it. */
  readonly stallMs: number;
}

export interface Incoming {
  /** Without its body. */
  readonly request: Request;
  /** The body of a POST. */
  readonly text: string | undefined;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly answer: (incoming: Incoming) => Promise<Response>;
}

const usualBounds: ExchangeBounds = {
  maxWaitingBytes: 1024 * 1024,
  maxTotalWaitingBytes: 32 * 1024 * 1024,
  stallMs: 60_000,
};

/**
 * Rejects where `answer` does. A client that leaves more unread than the bounds allow is cut off, which
 * aborts the signal of its request like any other disconnect.
 */
export function createExchanges(input: {
  store: BodyStore;
  bounds?: ExchangeBounds;
}): (exchange: Exchange) => Promise<void> {
  const { store, bounds = usualBounds } = input;
  const waiting = new Set<ServerResponse>();

  return async ({ request, response, answer }) => {
    const gone = new AbortController();
    response.once('close', () => {
      waiting.delete(response);
      if (!response.writableEnded) gone.abort();
    });
    response.on('drain', () => waiting.delete(response));
    response.setTimeout(bounds.stallMs, () => {
      if (response.writableLength > 0) response.destroy();
    });
    const body = await readBody({ request, response, store });
    if (body.kind === 'gone') return;
    if (body.kind === 'refused') return refuse(response, body);
    const web = await answer({ request: webRequest(request, gone.signal), text: body.text });
    await send({ web, response, waiting, bounds, gone: gone.signal });
  };
}

function refuse(response: ServerResponse, { status, message, retryAfterS }: Refused): void {
  const text = JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message }, id: null });
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(retryAfterS !== undefined && { 'retry-after': String(retryAfterS) }),
  });
  response.end(text);
}

/** The host guard has judged Host, and nothing behind it looks at the address. */
const address = 'http://gateway.invalid/mcp';

function webRequest(request: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    for (const each of Array.isArray(value) ? value : [value ?? '']) headers.append(name, each);
  return new Request(address, { method: request.method ?? 'GET', headers, signal });
}

interface Sending {
  readonly web: Response;
  readonly response: ServerResponse;
  readonly waiting: Set<ServerResponse>;
  readonly bounds: ExchangeBounds;
  readonly gone: AbortSignal;
}

/**
 * Takes what the protocol layer has as soon as it is there: that layer queues without a bound and without
 * waiting for its reader, so only here can be seen how much waits.
 */
async function send({ web, response, waiting, bounds, gone }: Sending): Promise<void> {
  if (gone.aborted) return void (await web.body?.cancel());
  // Whether the connection stays open is for the client to ask and for Node to say.
  web.headers.delete('connection');
  const headers = Object.fromEntries(web.headers);
  const write = (bytes: Uint8Array) => {
    if (response.write(bytes)) return;
    waiting.add(response);
    cutLargest(waiting, bounds.maxTotalWaitingBytes);
  };
  if (web.body === null || headers['content-type'] === 'application/json') {
    const whole = Buffer.from(await web.arrayBuffer());
    response.writeHead(web.status, { ...headers, 'content-length': whole.length });
    if (whole.length > 0) write(whole);
    return void response.end();
  }
  response.writeHead(web.status, headers);
  const reader = web.body.getReader();
  gone.addEventListener('abort', () => void reader.cancel().catch(() => {}));
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return void response.end();
    if (response.writableLength > bounds.maxWaitingBytes) return void response.destroy();
    write(value);
  }
}

/** Where all of them together leave too much unread, the one that leaves most makes room. */
function cutLargest(waiting: ReadonlySet<ServerResponse>, maxBytes: number): void {
  const sizes = [...waiting].map((response) => ({ response, bytes: response.writableLength }));
  if (sizes.length < 2 || sizes.reduce((sum, { bytes }) => sum + bytes, 0) <= maxBytes) return;
  sizes.sort((a, b) => b.bytes - a.bytes)[0]?.response.destroy();
}
