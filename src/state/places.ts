/** How much of one kind may be under way at a time, for each name and in all. */

/** What replicas would have to agree on; this one counts for itself. */
export interface Places {
  /** Undefined where all places, or all of the name, are taken; else what gives the place back. */
  enter(name: string): (() => void) | undefined;
}

export function createPlaces({ each, total }: { each: number; total: number }): Places {
  const taken = new Map<string, number>();
  let all = 0;
  return {
    enter(name) {
      const count = taken.get(name) ?? 0;
      if (count >= each || all >= total) return undefined;
      all++;
      taken.set(name, count + 1);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        all--;
        const now = (taken.get(name) ?? 1) - 1;
        if (now === 0) taken.delete(name);
        else taken.set(name, now);
      };
    },
  };
}
