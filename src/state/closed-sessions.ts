/** Remembers the sessions that clients closed, so that a sealed id cannot reopen one. */

/** What replicas must agree on; this one holds it in memory. */
export interface ClosedSessions {
  add(id: string): void;
  has(id: string): boolean;
}

/** Keeps the latest `max` ids; older ones are past the life of a session id by then. */
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
