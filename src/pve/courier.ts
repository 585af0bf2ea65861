/** Carries a call to whichever host of the cluster can be reached: what reads more than once, what changes never. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint, Endpoints } from './endpoints.ts';
import { exchange, type Outcome, type Outgoing, type Patience } from './exchange.ts';
import { unanswered } from './replies.ts';
import type { Token } from './token.ts';

export interface Call {
  readonly outgoing: Omit<Outgoing, 'signal' | 'patience'>;
  /** Files outside the API are handed out to anybody. */
  readonly withToken: boolean;
  readonly reading: boolean;
}

export interface Carried {
  readonly endpoint: Endpoint;
  readonly outcome: Outcome;
}

const maxAttempts = 3;
const retryMs = 150;

/** Throws API_AUTH_FAILED where there is no token; everything else is an outcome. */
export async function carry(
  call: Call,
  means: { endpoints: Endpoints; token: Token; patience: Patience; signal: AbortSignal },
): Promise<Carried> {
  const { endpoints, token, patience, signal } = means;
  const send = (used?: string) => {
    const authorization: Record<string, string> =
      used === undefined ? {} : { authorization: `PVEAPIToken=${used}` };
    const headers = { ...call.outgoing.headers, ...authorization };
    return attempts({ ...call.outgoing, headers, patience, signal }, call.reading, endpoints);
  };
  if (!call.withToken) return await send();
  const used = token.current();
  const carried = await send(used);
  if (carried.outcome.kind !== 'reply' || carried.outcome.status !== 401) return carried;
  // Who was not let in has changed nothing, so that even a change may be sent with the token of now.
  const renewed = token.renewed(used);
  return renewed === undefined ? carried : await send(renewed);
}

async function attempts(outgoing: Outgoing, reading: boolean, endpoints: Endpoints): Promise<Carried> {
  let carried = await toFirstReached(outgoing, endpoints);
  for (let attempt = 1; reading && attempt < maxAttempts && worthAnother(carried.outcome); attempt++) {
    const { endpoint, outcome } = carried;
    const stale = outcome.kind === 'lost' && outcome.stale;
    if (stale) endpoint.connections.closeIdle();
    else await pause(attempt, outgoing.signal);
    carried = await toFirstReached(outgoing, endpoints, stale ? undefined : endpoint);
  }
  return carried;
}

async function toFirstReached(outgoing: Outgoing, endpoints: Endpoints, avoid?: Endpoint): Promise<Carried> {
  let refused: Carried | undefined;
  for (const endpoint of endpoints.order(avoid)) {
    const outcome = await exchange(endpoint.address, endpoint.connections, outgoing);
    if (outcome.kind === 'reply' && !unanswered(outcome)) endpoints.answered(endpoint);
    if (outcome.kind !== 'not connected') return { endpoint, outcome };
    endpoints.notReached(endpoint);
    // Of several problems, the one with a certificate is what an operator has to know.
    if (refused === undefined || outcome.error.untrusted) refused = { endpoint, outcome };
  }
  if (refused === undefined) throw new RangeError('there is no API host');
  return refused;
}

function worthAnother(outcome: Outcome): boolean {
  return outcome.kind === 'lost' || (outcome.kind === 'reply' && unanswered(outcome));
}

async function pause(attempt: number, signal: AbortSignal): Promise<void> {
  const full = retryMs * 2 ** attempt;
  // What ends the pause early ends the next attempt, too.
  await sleep(full / 2 + (Math.random() * full) / 2, undefined, { signal }).catch(() => {});
}
