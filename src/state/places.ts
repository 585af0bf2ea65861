/** How much of one kind each name may have under way at a time. */

/** What replicas would have to agree on; this one counts for itself. */
export interface Places {
  /** Undefined where all places of the name are taken; else what gives the place back. */
  enter(name: string): (() => void) | undefined;
}

export function createPlaces({ each }: { each: number }): Places {
  const taken = new Map<string, number>();
  return {
    enter(name) {
      const count = taken.get(name) ?? 0;
      if (count >= each) return undefined;
      taken.set(name, count + 1);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        const now = (taken.get(name) ?? 1) - 1;
        if (now === 0) taken.delete(name);
        else taken.set(name, now);
      };
    },
  };
}
