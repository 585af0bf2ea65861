/**
 * Asks a person before something is done that cannot be undone. Nothing waits here: the question goes out with
 * a sealed note of what it was about, and the answer brings the note back, to whichever replica it comes.
 */
import { z } from 'zod';
import { failure } from '../base/errors.ts';
import { type Binding, bindingOf, type Deed, misfit } from '../policy/confirm.ts';
import type { UsedTickets } from '../state/used-tickets.ts';
import type { Person, Question } from './call.ts';
import { questionOf } from './question.ts';
import { createSealer } from './seal.ts';

export interface Confirmations {
  /** The question, or what was answered to it. Throws CONFIRMATION_INVALID where no such question is open. */
  settle(input: {
    deed: Deed;
    title: string;
    person: Person;
    /** Random, and never that of another question. */
    id: string;
  }): Question | Answered;
}

export interface Answered {
  readonly kind: 'answered';
  /** That of the question. */
  readonly id: string;
  readonly agrees: boolean;
}

/** How long a person may take. */
export const answerWithinMs = 5 * 60_000;
const maxStateChars = 2_000;

const Note = z.object({
  n: z.string(),
  i: z.number(),
  e: z.number(),
  b: z.object({ principal: z.string(), tool: z.string(), args: z.string(), guests: z.string() }),
});

/** `key` must be at least 32 random bytes, and the same in all replicas. */
export function createConfirmations(input: {
  key: Buffer;
  used: UsedTickets;
  ttlMs?: number;
}): Confirmations {
  const { key, used, ttlMs = answerWithinMs } = input;
  const sealer = createSealer({ key, purpose: 'confirmation 1', maxChars: maxStateChars });

  const noteOf = (id: string, binding: Binding): string => {
    const issuedAt = Date.now();
    const note: z.output<typeof Note> = { n: id, i: issuedAt, e: issuedAt + ttlMs, b: { ...binding } };
    return sealer.seal(note);
  };

  /** SECURITY: used up whatever the answer is, so that a refusal cannot become a consent. */
  const redeem = (state: string, binding: Binding): string => {
    const note = Note.safeParse(sealer.open(state)).data;
    if (note === undefined) throw unfit('it does not come from this gateway');
    const { n: id, i: issuedAt, e: expiresAt, b: agreed } = note;
    if (Date.now() >= expiresAt) throw unfit('it has expired');
    const problem = misfit(agreed, binding);
    if (problem !== undefined) throw unfit(problem);
    if (!used.take({ id, principal: binding.principal, issuedAt, expiresAt }))
      throw unfit('it was used already, or the gateway has been restarted since');
    return id;
  };

  return {
    settle({ deed, title, person: { reply }, id }) {
      const binding = bindingOf(deed);
      if (reply === undefined)
        return { kind: 'ask', message: questionOf(title, deed), state: noteOf(id, binding) };
      return { kind: 'answered', id: redeem(reply.state, binding), agrees: reply.agrees };
    },
  };
}

function unfit(problem: string) {
  return failure('CONFIRMATION_INVALID', { problem });
}
