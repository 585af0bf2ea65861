/** The way of a request, from the outermost to the innermost. */
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import { type Endpoint, maxBodyBytes } from '../mcp/endpoint.ts';
import { describeError, type Log } from '../observe/log.ts';
import { createArrival } from './arrival.ts';
import type { Authenticated, Authenticator } from './auth.ts';
import { createBodyStore } from './body.ts';
import { createExchanges } from './exchange.ts';
import {
  hostGuard,
  type OnRefused,
  originForm,
  originGuard,
  plainBodies,
  plainFraming,
  refuse,
  singleHeaders,
} from './guards.ts';
import { health, livez, readyz, type Vitals } from './probes.ts';
import { createTransfers, type TransferParts } from './transfers.ts';

export interface AppParts {
  readonly endpoint: Endpoint;
  readonly authenticator: Authenticator;
  readonly vitals: Vitals;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly onRefused: OnRefused;
  readonly log: Log;
  /** Where there are none, neither are there their URLs. */
  readonly transfers?: Pick<TransferParts, 'tickets' | 'used' | 'gate' | 'stallMs'> | undefined;
  /** How long a request that is no transfer may take to arrive; 120 s where it is not given. */
  readonly arrivalMs?: number | undefined;
}

/** What is held at the same time: a body takes several times its size while it is parsed and carried out. */
const maxTotalBodyBytes = 8 * 1024 * 1024;
const maxRequests = 2_000;

export function createApp(parts: AppParts): Express {
  const { onRefused, log, authenticator, transfers } = parts;
  const arrival = createArrival({ withinMs: parts.arrivalMs });
  const app = express();
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);
  app.set('trust proxy', [...parts.trustedProxies]);

  app.use((request, response, next) => {
    arrival.bound(request, response);
    next();
  });
  app.use(helmet());
  app.use(originForm);
  app.use(plainFraming);
  app.use(singleHeaders(onRefused));
  app.get('/livez', livez);
  app.get('/readyz', readyz(parts.vitals));
  app.get('/health', health(parts.vitals));
  app.use(hostGuard(parts));
  app.use(originGuard(parts));
  app.all('/mcp', methods, plainBodies, bearer(authenticator, onRefused), mcp(parts.endpoint));
  // Without a bearer: the ticket is what gives access.
  if (transfers !== undefined)
    app.all('/transfers/:ticket', createTransfers({ ...transfers, authenticator, arrival, onRefused, log }));
  app.use((_request, response) => refuse(response, 404, 'There is nothing here; the endpoint is /mcp'));
  app.use(failed(log));
  return app;
}

const methods: RequestHandler = (request, response, next) => {
  if (['POST', 'GET', 'DELETE'].includes(request.method)) return next();
  response.set('allow', 'GET, POST, DELETE');
  refuse(response, 405, 'This method is not part of the protocol');
};

function bearer(authenticator: Authenticator, onRefused: OnRefused): RequestHandler {
  return (request, response, next) => {
    const authenticated = authenticator.authenticate(request.headers.authorization);
    if (authenticated !== undefined) {
      response.locals.authenticated = authenticated;
      return next();
    }
    onRefused('auth');
    response.set('www-authenticate', 'Bearer realm="proxmox-mcp-gateway"');
    refuse(response, 401, 'A valid bearer token is required: Authorization: Bearer <token>');
  };
}

function mcp(endpoint: Endpoint): RequestHandler {
  const store = createBodyStore({ maxBodyBytes, maxTotalBytes: maxTotalBodyBytes, maxRequests });
  const exchange = createExchanges({ store });
  return async (request, response) => {
    const { principal, whileValid } = authenticatedIn(response);
    // SECURITY: a revoked token loses what is under way too; the cut counts as a disconnect.
    const endWatch = whileValid(() => response.destroy());
    const finished = new Promise<void>((resolve) => response.once('close', resolve));
    void finished.then(endWatch);
    const caller = { principal, client: request.ip };
    await exchange({
      request,
      response,
      answer: (incoming) => endpoint.fetch({ ...incoming, caller, finished }),
    });
  };
}

function authenticatedIn(response: Response): Authenticated {
  return response.locals.authenticated as Authenticated;
}

/** Express answers errors with HTML and, in development, a stack. */
function failed(log: Log): ErrorRequestHandler {
  return (error, _request, response, next) => {
    if (response.headersSent) return next(error);
    const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
    if (status >= 400 && status < 500) return refuse(response, status, 'The request is malformed');
    log.error('a request failed', { error: describeError(error) });
    refuse(response, 500, 'Internal server error');
  };
}
