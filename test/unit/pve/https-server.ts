/** Stands in for a node's API: a true HTTPS server, which answers as the test says. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Certificate, makeCertificate } from './certificates.ts';

/** A request as it came, without /api2/json. */
export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Which connection it came on, from 1. */
  readonly connection: number;
}

export type Handler = (heard: Heard, response: ServerResponse) => unknown;

export interface StandIn {
  readonly host: string;
  readonly port: number;
  readonly heard: readonly Heard[];
  /** How many connections had a TLS handshake to their end. */
  readonly connections: number;
  certificate: Certificate;
  /** May be changed at any time. */
  handler: Handler;
  /** Ends every connection, and those that come: nobody is there. */
  stop(): Promise<void>;
}

/** Answers as a node does: `data` beside nothing else, or `whole`. */
export function give(response: ServerResponse, data: unknown, beside: object = {}): void {
  send(response, 200, 'OK', JSON.stringify({ data, ...beside }));
}

/** Refuses as a node does: the text in the reason phrase and in the body; ends the connection. */
export function refuse(response: ServerResponse, status: number, text: string, errors?: object): void {
  const body = { data: null, message: `${text}\n`, ...(errors === undefined ? {} : { errors }) };
  response.setHeader('connection', 'close');
  send(response, status, text, status === 401 || status > 590 ? '' : JSON.stringify(body));
}

export function send(response: ServerResponse, status: number, reason: string, body: string): void {
  response.writeHead(status, reason, { 'content-type': 'application/json;charset=UTF-8' }).end(body);
}

/** On a free port of 127.0.0.1, or on `port`. */
export async function startStandIn(
  handler: Handler,
  options: { certificate?: Certificate; port?: number } = {},
): Promise<StandIn> {
  const { certificate = makeCertificate(), port = 0 } = options;
  const heard: Heard[] = [];
  const sockets = new Map<Duplex, number>();
  let count = 0;
  let shown = certificate;
  const server = createServer({ ...certificate, keepAliveTimeout: 60_000 }, async (request, response) => {
    const url = new URL(request.url ?? '', 'https://node');
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const said: Heard = {
      method: request.method ?? '',
      path: url.pathname.replace(/^\/api2\/json/, ''),
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
      connection: sockets.get(request.socket) ?? 0,
    };
    heard.push(said);
    await standIn.handler(said, response);
  });
  server.on('connection', (socket: Duplex) => socket.on('error', () => {}));
  server.on('secureConnection', (socket: Duplex) => {
    sockets.set(socket, ++count);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const standIn: StandIn = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    heard,
    handler,
    get connections() {
      return count;
    },
    get certificate() {
      return shown;
    },
    set certificate(next) {
      shown = next;
      server.setSecureContext({ ...next });
    },
    stop: () => end(server, sockets),
  };
  return standIn;
}

async function end(server: Server, sockets: ReadonlyMap<Duplex, number>): Promise<void> {
  const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
  for (const socket of sockets.keys()) socket.destroy();
  server.closeAllConnections();
  await closed;
}
