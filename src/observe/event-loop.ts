/** Notices when the process could not attend to anything for a while. */

export interface EventLoopWatch {
  /** Longest delay, in ms, among those seen in the last few seconds. */
  recentDelayMs(): number;
  close(): void;
}

const sampleMs = 250;
const keptSamples = 20;

export function watchEventLoop(): EventLoopWatch {
  const delays: number[] = [];
  let dueAt = performance.now() + sampleMs;
  const timer = setInterval(() => {
    const now = performance.now();
    delays.push(Math.max(0, now - dueAt));
    if (delays.length > keptSamples) delays.shift();
    dueAt = now + sampleMs;
  }, sampleMs).unref();
  return {
    recentDelayMs: () => Math.max(0, performance.now() - dueAt, ...delays),
    close: () => clearInterval(timer),
  };
}
