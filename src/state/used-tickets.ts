/** Remembers which one-time tickets were used, so that none works twice. */

/** What replicas must agree on; this one holds it in memory. Times are milliseconds since 1970. */
export interface UsedTickets {
  /** True for the one call that may use the ticket. */
  take(id: string, issuedAt: number, expiresAt: number): boolean;
}

/**
 * `since`: when this memory began; of tickets from before, nobody knows whether they were used, so none of them
 * is. Keeps at most `max` ids until they expire, and takes no ticket while it is full.
 */
export function createUsedTickets({ max, since }: { max: number; since: number }): UsedTickets {
  const used = new Map<string, number>();
  let forgottenUntil = 0;
  const forgetExpired = (now: number) => {
    for (const [id, expiresAt] of used) {
      if (expiresAt > now) continue;
      used.delete(id);
      forgottenUntil = Math.max(forgottenUntil, expiresAt);
    }
  };
  return {
    take(id, issuedAt, expiresAt) {
      const now = Date.now();
      forgetExpired(now);
      // The clock may be set back: what has expired and was forgotten must not come to life again.
      if (issuedAt < since || expiresAt <= Math.max(now, forgottenUntil)) return false;
      if (used.has(id) || used.size >= max) return false;
      used.set(id, expiresAt);
      return true;
    },
  };
}
