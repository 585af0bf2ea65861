/** Failures that were foreseen, made from their row in the table. */
import type { Outcome, Row } from './error-row.ts';
import { errorTable } from './error-table.ts';

export type ErrorCode = keyof typeof errorTable;
type FactsOf<C extends ErrorCode> = (typeof errorTable)[C] extends Row<infer F> ? F : never;

/** What a failed command left: shown fenced, as untrusted text. Already bounded by whoever fills it. */
export interface Evidence {
  readonly stdout?: string;
  readonly stderr?: string;
}

/** A failure that was foreseen. Its message comes from the table alone, never from outside. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly advice: string;
  readonly evidence: Evidence;
  /** The task of Proxmox VE that it is about. */
  readonly upid: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; evidence?: Evidence; upid?: string | undefined },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.outcome = errorTable[code].outcome;
    this.retryable = errorTable[code].retryable;
    this.advice = errorTable[code].advice;
    this.evidence = options.evidence ?? {};
    this.upid = options.upid;
  }
}

/** Makes the error of a code from the facts that its row asks for. */
export function failure<C extends ErrorCode>(
  code: C,
  facts: FactsOf<C>,
  options: { cause?: unknown; evidence?: Evidence } = {},
): GatewayError {
  const text = errorTable[code].text as (facts: FactsOf<C>) => string;
  const { upid } = facts as { upid?: string };
  return new GatewayError(code, text(facts), { ...options, upid });
}

const effects: Record<Outcome, string> = {
  not_started: 'Nothing was changed.',
  failed: 'It was carried out in part or not at all.',
  unknown: 'It is not known how far it got.',
};

/** One sentence on whether anything was changed. */
export function effectOf(outcome: Outcome): string {
  return effects[outcome];
}
