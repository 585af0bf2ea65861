/** Remembers which one-time tickets were used, so that none works twice. */

/** What replicas must agree on; this one holds it in memory. Times are milliseconds since 1970. */
export interface UsedTickets {
  /** True for the one call that may use the ticket of that principal. */
  take(ticket: Usable): boolean;
}

export interface Usable {
  readonly id: string;
  readonly principal: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** One principal can fill an eighth of the memory, and keeps nobody else from using what is theirs. */
const shares = 8;

/**
 * `since`: when this memory began; of tickets from before, nobody knows whether they were used, so none of them
 * is. Keeps at most `max` ids until they expire, an eighth of them for one principal, and takes no ticket while
 * it is full.
 */
export function createUsedTickets({ max, since }: { max: number; since: number }): UsedTickets {
  const used = new Map<string, Usable>();
  const counts = new Map<string, number>();
  let forgottenUntil = 0;
  const count = (principal: string, by: number) => {
    const now = (counts.get(principal) ?? 0) + by;
    if (now === 0) counts.delete(principal);
    else counts.set(principal, now);
  };
  const forgetExpired = (now: number) => {
    for (const [id, { principal, expiresAt }] of used) {
      if (expiresAt > now) continue;
      used.delete(id);
      count(principal, -1);
      forgottenUntil = Math.max(forgottenUntil, expiresAt);
    }
  };
  return {
    take(ticket) {
      const { id, principal, issuedAt, expiresAt } = ticket;
      const now = Date.now();
      forgetExpired(now);
      // The clock may be set back: what has expired and was forgotten must not come to life again.
      if (issuedAt < since || expiresAt <= Math.max(now, forgottenUntil)) return false;
      const full = used.size >= max || (counts.get(principal) ?? 0) >= max / shares;
      if (used.has(id) || full) return false;
      used.set(id, ticket);
      count(principal, 1);
      return true;
    },
  };
}
