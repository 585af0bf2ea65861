/** From how an exchange ended to its answer or the error of the table: what is known of the effect decides. */
import { failure, type GatewayError } from '../base/errors.ts';
import type { Outcome, Reply } from './exchange.ts';
import type { Why } from './limit.ts';
import { notReachedStatus, reasonOf, refusalOf, unanswered, unansweredProblem } from './replies.ts';

export interface Circumstances {
  readonly host: string;
  /** Whether nothing can have been changed, whatever happened. */
  readonly reading: boolean;
  readonly action: string;
  /** Whether the work would have been a task's, so that a refusal has changed nothing. */
  readonly startsTask: boolean;
  readonly timeoutMs: number;
  readonly outgoing: { readonly maxBytes: number };
  readonly why: () => Why;
}

/** The answer itself, or the error that it is. */
export function resultOf(outcome: Outcome, circumstances: Circumstances): Reply | GatewayError {
  const { host, reading, outgoing } = circumstances;
  switch (outcome.kind) {
    case 'reply':
      return outcome.status === 200 ? outcome : refused(outcome, circumstances);
    case 'not connected': {
      const { problem, untrusted, seen } = outcome.error;
      const options = { cause: outcome.error };
      if (!untrusted) return failure('API_UNREACHABLE', { host, problem }, options);
      return failure('API_TLS_REFUSED', { host, problem, ...(seen === undefined ? {} : { seen }) }, options);
    }
    case 'stopped':
      return outcome.sent ? stopped(circumstances) : notSent(circumstances);
    case 'too large':
      return reading
        ? failure('API_ANSWER_TOO_LARGE', { maxBytes: outgoing.maxBytes })
        : unknown(circumstances, `it was larger than the ${outgoing.maxBytes} bytes that are read`);
    case 'lost':
      return unknown(circumstances, outcome.problem);
  }
}

/** For a call that has waited for its turn in vain. */
export function notGranted(why: Why): GatewayError {
  switch (why) {
    case 'cancelled':
      return failure('CANCELLED_EARLY', {});
    case 'closing':
      return failure('SHUTTING_DOWN', {});
    case 'too slow':
      return failure('BUSY', { what: 'calls of the REST API of Proxmox VE', retryInS: 10 });
  }
}

/** For an answer that has no meaning here: who gave it may have acted. */
export function notUnderstood(
  { reading, action }: Pick<Circumstances, 'reading' | 'action'>,
  cause?: unknown,
): GatewayError {
  return reading
    ? failure('UNEXPECTED_ANSWER', { from: "Proxmox VE's REST API" }, { cause })
    : failure('API_OUTCOME_UNKNOWN', { action, problem: 'it cannot be understood' }, { cause });
}

function notSent({ why, host }: Circumstances): GatewayError {
  const reason = why();
  if (reason !== 'too slow') return notGranted(reason);
  return failure('API_UNREACHABLE', { host, problem: 'it did not answer in time' });
}

function stopped(circumstances: Circumstances): GatewayError {
  const { reading, timeoutMs, why } = circumstances;
  const reason = why();
  if (reason === 'too slow') return unknown(circumstances, `it took longer than ${timeoutMs / 1000} s`);
  if (reading) return notGranted(reason);
  return unknown(circumstances, reason === 'cancelled' ? 'the call was cancelled' : 'the gateway shuts down');
}

function refused(reply: Reply, circumstances: Circumstances): GatewayError {
  const { host, reading } = circumstances;
  if (reply.status === 401)
    return failure('API_AUTH_FAILED', { host, problem: 'its API token was not accepted' });
  if (reply.status < 400) return notUnderstood(circumstances);
  if (!unanswered(reply)) return refusalOf(reply, circumstances);
  const problem = unansweredProblem(reply);
  const evidence = reasonOf(reply);
  if (!reading && reply.status === notReachedStatus)
    return failure('API_UNREACHABLE', { host, problem }, { evidence });
  return unknown(circumstances, problem, evidence);
}

/** What only read has changed nothing; of anything else it is not known. */
function unknown(
  { host, reading, action }: Circumstances,
  problem: string,
  evidence: { stderr?: string } = {},
): GatewayError {
  return reading
    ? failure('API_NO_ANSWER', { host, problem }, { evidence })
    : failure('API_OUTCOME_UNKNOWN', { action, problem }, { evidence });
}
