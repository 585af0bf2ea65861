/**
 * A client of either era that does nothing but HTTP and JSON, so that what is measured is the gateway: the
 * SDK's clients, with which the tests drive it, take one to two milliseconds of their own for a call.
 */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { token } from './gateway.ts';
import type { Way } from './measure.ts';

export type Era = '2026-07-28' | '2025-11-25';

export interface ToolClient {
  /** Whether the tool reported success. Throws where there was no answer; aborting closes the connection. */
  run(tool: string, args: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<boolean>;
  /** The data of a result. Throws where the tool reports an error. */
  data(tool: string, args: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>;
  /** Ends the session, where there is one, and the connections. */
  close(): Promise<void>;
}

export async function openClient(url: URL, era: Era): Promise<ToolClient> {
  const agent = new Agent({ keepAlive: true });
  const session = era === '2025-11-25' ? await openSession(agent, url) : undefined;
  let id = 0;
  const call = async (name: string, args: Readonly<Record<string, unknown>>, signal?: AbortSignal) => {
    const method = 'tools/call';
    const params = session === undefined ? { name, arguments: args, _meta: meta } : { name, arguments: args };
    const headers =
      session === undefined ? { ...modernHeaders(method), 'mcp-name': name } : legacyHeaders(session);
    const message = { jsonrpc: '2.0', id: ++id, method, params };
    const { result } = (await post({ agent, url, headers, message, signal })).message;
    if (result === undefined) throw new Error('the gateway answered with a protocol error');
    return result;
  };
  return {
    run: async (name, args, signal) => (await call(name, args, signal)).isError !== true,
    async data(name, args) {
      const { isError, structuredContent = {}, content } = await call(name, args);
      if (isError === true) throw new Error(`${name} reported an error: ${JSON.stringify(content)}`);
      return structuredContent;
    },
    async close() {
      if (session !== undefined)
        await exchange({ agent, url, method: 'DELETE', headers: legacyHeaders(session) });
      agent.destroy();
    },
  };
}

/** Throws where the tool reports an error. */
export function toolCall(client: ToolClient, tool: string, args: Readonly<Record<string, unknown>>): Way {
  return async () => {
    if (!(await client.run(tool, args))) throw new Error(`${tool} reported an error`);
  };
}

/** Bytes of the answer to tools/list, which every user's context pays for. */
export async function surfaceBytes(url: URL): Promise<number> {
  const agent = new Agent();
  const method = 'tools/list';
  const message = { jsonrpc: '2.0', id: 1, method, params: { _meta: meta } };
  return (await post({ agent, url, headers: modernHeaders(method), message })).bytes;
}

/** A session of 2025, ready for calls; gives back its id. */
export async function openSession(agent: Agent, url: URL): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const initialize = { jsonrpc: '2.0', id: 0, method: 'initialize', params };
  const session = (await post({ agent, url, headers: {}, message: initialize })).headers['mcp-session-id'];
  if (typeof session !== 'string') throw new Error('the gateway opened no session');
  const body = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
  await exchange({ agent, url, method: 'POST', headers: legacyHeaders(session), body });
  return session;
}

const clientInfo = { name: 'bench', version: '1' };
const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': clientInfo,
  'io.modelcontextprotocol/clientCapabilities': {},
};

function modernHeaders(method: string) {
  return { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method };
}

function legacyHeaders(session: string) {
  return { 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': session };
}

interface Sent {
  readonly agent: Agent;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly bytes: number;
  readonly message: { readonly result?: ToolResult };
}

interface ToolResult {
  readonly isError?: boolean;
  readonly structuredContent?: Readonly<Record<string, unknown>>;
  readonly content?: unknown;
}

async function post({ message, ...sent }: Sent & { message: object }): Promise<Answer> {
  const { headers, text } = await exchange({ ...sent, method: 'POST', body: JSON.stringify(message) });
  // The answer is the last event, where it is a stream.
  const json = text.startsWith('{')
    ? text
    : (text
        .match(/^data: (.*)$/gm)
        ?.at(-1)
        ?.slice(6) ?? '');
  return { headers, bytes: Buffer.byteLength(text), message: JSON.parse(json) as Answer['message'] };
}

async function exchange(sent: Sent & { method: string; body?: string }) {
  const { agent, url, method, body = '', signal } = sent;
  return await new Promise<{ headers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...sent.headers,
    };
    const outgoing = request(url, { agent, method, headers, ...(signal && { signal }) }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      incoming.once('error', reject).once('end', () => {
        const { statusCode = 0 } = incoming;
        if (statusCode >= 300) reject(new Error(`the gateway answered ${statusCode}: ${text.slice(0, 200)}`));
        else resolve({ headers: incoming.headers, text });
      });
    });
    outgoing.once('error', reject).end(body);
  });
}
