/** The node's API server: HTTPS, tokens, and the faults that tests ask of it. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { LabNode } from '../proxmox/node.ts';
import type { Answer, Api } from './api.ts';
import { ApiError } from './api-error.ts';
import { type Certificate, createCertificate } from './certificate.ts';
import type { Faults, HeardRequest, LabAnswer } from './control.ts';
import { bodyParametersOf, parametersOf, segmentsOf } from './request.ts';
import type { Tokens } from './tokens.ts';
import type { Value } from './values.ts';

/** A file that is served to everyone. */
export type Page = () => { readonly type: string; readonly text: string };

export interface ApiServer {
  readonly port: number;
  /** As it is now. */
  readonly certificate: Certificate;
  /** Serves another one from the next connection on, as after its renewal. */
  renewCertificate(): Certificate;
  readonly connections: number;
  readonly connectionsTotal: number;
  refuseConnections(refuse: boolean): void;
  dropConnections(): void;
  close(): Promise<void>;
}

export interface ApiServerOptions {
  readonly node: LabNode;
  /** 0 for any free port. */
  readonly port: number;
  readonly api: Api;
  readonly tokens: Tokens;
  readonly faults: Faults;
  readonly authDelayMs: () => number;
  readonly pages: ReadonlyMap<string, Page>;
}

const maxConnections = 500;
const maxRequestsPerConnection = 100;
const idleMs = 5_000;
const prefix = '/api2/json';
const bareHeaders = { 'cache-control': 'max-age=0', pragma: 'no-cache', server: 'pve-api-daemon/3.0' };

/** Resolves when the server listens on 127.0.0.1. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  let certificate = createCertificate(options.node.name);
  const contextOf = ({ privateKeyPem, certificatePem }: Certificate) => ({
    ...{ key: privateKeyPem, cert: certificatePem, minVersion: 'TLSv1.2' as const },
  });
  const state: Connections = { refuses: false, total: 0, sockets: new Set<Socket>() };
  const { sockets } = state;
  const server = createServer(
    { ...contextOf(certificate), keepAliveTimeout: idleMs },
    (request, response) => {
      serve(options, request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else sendPlain(response, 500, String(error));
      });
    },
  );
  server.maxRequestsPerSocket = maxRequestsPerConnection;
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.on('connection', (socket: Socket) => admit(socket, state));
  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const dropConnections = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get certificate() {
      return certificate;
    },
    renewCertificate() {
      certificate = createCertificate(options.node.name);
      options.node.apiFingerprint = certificate.fingerprint;
      server.setSecureContext(contextOf(certificate));
      return certificate;
    },
    get connections() {
      return sockets.size;
    },
    get connectionsTotal() {
      return state.total;
    },
    refuseConnections(refuse) {
      state.refuses = refuse;
    },
    dropConnections,
    async close() {
      const closed = once(server, 'close');
      server.close();
      dropConnections();
      await closed;
    },
  };
}

interface Connections {
  refuses: boolean;
  total: number;
  readonly sockets: Set<Socket>;
}

function admit(socket: Socket, state: Connections): void {
  const { sockets } = state;
  state.total += 1;
  socket.on('error', () => {});
  if (state.refuses || sockets.size >= maxConnections) {
    socket.destroy();
    return;
  }
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  socket.setNoDelay(true);
}

async function serve(
  options: ApiServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = '' } = request;
  const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s);
  if (!['GET', 'POST', 'PUT', 'DELETE'].includes(method))
    return void sendPlain(response, 501, `method '${method}' not available`);
  const page = options.pages.get(path);
  if (page !== undefined && method === 'GET') {
    const { type, text } = page();
    response.writeHead(200, { ...bareHeaders, 'content-type': type }).end(text);
    return;
  }
  const [, format, rest] = /^\/api2\/(?!json(?:\/|$))([^/]+)(.*)$/.exec(path) ?? [];
  if (format !== undefined) {
    const problem = `no formatter for uri ${rest}, ${format}`;
    return void sendPlain(response, 501, problem, problem);
  }
  if (path !== prefix && !path.startsWith(`${prefix}/`))
    return void sendPlain(response, 500, `no such file '${path}'`, `no such file '${path}'\n`);
  await serveApi(options, request, response, path.slice(prefix.length), query);
}

async function serveApi(
  { node, api, tokens, faults, authDelayMs }: ApiServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  query: string,
): Promise<void> {
  const { method = '' } = request;
  const segments = segmentsOf(path);
  const login = loginOf(request);
  const body = await readBody(request);
  const params = body instanceof Map ? new Map([...body, ...parametersOf(query)]) : parametersOf(query);
  const heard: HeardRequest = {
    ...{ node: node.name, method, path: `/${segments.join('/')}`, params: Object.fromEntries(params) },
    token: login?.id,
  };
  faults.heard(heard);
  await setTimeout(faults.delayMsOf(heard));
  const instead = faults.takeAnswer(heard);
  const run = async (): Promise<Answer> => {
    const user = login === undefined ? undefined : tokens.find(login.id, login.secret);
    if (user === undefined) {
      await setTimeout(authDelayMs());
      const reason = login === undefined ? 'No ticket' : 'Authentication failed!';
      return { status: 401, reason, body: undefined };
    }
    if (!(body instanceof Map)) return body;
    return await api({ here: node, user, method, segments, given: params });
  };
  if (instead === undefined) send(response, await run());
  else {
    if (instead.carriedOut === true) await run();
    sendInstead(response, instead);
  }
}

/** An answer in place of the parameters where the body cannot be read. */
async function readBody(request: IncomingMessage): Promise<Map<string, Value> | Answer> {
  try {
    return await bodyParametersOf(request);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { status: error.status, reason: error.message.trim(), body: error.message };
  }
}

