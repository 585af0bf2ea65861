/** When a request of a client is to be given up. */
import type { ServerContext } from '@modelcontextprotocol/server';

/**
 * Aborts when the client cancels and when it is gone: on a session of 2025 the protocol layer does not
 * notice the latter, and nobody could receive the answer.
 */
export function callSignal({ mcpReq, http }: ServerContext): AbortSignal {
  const gone = http?.req?.signal;
  return gone === undefined ? mcpReq.signal : AbortSignal.any([mcpReq.signal, gone]);
}
