/** How long a host that could not be reached is left alone, and what callers are told meanwhile. */
import { failure, type GatewayError } from '../base/errors.ts';
import type { SshTarget } from './connect.ts';

/** In the time of performance.now(). */
export interface Hold {
  readonly error: GatewayError;
  /** No call connects before. */
  readonly until: number;
  /** When the gateway tries by itself. */
  readonly retryAt: number;
}

/** First wait after a failed connect, doubled each time up to the most. */
const backoffMs = 500;
const backoffMaxMs = 10_000;
/** sshd ends handshakes when too many are open or the address is penalised: give it time. */
const droppedBackoffMs = 60_000;
const patientDrops = 8;
/** SECURITY: OpenSSH 9.8+ bans an address that fails to authenticate again and again. */
const refusedHoldMs = 60_000;
const refusedRetryMaxMs = 15 * 60_000;

/**
 * `failures` and `drops` are consecutive. A host that is down is asked often, one that sheds load rarely, and
 * one that refused the login more and more rarely; a host key can be looked at without one.
 */
export function holdAfter(error: GatewayError, failures: number, drops: number): Hold {
  const now = performance.now();
  if (error.retryable) {
    const most = drops > patientDrops ? droppedBackoffMs : backoffMaxMs;
    const full = Math.min(most, backoffMs * 2 ** Math.min(failures, 10));
    const until = now + full / 2 + (Math.random() * full) / 2;
    return { error, until, retryAt: until };
  }
  const doublings = error.code === 'HOST_KEY_REFUSED' ? 0 : Math.min(failures - 1, 10);
  const retryMs = Math.min(refusedRetryMaxMs, refusedHoldMs * 2 ** doublings);
  return { error, until: now + refusedHoldMs, retryAt: now + retryMs };
}

/** The error that put the pool on hold, told again with how long the hold still lasts. */
export function withRetry(error: GatewayError, target: SshTarget, retryInS: number): GatewayError {
  const { host, username } = target;
  const options = { cause: error };
  switch (error.code) {
    case 'SSH_AUTH_FAILED':
      return failure('SSH_AUTH_FAILED', { host, username, retryInS }, options);
    case 'HOST_UNREACHABLE':
      return failure(
        'HOST_UNREACHABLE',
        { host, problem: 'the last attempt to connect failed', retryInS },
        options,
      );
    default:
      return error;
  }
}
