/** One endpoint for both protocol eras: 2026-07-28 without sessions, the revisions of 2025 within them. */
import {
  type AuthInfo,
  createMcpHandler,
  isJsonContentType,
  isLegacyRequest,
  readRequestBody,
} from '@modelcontextprotocol/server';
import type { Log } from '../observe/log.ts';
import type { Caller, ServerBuilder } from './server.ts';
import type { Sessions } from './sessions.ts';

export interface Endpoint {
  /** `finished` settles when the response has been sent or given up. */
  fetch(request: Request, caller: Caller, finished: Promise<void>): Promise<Response>;
  close(): Promise<void>;
}

/** Bytes of a request body; a command with its standard input is the largest. */
export const maxBodyBytes = 4 * 1024 * 1024;

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

  return {
    async fetch(request, caller, finished) {
      const authInfo = authInfoOf(caller);
      const read = await readBody(request);
      if (read.kind === 'refused') return read.response;
      const parsed = read.body === undefined ? {} : { parsedBody: read.body };
      if (!(await isLegacyRequest(request, read.body)))
        return await modern.fetch(request, { authInfo, ...parsed });
      return await sessions.handle({ request, body: read.body, caller, authInfo, finished });
    },
    async close() {
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

type ReadBody =
  | { readonly kind: 'read'; readonly body: unknown }
  | { readonly kind: 'refused'; readonly response: Response };

/** Reads and parses a POST once, for both eras. */
async function readBody(request: Request): Promise<ReadBody> {
  if (request.method !== 'POST') return { kind: 'read', body: undefined };
  if (!isJsonContentType(request.headers.get('content-type')))
    return refused(415, -32000, 'The content type must be application/json');
  const body = await readRequestBody(request, maxBodyBytes);
  if (body.tooLarge) return refused(413, -32000, `The body must be at most ${maxBodyBytes} bytes`);
  try {
    return { kind: 'read', body: JSON.parse(body.text) };
  } catch {
    return refused(400, -32700, 'The body is not valid JSON');
  }
}

function refused(status: number, code: number, message: string): ReadBody {
  return {
    kind: 'refused',
    response: Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status }),
  };
}
