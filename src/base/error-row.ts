/** One row of the table of errors. */

/** What is known of the effect: nothing began, it ran and failed, or nobody can tell. */
export type Outcome = 'not_started' | 'failed' | 'unknown';

export interface Row<Facts> {
  readonly text: (facts: Facts) => string;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly advice: string;
}

export function row<Facts>(
  outcome: Outcome,
  retryable: boolean,
  text: (facts: Facts) => string,
  advice: string,
): Row<Facts> {
  return { text, outcome, retryable, advice };
}

export type None = Record<never, never>;
