/** Direct transfers: one request with a ticket is one call of the tool that the ticket names. */
import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import { failure } from '../base/errors.ts';
import type { Answer, Call } from '../mcp/call.ts';
import type { Gate } from '../mcp/gate.ts';
import type { OpenedTicket, Tickets } from '../mcp/tickets.ts';
import { describeError, type Log } from '../observe/log.ts';
import type { UsedTickets } from '../state/used-tickets.ts';
import type { Arrival } from './arrival.ts';
import type { Authenticated, Authenticator } from './auth.ts';
import { createDownload } from './download.ts';
import type { OnRefused } from './guards.ts';
import { conclude, failed, refusal, type TransferAnswer } from './transfer-answers.ts';
import { createUpload } from './upload.ts';

export interface TransferParts {
  readonly tickets: Tickets;
  readonly used: UsedTickets;
  readonly gate: Gate;
  readonly authenticator: Authenticator;
  /** Lets go of uploads, which are bounded here. */
  readonly arrival: Arrival;
  readonly onRefused: OnRefused;
  readonly log: Log;
  /** How long a client may send, or take, nothing. */
  readonly stallMs?: number | undefined;
}

const usualSendStallMs = 30_000;
/** Longer, for a system that takes bytes for a slow reader does so in large steps. */
const usualTakeStallMs = 120_000;

interface Admitted {
  readonly ticket: OpenedTicket;
  readonly holder: Authenticated;
}

/** Handles what is mounted at a path with the parameter `ticket`. Never lets a ticket into the log. */
export function createTransfers(parts: TransferParts): RequestHandler {
  return async (request, response) => {
    const admitted = admit(request, parts);
    if ('status' in admitted) return conclude(request, response, admitted);
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    // SECURITY: who loses the last token loses what is under way too.
    const endWatch = admitted.holder.whileValid(() => response.destroy());
    try {
      const carryOut = admitted.ticket.method === 'PUT' ? upload : download;
      await carryOut({ request, response, ...admitted, signal: gone.signal, parts });
    } catch (error) {
      const requestId = randomUUID();
      parts.log.error('a direct transfer failed', { request: requestId, error: describeError(error) });
      conclude(request, response, failed(failure('INTERNAL', { requestId })));
    } finally {
      endWatch();
    }
  };
}

/** Nothing is used up before all of it is in order. */
function admit(request: Request, parts: TransferParts): Admitted | TransferAnswer {
  const { tickets, used, onRefused } = parts;
  const ticket = tickets.open(String(request.params.ticket));
  if (ticket === undefined) {
    onRefused('auth');
    return refusal(404, 'URL_UNKNOWN', 'This is no URL of a transfer.');
  }
  if (Date.now() >= ticket.expiresAt) return refusal(410, 'URL_EXPIRED', 'This URL has expired.');
  const misuse = misused(request, ticket);
  if (misuse !== undefined) return misuse;
  const holder = holderOf(request, ticket, parts);
  if ('status' in holder) {
    onRefused('auth');
    return holder;
  }
  const unfit = ticket.method === 'PUT' ? unfitBody(request, ticket) : undefined;
  if (unfit !== undefined) return unfit;
  if (used.take(ticket)) return { ticket, holder };
  return refusal(
    410,
    'URL_USED',
    'This URL was used already, or the gateway has been restarted since, or too many were used in a short time.',
  );
}

function misused({ method, headers }: Request, ticket: OpenedTicket): TransferAnswer | undefined {
  if (method !== ticket.method)
    return refusal(405, 'METHOD_NOT_ALLOWED', `This URL is for ${ticket.method} alone.`, {
      allow: ticket.method,
    });
  for (const name of ['range', 'content-range', 'if-range'])
    if (headers[name] !== undefined)
      return refusal(
        400,
        'RANGES_NOT_SERVED',
        'Ranges are not served and nothing is resumed: transfer the file as a whole, or ask for a new URL.',
      );
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return undefined;
  return refusal(415, 'ENCODING_NOT_SERVED', 'The file must be sent as it is, without a content encoding.');
}

function holderOf(
  { headers: { authorization } }: Request,
  { principal }: OpenedTicket,
  { authenticator }: TransferParts,
): Authenticated | TransferAnswer {
  const holder =
    authorization === undefined ? authenticator.find(principal) : authenticator.authenticate(authorization);
  if (holder?.principal.name === principal) return holder;
  if (authorization === undefined)
    return refusal(403, 'NOT_ALLOWED', 'The principal that asked for this URL has no access any more.');
  if (holder !== undefined) return refusal(403, 'NOT_ALLOWED', 'This URL was made for another principal.');
  return refusal(401, 'UNAUTHORIZED', 'The token is not valid. The URL needs none: leave it out.', {
    'www-authenticate': 'Bearer realm="proxmox-mcp-gateway"',
  });
}

function unfitBody({ headers }: Request, { maxBytes }: OpenedTicket): TransferAnswer | undefined {
  const length = headers['content-length'];
  // A request without a body is more likely a slip than an empty file.
  if (length === undefined && headers['transfer-encoding'] === undefined)
    return refusal(411, 'LENGTH_REQUIRED', 'Send the file as the body of the request.');
  if (Number(length ?? 0) <= maxBytes) return undefined;
  return refusal(413, 'TOO_LARGE', `The file must have at most ${maxBytes} bytes.`);
}

interface Carrying extends Admitted {
  readonly request: Request;
  readonly response: Response;
  readonly signal: AbortSignal;
  readonly parts: TransferParts;
}

async function upload(carrying: Carrying): Promise<void> {
  const { request, response, ticket, parts } = carrying;
  const { stallMs = usualSendStallMs } = parts;
  parts.arrival.release(request);
  const arriving = createUpload({ request, response, maxBytes: ticket.maxBytes, stallMs });
  try {
    const answer = await call(carrying, { kind: 'source', source: arriving.source });
    arriving.stop();
    conclude(
      request,
      response,
      answer.kind === 'ok' ? { status: 201, body: answer.data } : failed(answer.error, arriving.fault),
    );
  } finally {
    arriving.stop();
  }
}

async function download(carrying: Carrying): Promise<void> {
  const { request, response, ticket, parts } = carrying;
  const { container_path, host_path } = ticket.args;
  const path = String(container_path ?? host_path ?? '');
  const leaving = createDownload({ response, path, stallMs: parts.stallMs ?? usualTakeStallMs });
  const answer = await call(carrying, { kind: 'sink', sink: leaving.sink });
  if (answer.kind === 'error') return conclude(request, response, failed(answer.error));
  if (!leaving.ended) throw new Error(`${ticket.tool} said that it is done and has not ended the file`);
}

function call(
  { request, ticket, holder, signal, parts }: Carrying,
  transfer: NonNullable<Call['transfer']>,
): Promise<Answer> {
  const { tool, args } = ticket;
  return parts.gate.call({ tool, args, principal: holder.principal, client: request.ip, signal, transfer });
}
