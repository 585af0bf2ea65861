/** `npm run bench`: everything in one run, as one table of figures and ratios; `--json` for machines, `--quick` for a look. */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { realStand } from '../test/real/stand/available.ts';
import { surfaceBytes } from './client.ts';
import { keepHere, splitCpus } from './cpus.ts';
import { startGateway } from './gateway.ts';
import { renderReport } from './report.ts';
import {
  commandLatency,
  driverLatency,
  type Effort,
  memory,
  startCostlyNode,
  startUp,
  throughput,
} from './stages.ts';

const full: Effort = {
  ...{ rounds: 100, warmUp: 60, slowRounds: 15, windowMs: 4_000, windows: 3 },
  ...{ starts: 5, restMs: 5_000, sessions: 1_000 },
};
const quick: Effort = {
  ...{ rounds: 10, warmUp: 5, slowRounds: 3, windowMs: 1_000, windows: 1 },
  ...{ starts: 1, restMs: 500, sessions: 100 },
};

const manyContainers = 100;

async function measure(effort: Effort) {
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

const { values } = parseArgs({ options: { json: { type: 'boolean' }, quick: { type: 'boolean' } } });
if (!realStand.available) {
  process.stderr.write(`The bench needs OpenSSH's sshd and namespaces: ${realStand.reason}\n`);
  process.exit(1);
}
const report = await measure(values.quick === true ? quick : full);
process.stdout.write(values.json === true ? `${JSON.stringify(report)}\n` : renderReport(report));
process.exit(0);
