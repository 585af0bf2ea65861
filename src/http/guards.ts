/** Refuses requests that no honest client of this gateway sends, before anything looks at their content. */
import { isIP } from 'node:net';
import type { Request, RequestHandler, Response } from 'express';

export type RefusalReason = 'auth' | 'host' | 'origin' | 'headers';
export type OnRefused = (reason: RefusalReason) => void;

/** Sends an error in the form of JSON-RPC, which every client of the endpoint can read. */
export function refuse(response: Response, status: number, message: string): void {
  response.status(status).json({ jsonrpc: '2.0', error: { code: -32000, message }, id: null });
}

/** Refuses a target that names a host of its own, beside the one that the host guard judges. */
export const originForm: RequestHandler = (request, response, next) => {
  if (request.originalUrl.startsWith('/')) return next();
  refuse(response, 400, 'The request target must be a path');
};

/** Every other spelling is one that a proxy may read as the end of the request and Node as its middle. */
export const plainFraming: RequestHandler = (request, response, next) => {
  const encoding = request.headers['transfer-encoding'];
  if (encoding === undefined || encoding.toLowerCase() === 'chunked') return next();
  // SECURITY: what follows on the connection may be taken for requests that nobody sent.
  response.once('finish', () => request.socket.destroySoon());
  response.set('connection', 'close');
  refuse(response, 400, 'The transfer encoding must be chunked or none');
};

const single = ['host', 'authorization', 'origin', 'mcp-session-id', 'content-length'];

/** Node keeps the first of two such headers, a proxy may have judged the second. */
export function singleHeaders(onRefused: OnRefused): RequestHandler {
  return (request, response, next) => {
    const seen = new Set<string>();
    for (let index = 0; index < request.rawHeaders.length; index += 2) {
      const name = (request.rawHeaders[index] ?? '').toLowerCase();
      if (!single.includes(name)) continue;
      if (seen.has(name)) {
        onRefused('headers');
        return refuse(response, 400, `The ${name} header is given more than once`);
      }
      seen.add(name);
    }
    next();
  };
}

/** Nothing here inflates bodies. */
export const plainBodies: RequestHandler = (request, response, next) => {
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return next();
  refuse(response, 415, 'Bodies must be sent without a content encoding');
};

const maxPort = 65_535;

const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Against DNS rebinding, by which a web page reaches a private server under the page's own name. An address
 * in place of a name cannot be rebound, so addresses pass.
 */
export function hostGuard(input: { allowedHosts: readonly string[]; onRefused: OnRefused }): RequestHandler {
  const allowed = new Set([...loopbackNames, ...input.allowedHosts.map((name) => name.toLowerCase())]);
  return (request, response, next) => {
    const host = hostNameOf(request);
    if (host !== undefined && (allowed.has(host) || allowed.has('*') || isAddress(host))) return next();
    input.onRefused('host');
    refuse(
      response,
      403,
      'This host name is not known here. If it is yours, add it to ALLOWED_HOSTS, for example ALLOWED_HOSTS=mcp.lan',
    );
  };
}

/** Only browsers send Origin; those of this machine and those that the operator named may call. */
export function originGuard(input: {
  allowedOrigins: readonly string[];
  onRefused: OnRefused;
}): RequestHandler {
  const allowed = new Set(input.allowedOrigins.map((origin) => new URL(origin).origin));
  return (request, response, next) => {
    const { origin } = request.headers;
    if (origin === undefined || allowed.has(origin.toLowerCase()) || isLoopbackOrigin(origin)) return next();
    input.onRefused('origin');
    refuse(
      response,
      403,
      'Pages of this origin may not call the gateway. If it is yours, add it to ALLOWED_ORIGINS, for example ALLOWED_ORIGINS=https://app.lan',
    );
  };
}

function hostNameOf(request: Request): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/i.exec(request.headers.host ?? '');
  return Number(match?.[2] ?? 0) <= maxPort ? match?.[1]?.toLowerCase() : undefined;
}

function isAddress(host: string): boolean {
  return isIP(host.replace(/^\[|\]$/g, '')) !== 0;
}

function isLoopbackOrigin(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  return (protocol === 'http:' || protocol === 'https:') && loopbackNames.includes(hostname);
}
