/** All stages, one after the other, in one run. */
import { cpus } from 'node:os';
import { surfaceBytes } from './client.ts';
import { keepHere, splitCpus } from './cpus.ts';
import { startGateway } from './gateway.ts';
import { restLatency } from './rest.ts';
import {
  commandLatency,
  driverLatency,
  type Effort,
  memory,
  startCostlyNode,
  startUp,
  throughput,
} from './stages.ts';
import { transfers } from './transfers.ts';

export const full: Effort = {
  ...{ rounds: 100, warmUp: 60, slowRounds: 15, transfers: 5, windowMs: 4_000, windows: 3 },
  ...{ starts: 5, restMs: 5_000, sessions: 1_000 },
};
export const quick: Effort = {
  ...{ rounds: 10, warmUp: 5, slowRounds: 3, transfers: 1, windowMs: 1_000, windows: 1 },
  ...{ starts: 1, restMs: 500, sessions: 100 },
};

const manyContainers = 100;

export async function measure(effort: Effort) {
  const split = splitCpus();
  if (split !== undefined) keepHere(split);
  const node = await startCostlyNode(0, split);
  const crowded = await startCostlyNode(manyContainers, split);
  const gateway = await startGateway(node);
  try {
    return {
      machine: { cpus: cpus().length, split, node: process.version },
      latency: await commandLatency(node, gateway, effort),
      drivers: await driverLatency(node, effort),
      drivers100: await driverLatency(crowded, effort),
      throughput: {
        8: await throughput(node, gateway, 8, effort),
        64: await throughput(node, gateway, 64, effort),
      },
      transfers: await transfers(node, effort),
      rest: await restLatency(effort, split),
      startUp: await startUp(node, effort),
      memory: await memory(node, effort),
      surfaceBytes: await surfaceBytes(gateway.url),
    };
  } finally {
    await gateway.close();
    await Promise.all([node.close(), crowded.close()]);
  }
}

export type Report = Awaited<ReturnType<typeof measure>>;
