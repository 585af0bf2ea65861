/** Proxmox VE's REST API with a token: bounded in time, size and number, and every failure one of the table. */
import { type ErrorCode, GatewayError } from '../base/errors.ts';
import type { Address } from './connect.ts';
import { type Call, carry } from './courier.ts';
import { createEndpoints } from './endpoints.ts';
import type { Outcome, Patience, Reply } from './exchange.ts';
import { form } from './form.ts';
import { createLimits } from './limit.ts';
import { notGranted, notUnderstood, resultOf } from './problems.ts';
import type { Pve, PveStatus } from './pve.ts';
import { createQueue } from './queue.ts';
import { answerOf, fromProxy } from './replies.ts';
import { createToken } from './token.ts';
import type { Trust } from './trust.ts';

export interface PveInput {
  /** Hosts of one cluster, the first preferred; at least one. */
  readonly endpoints: readonly Address[];
  /** `user@realm!name=secret`. Asked once, and again when it was not accepted; may throw. */
  readonly token: () => string;
  readonly trust: Trust;
  /** How long to wait for what, in ms. */
  readonly patience?: Patience & { readonly connectMs: number; readonly idleMs: number };
  /** Hears how each call that went out has ended: undefined where it went well. */
  readonly onCall?: (host: string, problem: ErrorCode | undefined) => void;
}

const defaultMaxBytes = 8 * 1024 * 1024;
const defaultTimeoutMs = 30_000;
/** A node gives up a call itself after 30 s, and closes connections that were idle for 5 s. */
const defaultPatience = { connectMs: 5_000, headersMs: 40_000, stallMs: 10_000, idleMs: 3_000 };
const maxCalls = 16;
const maxWaiting = 256;

interface Errand extends Call {
  readonly action: string;
  readonly timeoutMs: number;
  readonly startsTask: boolean;
}

export function createPve(input: PveInput): Pve {
  const { endpoints: addresses, token: read, trust, patience = defaultPatience, onCall } = input;
  const endpoints = createEndpoints({ addresses, trust, ...patience });
  const token = createToken({ read, host: endpoints.order()[0]?.name ?? '' });
  const limits = createLimits();
  const queue = createQueue({ most: maxCalls, waiting: maxWaiting });
  let status: PveStatus = { reachable: false };

  const note = (host: string, outcome: Outcome, problem: ErrorCode | undefined) => {
    const answered = outcome.kind === 'too large' || (outcome.kind === 'reply' && isAnswered(outcome));
    status = answered || problem === undefined ? { reachable: true } : { reachable: false, problem };
    onCall?.(host, problem);
  };

  const run = async (errand: Errand, caller: AbortSignal): Promise<Reply> => {
    const limit = limits.begin(caller, errand.timeoutMs);
    let leave: (() => void) | undefined;
    try {
      leave = await queue.enter(limit.signal).catch((error: unknown) => {
        throw limit.signal.aborted ? notGranted(limit.why()) : error;
      });
      const { endpoint, outcome } = await carry(errand, { endpoints, token, patience, signal: limit.signal });
      const { name: host } = endpoint;
      const result = resultOf(outcome, { ...errand, why: limit.why, host });
      const failed = result instanceof GatewayError;
      // Who was stopped by us says nothing of the host.
      if (outcome.kind !== 'stopped' || limit.why() === 'too slow')
        note(host, outcome, failed ? result.code : undefined);
      if (failed) throw result;
      return result;
    } finally {
      leave?.();
      limit.release();
    }
  };

  return {
    async request({ method, path, params, signal, action, whole = false, ...more }, answer) {
      const reading = method === 'GET';
      const { maxBytes = defaultMaxBytes, timeoutMs = defaultTimeoutMs, startsTask = false } = more;
      const outgoing = { method, ...form(method, `/api2/json${path}`, params), maxBytes };
      const errand = { outgoing, withToken: true, reading, action, timeoutMs, startsTask };
      const reply = await run(errand, signal);
      const found = answerOf(reply);
      const read = found === undefined ? undefined : answer.safeParse(whole ? found : found.data);
      if (read?.success === true) return read.data;
      throw notUnderstood(errand, read?.error);
    },
    async file(path, { signal, maxBytes }) {
      if (!/^(?:\/[\w-][\w.-]*)+$/.test(path)) throw new RangeError('not the path of a file');
      const outgoing = { method: 'GET', path, headers: {}, body: undefined, maxBytes };
      const action = `hand out its file ${path}`;
      const timeoutMs = defaultTimeoutMs;
      const errand = { outgoing, withToken: false, reading: true, action, timeoutMs, startsTask: false };
      return (await run(errand, signal)).text;
    },
    status: () => status,
    async close() {
      limits.close();
      endpoints.close();
    },
  };
}

/** By the API itself, and to us. */
function isAnswered(reply: Reply): boolean {
  return !fromProxy(reply) && reply.status !== 401;
}
