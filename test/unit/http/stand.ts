/** A listener with direct transfers behind a gate that does what the test says, and bare connections to it. */
import { createHash, randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { failure, GatewayError } from '../../../src/base/errors.ts';
import { createApp } from '../../../src/http/app.ts';
import { type Authenticator, bearerTokens } from '../../../src/http/auth.ts';
import { listen } from '../../../src/http/listen.ts';
import type { Answer, Call } from '../../../src/mcp/call.ts';
import type { Gate } from '../../../src/mcp/gate.ts';
import { createTickets, type TicketClaim } from '../../../src/mcp/tickets.ts';
import { createLog } from '../../../src/observe/log.ts';
import type { Sink, Source } from '../../../src/ops/files/ends.ts';
import { createUsedTickets } from '../../../src/state/used-tickets.ts';
import { otherToken, token } from '../../gateway/harness.ts';
import { bodyOf, head, statusesOf } from '../../gateway/raw-http.ts';

export type Work = (call: Call) => Promise<Record<string, unknown>>;

export interface Stand {
  readonly port: number;
  /** In the order of their calls. */
  readonly calls: readonly Call[];
  readonly answers: readonly Answer[];
  readonly log: readonly string[];
  readonly refusals: readonly string[];
  readonly authenticator: Authenticator;
  /** A path with a new ticket. */
  issue(claim?: Partial<TicketClaim>): string;
  close(): Promise<void>;
}

const claimed: TicketClaim = {
  tool: 'proxmox_upload_file_to_container',
  args: { vmid: 100, container_path: '/srv/dump.sql' },
  principal: 'alice',
  method: 'PUT',
  maxBytes: 32 * 1024 * 1024,
};

export const tokens = `alice:${token}\nbob:${otherToken}`;

export async function startStand(
  t: TestContext,
  options: {
    work?: Work;
    key?: Buffer;
    ttlMs?: number;
    stallMs?: number;
    arrivalMs?: number;
    since?: number;
    authenticator?: Authenticator;
  } = {},
): Promise<Stand> {
  const { work = readAll, key = randomBytes(32), ttlMs = 60_000, since = 0 } = options;
  const tickets = createTickets({ key, ttlMs });
  const log: string[] = [];
  const refusals: string[] = [];
  const { gate, calls, answers } = pretendGate(work);
  const authenticator = options.authenticator ?? bearerTokens({ text: tokens, onInvalid: () => {} });
  const app = createApp({
    endpoint: { fetch: async () => Response.json({ served: true }), close: async () => {} },
    authenticator,
    vitals: { ssh: () => ({ connected: true }), api: () => undefined, troubles: async () => [] },
    allowedHosts: [],
    allowedOrigins: [],
    trustedProxies: [],
    onRefused: (reason) => void refusals.push(reason),
    log: createLog({ level: 'debug', write: (line) => void log.push(line) }),
    transfers: { tickets, used: createUsedTickets({ max: 1000, since }), gate, stallMs: options.stallMs },
    arrivalMs: options.arrivalMs,
  });
  const listener = await listen({ host: '127.0.0.1', port: 0, maxConnections: 100, handler: app });
  const close = async () => {
    authenticator.close();
    await listener.close(0);
  };
  t.after(close);
  return {
    port: listener.port,
    calls,
    answers,
    log,
    refusals,
    authenticator,
    issue: (claim) => `/transfers/${tickets.issue({ ...claimed, ...claim }).token}`,
    close,
  };
}

/** As the gate does: one answer a call, and what was not foreseen says nothing. */
function pretendGate(work: Work): { gate: Gate; calls: Call[]; answers: Answer[] } {
  const calls: Call[] = [];
  const answers: Answer[] = [];
  const gate: Gate = {
    offered: () => [],
    draining: false,
    drain: async () => {},
    kindOf: async () => undefined,
    callFor: () => {
      throw new Error('nobody is asked here');
    },
    async call(call) {
      calls.push(call);
      const answer = await work(call).then(
        (data): Answer => ({ kind: 'ok', text: '', data, attachments: [] }),
        (error: unknown): Answer => ({
          kind: 'error',
          error: error instanceof GatewayError ? error : failure('INTERNAL', { requestId: 'r' }),
        }),
      );
      answers.push(answer);
      return answer;
    },
  };
  return { gate, calls, answers };
}

export function sourceOf({ transfer }: Call): Source {
  if (transfer?.kind !== 'source') throw new Error('the call has no source');
  return transfer.source;
}

export function sinkOf({ transfer }: Call): Sink {
  if (transfer?.kind !== 'sink') throw new Error('the call has no sink');
  return transfer.sink;
}

/** Takes a whole upload and says what came. */
export async function readAll(call: Call): Promise<Record<string, unknown>> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of sourceOf(call).chunks) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { success: true, size: sourceOf(call).size ?? null, bytes, sha256: hash.digest('hex') };
}

/** Gives a file out in chunks of `chunkBytes`. */
export function giveOut(content: Buffer, chunkBytes = 50_000): Work {
  return async (call) => {
    const sink = sinkOf(call);
    await sink.begin({ size: content.length, sha256: sha256(content) });
    for (let at = 0; at < content.length; at += chunkBytes)
      await sink.write(content.subarray(at, at + chunkBytes));
    await sink.end(AbortSignal.any([]));
    return { success: true };
  };
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The head of a request to a transfer URL, without the bearer that others need. */
export function transferHead(
  method: string,
  path: string,
  headers: Readonly<Record<string, string | undefined>> = {},
): string {
  const bare = { Authorization: undefined, 'Content-Type': undefined, Accept: undefined };
  return head(`${method} ${path} HTTP/1.1`, { ...bare, ...headers });
}

/** The last answer on a connection: its status, its head, and its JSON. */
export function lastAnswer(received: string): {
  status: number | undefined;
  head: string;
  json: Record<string, unknown>;
} {
  const from = received.lastIndexOf('HTTP/1.1 ');
  const answer = received.slice(from);
  const at = answer.indexOf('\r\n\r\n');
  const body = bodyOf(answer);
  return {
    status: statusesOf(answer)[0],
    head: answer.slice(0, at),
    json: body === '' ? {} : JSON.parse(body),
  };
}
