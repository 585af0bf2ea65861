/** Remembers the sessions that clients closed, so that a sealed id cannot reopen one. */

/** What replicas must agree on; this one holds it in memory. */
export interface ClosedSessions {
  add(id: string): void;
  has(id: string): boolean;
}

/** Keeps the latest `max` ids, for as long as the process lives: an older one could be reopened by its owner. */
export function createClosedSessions({ max }: { max: number }): ClosedSessions {
  const ids = new Set<string>();
  return {
    add(id) {
      ids.delete(id);
      ids.add(id);
      if (ids.size > max) for (const oldest of ids.values()) return void ids.delete(oldest);
    },
    has: (id) => ids.has(id),
  };
}
