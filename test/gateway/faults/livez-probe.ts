/** Runs in a thread of its own, so that the load its parent makes is not in what it measures. */
import { request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

export interface Probed {
  /** Of every answer, in ms. */
  readonly latenciesMs: readonly number[];
  readonly failures: number;
}

const latenciesMs: number[] = [];
let failures = 0;
let stopped = false;
parentPort?.once('message', () => {
  stopped = true;
});

function ask(): Promise<void> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const asked = request(new URL('/livez', workerData as string), (answer) => {
      answer.resume().once('end', () => {
        if (answer.statusCode === 200) latenciesMs.push(performance.now() - startedAt);
        else failures++;
        resolve();
      });
    });
    asked.once('error', () => {
      failures++;
      resolve();
    });
    asked.end();
  });
}

while (!stopped) {
  await ask();
  await new Promise((resolve) => setTimeout(resolve, 20));
}
parentPort?.postMessage({ latenciesMs, failures } satisfies Probed);
