/** Measures ways of doing one thing, side by side in one run, so that their ratios mean something. */
import { setTimeout as pause } from 'node:timers/promises';

/** Does the thing once. Throws where it was not done. */
export type Way = () => Promise<void>;

export interface Latency {
  readonly calls: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

export interface Throughput {
  readonly callers: number;
  readonly calls: number;
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

/** Between two calls, so that what one leaves to do in the background is not counted as the other's. */
const gapMs = 15;

/** One caller. The ways take turns, so that whatever else the machine does falls on all of them. */
export async function measureLatency<Name extends string>(
  ways: Readonly<Record<Name, Way>>,
  { rounds, warmUp }: { rounds: number; warmUp: number },
): Promise<Record<Name, Latency>> {
  const names = Object.keys(ways) as Name[];
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of names) {
      await pause(gapMs);
      const startedAt = performance.now();
      await ways[name]();
      if (round >= 0) times.get(name)?.push(performance.now() - startedAt);
    }
  }
  const summaries = names.map((name) => {
    const taken = times.get(name) ?? [];
    return [name, { calls: taken.length, medianMs: quantile(taken, 0.5), p95Ms: quantile(taken, 0.95) }];
  });
  return Object.fromEntries(summaries) as Record<Name, Latency>;
}

/** Callers without a pause between their calls, for about forMs. Each has a way of its own. */
export async function measureThroughput(callers: readonly Way[], forMs: number): Promise<Throughput> {
  const times: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + forMs;
  await Promise.all(
    callers.map(async (call) => {
      while (performance.now() < until) {
        const calledAt = performance.now();
        await call();
        times.push(performance.now() - calledAt);
      }
    }),
  );
  return {
    callers: callers.length,
    calls: times.length,
    perSecond: times.length / ((performance.now() - startedAt) / 1000),
    medianMs: quantile(times, 0.5),
    p95Ms: quantile(times, 0.95),
  };
}

/** NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
