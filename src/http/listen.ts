/** Listeners with bounds: on headers, on waits, on the number of connections. */
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

// An import would load fetch along with it: 3 MB that nothing needs before the first request.
const { createServer } = process.getBuiltinModule('node:http');

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Takes no new connections; those under way go on. */
  stopAccepting(): void;
  /** Ends what is left after graceMs. */
  close(graceMs: number): Promise<void>;
}

const limits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 15_000,
  /** None for all alike: the handler knows which bodies may be long. */
  requestTimeout: 0,
  connectionsCheckingInterval: 5_000,
  /**
   * Longer than proxies keep idle connections (Caddy 120 s, Traefik 90 s, nginx 60 s), which would otherwise
   * reuse one that is just being closed.
   */
  keepAliveTimeout: 125_000,
};

/** Rejects with the system's error where the address cannot be had. */
export async function listen(input: {
  host: string;
  port: number;
  maxConnections: number;
  handler: RequestListener;
}): Promise<Listener> {
  const answering = new WeakMap<Duplex, ServerResponse>();
  const handler: RequestListener = (request, response) => {
    answering.set(request.socket, response);
    input.handler(request, response);
  };
  const server = createServer(limits, handler);
  server.maxConnections = input.maxConnections;
  server.on('clientError', (error, socket) => {
    // SECURITY: what is said now would be taken for a part of the answer that is just being sent.
    if (isHalfSent(answering.get(socket))) socket.destroy();
    else answerMalformed(error, socket);
  });
  server.on('checkContinue', (request, response) => {
    // Here the handler asks for the body itself, if it comes to that.
    if (!request.url?.startsWith('/transfers/')) response.writeContinue();
    handler(request, response);
  });
  server.on('connect', (_request, socket) => endWith(socket, '405 Method Not Allowed', 'This is no proxy'));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(input.port, input.host.replace(/^\[(.*)\]$/, '$1'), () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    host: address,
    port,
    stopAccepting() {
      server.close();
      server.closeIdleConnections();
    },
    close: (graceMs) => close(server, graceMs),
  };
}

function isHalfSent(response: ServerResponse | undefined): boolean {
  return response?.headersSent === true && !response.writableFinished;
}

/** What Node could not parse as HTTP never reaches the app; it gets JSON too. */
function answerMalformed(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const [status, reason] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'The headers are too large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'The request took too long to arrive']
        : ['400 Bad Request', 'The request is malformed'];
  endWith(socket, status, reason);
}

function endWith(socket: Duplex, status: string, reason: string): void {
  const body = JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message: reason }, id: null });
  socket.on('error', () => {});
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

async function close(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    if (server.listening) server.close(() => resolve());
    else server.getConnections((_error, count) => (count === 0 ? resolve() : server.once('close', resolve)));
  });
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}