/** Nothing where no token is shown; a cookie is one that is out of date. */
function loginOf({ headers }: IncomingMessage): { id: string; secret: string } | undefined {
  if (headers.cookie?.includes('PVEAuthCookie=') === true) return { id: '', secret: '' };
  const token = /^PVEAPIToken[= ](.*)$/.exec(headers.authorization ?? '')?.[1];
  if (token === undefined) return undefined;
  const [id = '', secret = ''] = token.split(/=(.*)/s);
  return { id, secret };
}

/** A reason phrase can hold no more than Latin-1 without control characters. */
function phrase(reason: string): string {
  return Buffer.from(reason, 'utf8')
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e\x80-\xff]/g, ' ');
}

function send(response: ServerResponse, { status, reason, body }: Answer): void {
  if (body === undefined || typeof body === 'string') {
    sendPlain(response, status, reason, body);
    return;
  }
  const text = JSON.stringify(body);
  const headers = {
    ...bareHeaders,
    'content-type': 'application/json;charset=UTF-8',
    'content-length': Buffer.byteLength(text),
    ...(status >= 400 && { connection: 'close' }),
  };
  response.writeHead(status, phrase(reason), headers).end(text);
}

function sendPlain(response: ServerResponse, status: number, reason: string, text = ''): void {
  response.writeHead(status, phrase(reason), { ...bareHeaders, connection: 'close' }).end(text);
}

function sendInstead(response: ServerResponse, answer: LabAnswer): void {
  if ('silent' in answer) return;
  if ('cut' in answer) {
    if (answer.cut === 'before') response.socket?.destroy();
    else {
      response.writeHead(200, {
        ...bareHeaders,
        'content-type': 'application/json;charset=UTF-8',
        'content-length': 1000,
      });
      response.write('{"data":[{"node":"', () => response.socket?.destroy());
    }
    return;
  }
  if ('dataBytes' in answer) {
    response.writeHead(200, { ...bareHeaders, 'content-type': 'application/json;charset=UTF-8' });
    response.end(`{"data":"${'x'.repeat(answer.dataBytes)}"}`);
    return;
  }
  const { status, reason = 'OK', body = '' } = answer;
  response
    .writeHead(status, phrase(reason), {
      ...bareHeaders,
      'content-type': 'application/json;charset=UTF-8',
      connection: 'close',
    })
    .end(body);
}
