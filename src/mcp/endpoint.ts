/** One endpoint for both protocol eras: 2026-07-28 without sessions, the revisions of 2025 within them. */
import { setTimeout as pause } from 'node:timers/promises';
import {
  type AuthInfo,
  createMcpHandler,
  isInitializeRequest,
  isJsonContentType,
  isLegacyRequest,
} from '@modelcontextprotocol/server';
import type { Log } from '../observe/log.ts';
import type { Caller } from './call.ts';
import type { ServerBuilder } from './server.ts';
import type { Sessions } from './sessions.ts';

export interface EndpointRequest {
  /** Without its body. */
  readonly request: Request;
  /** The body of a POST. */
  readonly text: string | undefined;
  readonly caller: Caller;
  /** Settles when the response has been sent or given up. */
  readonly finished: Promise<void>;
}

export interface Endpoint {
  fetch(input: EndpointRequest): Promise<Response>;
  close(): Promise<void>;
}

/** Bytes of a request body; a command with its standard input is the largest. */
export const maxBodyBytes = 4 * 1024 * 1024;

/** Characters of a message that opens a session: what it says of the client is kept for as long as the session is. */
const maxInitializeChars = 64 * 1024;

/** How long answers that are there may take to leave when the endpoint closes. */
const leaveWithinMs = 1_000;

/** Arrays and objects within each other: what works its way down recursively fails on some thousands. */
const maxDepth = 64;

export function createEndpoint(input: {
  buildServer: ServerBuilder;
  sessions: Sessions;
  log: Log;
}): Endpoint {
  const { buildServer, sessions, log } = input;
  const modern = createMcpHandler(({ authInfo }) => buildServer(callerIn(authInfo)), {
    legacy: 'reject',
    maxRequestBodySize: maxBodyBytes,
    onerror: (error) => log.debug('protocol error', { error: error.message }),
  });
  const answering = new Set<Promise<void>>();

  return {
    async fetch({ request, text, caller, finished }) {
      if (request.method === 'POST') {
        answering.add(finished);
        void finished.then(() => answering.delete(finished));
      }
      const authInfo = authInfoOf(caller);
      const parsed = parseBody(request, text);
      if (parsed.kind === 'refused') return parsed.response;
      const { body } = parsed;
      if (!(await isLegacyRequest(request, body)))
        return await modern.fetch(request, { authInfo, ...(body !== undefined && { parsedBody: body }) });
      if (isInitializeRequest(body) && (text ?? '').length > maxInitializeChars)
        return refusal(413, -32600, `An initialize request must be at most ${maxInitializeChars} characters`);
      return await sessions.handle({ request, body, caller, authInfo, finished });
    },
    async close() {
      // A call that has just been ended is not answered yet, and closing would cut its answer off.
      await Promise.race([Promise.all(answering), pause(leaveWithinMs, undefined, { ref: false })]);
      await Promise.all([modern.close(), sessions.close()]);
    },
  };
}

/** SECURITY: what handlers see of the caller; the token itself stops at the door. */
function authInfoOf(caller: Caller): AuthInfo {
  return { token: '', clientId: caller.principal.name, scopes: [], extra: { client: caller.client } };
}

function callerIn(authInfo: AuthInfo | undefined): Caller {
  if (authInfo === undefined) throw new Error('a request reached the server without a principal');
  const client = authInfo.extra?.client;
  return {
    principal: { name: authInfo.clientId },
    client: typeof client === 'string' ? client : undefined,
  };
}

type ParsedBody =
  | { readonly kind: 'parsed'; readonly body: unknown }
  | { readonly kind: 'refused'; readonly response: Response };

/** Parses a POST once, for both eras. */
function parseBody(request: Request, text: string | undefined): ParsedBody {
  if (request.method !== 'POST') return { kind: 'parsed', body: undefined };
  if (!isJsonContentType(request.headers.get('content-type')))
    return refused(415, -32000, 'The content type must be application/json');
  if (nestsTooDeep(text ?? ''))
    return refused(400, -32600, `The body is nested deeper than ${maxDepth} levels`);
  try {
    return { kind: 'parsed', body: JSON.parse(text ?? '') };
  } catch {
    return refused(400, -32700, 'The body is not valid JSON');
  }
}

/** Looks at the text, so that nothing deep is ever built. By character codes, for a body may have millions. */
function nestsTooDeep(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) quoted = !quoted;
    else if (quoted) at += code === backslash ? 1 : 0;
    else if (code === bracket || code === brace) depth++;
    else if (code === bracket + 2 || code === brace + 2) depth--;
    if (depth > maxDepth) return true;
  }
  return false;
}

const [quote, backslash, bracket, brace] = [0x22, 0x5c, 0x5b, 0x7b];

function refused(status: number, code: number, message: string): ParsedBody {
  return { kind: 'refused', response: refusal(status, code, message) };
}

function refusal(status: number, code: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status });
}
