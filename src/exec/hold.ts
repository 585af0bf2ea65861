/** How long a host that could not be reached is left alone, and what callers are told meanwhile. */
import { failure, type GatewayError } from '../base/errors.ts';
import type { SshTarget } from './connect.ts';

/** No connect is tried before `until`, in the time of performance.now(). */
export interface Hold {
  readonly error: GatewayError;
  readonly until: number;
}

/** First wait after a failed connect, doubled each time up to the most. */
const backoffMs = 500;
const backoffMaxMs = 10_000;
/** sshd ends handshakes when too many are open or the address is penalised: give it time. */
const droppedBackoffMs = 60_000;
const patientDrops = 8;
/** SECURITY: OpenSSH 9.8+ bans an address that fails to authenticate again and again. */
const refusedHoldMs = 60_000;

/** `failures` and `drops` are consecutive; a host that is down is asked often, one that sheds load rarely. */
export function holdAfter(error: GatewayError, failures: number, drops: number): number {
  if (!error.retryable) return refusedHoldMs;
  const most = drops > patientDrops ? droppedBackoffMs : backoffMaxMs;
  const full = Math.min(most, backoffMs * 2 ** Math.min(failures, 10));
  return full / 2 + (Math.random() * full) / 2;
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
