/** What a direct transfer is answered with when it does not send a file. */
import type { Request, Response } from 'express';
import type { GatewayError } from '../base/errors.ts';
import { errorFacts } from '../mcp/result.ts';
import { hasBody } from './arrival.ts';

export interface TransferAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** For a refused client that goes on sending. */
const lingerMs = 2_000;
const pacedMs = 8;

const maxEvidenceChars = 8_000;

const newUrl = 'Call the tool again with transfer: "url" for a new URL.';

/** A refusal that leaves the URL as usable as it was. */
export function refusal(
  status: number,
  code: string,
  error: string,
  headers: Readonly<Record<string, string>> = {},
): TransferAnswer {
  const body = { error, success: false, code, outcome: 'not_started', retryable: false, suggestion: newUrl };
  return { status, body, headers };
}

/** A call that failed. The URL is used up all the same. */
export function failed(error: GatewayError, status = statuses[error.code] ?? 500): TransferAnswer {
  return {
    status,
    body: {
      ...errorFacts(error, maxEvidenceChars),
      suggestion: `${error.advice} This URL is used up. ${newUrl}`,
    },
  };
}

const statuses: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  CHECKSUM_MISMATCH: 400,
  SIZE_MISMATCH: 400,
  PERMISSION_DENIED: 403,
  CONTAINER_NOT_FOUND: 404,
  FILE_NOT_FOUND: 404,
  NOT_A_CONTAINER: 409,
  CONTAINER_ELSEWHERE: 409,
  CONTAINER_NOT_RUNNING: 409,
  CONTAINER_LOCKED: 409,
  CONTAINER_IS_TEMPLATE: 409,
  DIRECTORY_NOT_FOUND: 409,
  IS_DIRECTORY: 409,
  FILE_EXISTS: 409,
  FILE_CHANGED: 409,
  NOT_READABLE: 409,
  NOT_WRITABLE: 409,
  TOO_LARGE: 413,
  TOO_LARGE_INLINE: 413,
  BUSY: 429,
  COMMAND_NOT_STARTED: 502,
  LOOK_FAILED: 502,
  ACTION_FAILED: 502,
  UNEXPECTED_ANSWER: 502,
  HOST_UNREACHABLE: 502,
  HOST_KEY_REFUSED: 502,
  SSH_AUTH_FAILED: 502,
  SHELL_UNSUPPORTED: 502,
  CONNECTION_LOST: 502,
  TRANSFER_INTERRUPTED: 502,
  TRANSFER_UNCERTAIN: 502,
  TRANSFER_UNPROVEN: 502,
  AUDIT_UNAVAILABLE: 503,
  SHUTTING_DOWN: 503,
  CANCELLED: 503,
  CANCELLED_EARLY: 503,
  TRANSFER_CANCELLED: 503,
  COMMAND_TIMEOUT: 504,
  TRANSFER_TIMEOUT: 504,
  NO_SPACE: 507,
};

/**
 * Answers, also a client that is still sending: its connection is closed behind the answer, but not at once,
 * because what it sends meanwhile would make the system throw the answer away.
 */
export function conclude(
  request: Request,
  response: Response,
  { status, body, headers }: TransferAnswer,
): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  response.status(status).set({ 'cache-control': 'no-store', ...headers });
  if (!hasBody(request) || request.complete) {
    request.resume();
    return void response.json(body);
  }
  const bytes = Buffer.from(JSON.stringify(body));
  // Behind an answer that is still under way on the same connection.
  if (response.socket === null) return void response.set('connection', 'close').end(bytes);
  const { socket } = request;
  response.set({ connection: 'close', 'content-type': 'application/json' });
  response.set('content-length', String(bytes.length));
  response.on('error', () => {});
  // Ended by Node, it would be destroyed at once; this way only our side of it ends.
  response.flushHeaders();
  response.write(bytes, () => socket.end());
  const leave = () => void socket.destroy();
  const timer = setTimeout(leave, lingerMs);
  request.on('error', () => {});
  let pacer: NodeJS.Timeout | undefined;
  request.on('data', () => {
    // A proxy that never has to wait with its sending does not look for an answer.
    request.pause();
    pacer = setTimeout(() => request.resume(), pacedMs);
  });
  request.once('end', leave);
  request.once('close', () => {
    clearTimeout(timer);
    clearTimeout(pacer);
  });
  request.resume();
}
