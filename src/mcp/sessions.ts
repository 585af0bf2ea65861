/**
 * Sessions of the 2025 protocol revisions. Their clients do not initialize again when a session is gone, so
 * a genuine id that is not known here (after a restart, an idle timeout, an eviction) is reopened by
 * initializing a fresh server from what the id itself carries.
 */
import {
  type AuthInfo,
  isInitializeRequest,
  isJSONRPCRequest,
  LATEST_PROTOCOL_VERSION,
  type Server,
  SUPPORTED_PROTOCOL_VERSIONS,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import type { Log } from '../observe/log.ts';
import type { ClosedSessions } from '../state/closed-sessions.ts';
import type { Caller } from './call.ts';
import type { ServerBuilder } from './server.ts';
import type { SessionSealer, SessionSeed } from './session-id.ts';

export interface SessionRequest {
  readonly request: Request;
  /** The parsed JSON body of a POST. */
  readonly body: unknown;
  readonly caller: Caller;
  readonly authInfo: AuthInfo;
  /** Settles when the response has been sent or given up. */
  readonly finished: Promise<void>;
}

export interface Sessions {
  handle(input: SessionRequest): Promise<Response>;
  readonly count: number;
  close(): Promise<void>;
}

interface Session {
  readonly id: string;
  readonly principal: string;
  readonly allowsBatches: boolean;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  /** Requests and streams under way. */
  active: number;
  /** Ids of the requests under way: a second one of the same id would get the first one's answer. */
  readonly ids: Set<string | number>;
  usedAt: number;
}

const idleMs = 30 * 60_000;
const sweepMs = 60_000;
const reopenUrl = 'http://session.invalid/mcp';

export function createSessions(input: {
  buildServer: ServerBuilder;
  sealer: SessionSealer;
  closedSessions: ClosedSessions;
  maxSessions: number;
  log: Log;
}): Sessions {
  const { buildServer, sealer, closedSessions, maxSessions, log } = input;
  const sessions = new Map<string, Session>();
  const reopening = new Map<string, Promise<Session | undefined>>();

  const end = async (session: Session): Promise<void> => {
    sessions.delete(session.id);
    await session.transport.close();
  };

  const sweeper = setInterval(() => {
    const before = performance.now() - idleMs;
    for (const session of sessions.values())
      if (session.active === 0 && session.usedAt < before) void end(session);
  }, sweepMs).unref();

  /** Whether there is room, after the longest idle session had to go if need be; its id reopens it. */
  const makeRoom = async (): Promise<boolean> => {
    if (sessions.size < maxSessions) return true;
    let oldest: Session | undefined;
    for (const session of sessions.values())
      if (session.active === 0 && (oldest === undefined || session.usedAt < oldest.usedAt)) oldest = session;
    if (oldest === undefined) return false;
    await end(oldest);
    return true;
  };

  const attach = async (id: string, seed: SessionSeed, caller: Caller): Promise<Session> => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      onsessionclosed: () => closedSessions.add(id),
    });
    const server: Server = buildServer(caller);
    server.onerror = (error) => log.debug('protocol error on a session', { error: error.message });
    await server.connect(transport);
    const session: Session = {
      id,
      principal: seed.principal,
      allowsBatches: negotiated(seed.protocolVersion) < '2025-06-18',
      transport,
      active: 0,
      ids: new Set(),
      usedAt: performance.now(),
    };
    const protocolClosed = transport.onclose;
    transport.onclose = () => {
      sessions.delete(id);
      protocolClosed?.();
    };
    sessions.set(id, session);
    return session;
  };

  const reopen = async (id: string, caller: Caller): Promise<Session | undefined> => {
    const seed = sealer.open(id);
    if (seed === undefined || seed.principal !== caller.principal.name || closedSessions.has(id))
      return undefined;
    if (!(await makeRoom())) return undefined;
    const session = await attach(id, seed, caller);
    const initialize = {
      protocolVersion: seed.protocolVersion,
      capabilities: seed.capabilities,
      clientInfo: seed.clientInfo,
    };
    const answer = await session.transport.handleRequest(
      replay({ id: 0, method: 'initialize', params: initialize }, undefined),
    );
    await answer.text();
    await session.transport.handleRequest(replay({ method: 'notifications/initialized' }, id));
    return session;
  };

  const find = async (id: string, caller: Caller): Promise<Session | undefined> => {
    const open = sessions.get(id);
    // SECURITY: a session belongs to the principal that opened it; for others it does not exist.
    if (open !== undefined) return open.principal === caller.principal.name ? open : undefined;
    const pending = reopening.get(id) ?? reopen(id, caller).finally(() => reopening.delete(id));
    reopening.set(id, pending);
    const session = await pending;
    return session?.principal === caller.principal.name ? session : undefined;
  };

  const serve = async (session: Session, { request, body, authInfo, finished }: SessionRequest) => {
    const ids = requestIds(body);
    if (ids.some((id) => session.ids.has(id)) || new Set(ids).size < ids.length)
      return refusal(400, -32600, 'A request with this id is under way on the session');
    for (const id of ids) session.ids.add(id);
    session.active++;
    void finished.then(() => {
      for (const id of ids) session.ids.delete(id);
      session.active--;
      session.usedAt = performance.now();
    });
    return await session.transport.handleRequest(request, {
      authInfo,
      ...(body === undefined ? {} : { parsedBody: body }),
    });
  };

  const begin = async (incoming: SessionRequest): Promise<Response> => {
    const { body, caller } = incoming;
    if (!isInitializeRequest(body))
      return refusal(400, -32000, 'The Mcp-Session-Id header is required; begin with an initialize request');
    if (!(await makeRoom()))
      return refusal(503, -32000, 'Too many sessions are in use; try again in a moment', {
        'retry-after': '5',
      });
    const { protocolVersion, capabilities, clientInfo } = body.params;
    const seed: SessionSeed = {
      principal: caller.principal.name,
      protocolVersion,
      capabilities: capabilities as Record<string, unknown>,
      clientInfo,
    };
    const session = await attach(sealer.seal(seed), seed, caller);
    const response = await serve(session, incoming);
    if (!response.ok) await end(session);
    return response;
  };

  return {
    async handle(incoming) {
      const { request, body, caller } = incoming;
      const id = request.headers.get('mcp-session-id');
      if (id === null) return await begin(incoming);
      if (!/^[\x21-\x7e]+$/.test(id))
        return refusal(400, -32000, 'The Mcp-Session-Id header must be visible ASCII');
      const session = await find(id, caller);
      if (session === undefined) return refusal(404, -32001, 'Session not found');
      if (Array.isArray(body) && !session.allowsBatches)
        return refusal(400, -32600, 'Batches are not part of this protocol version');
      return await serve(session, incoming);
    },
    get count() {
      return sessions.size;
    },
    async close() {
      clearInterval(sweeper);
      await Promise.all([...sessions.values()].map(end));
    },
  };
}

function requestIds(body: unknown): (string | number)[] {
  const messages: unknown[] = Array.isArray(body) ? body : [body];
  return messages.flatMap((message) => (isJSONRPCRequest(message) ? [message.id] : []));
}

/** The version that a server answers to a client that asked for this one. */
function negotiated(requested: string): string {
  return SUPPORTED_PROTOCOL_VERSIONS.includes(requested) ? requested : LATEST_PROTOCOL_VERSION;
}

function replay(message: object, sessionId: string | undefined): Request {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
  };
  return new Request(reopenUrl, {
    method: 'POST',
    headers,
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
  });
}

function refusal(
  status: number,
  code: number,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status, headers });
}
