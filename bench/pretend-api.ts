/** A pretend node's REST API as a process of its own, so that its work is not counted as the gateway's. */
import { startLab } from '../lab/lab.ts';

const manyGuests = 1_000;

const guests = Array.from({ length: manyGuests }, (_, index) => ({
  vmid: 1000 + index,
  name: `vm${index}`,
  kind: 'vm' as const,
  status: index % 2 === 0 ? ('running' as const) : ('stopped' as const),
  tags: 'bench',
}));
const lab = await startLab({ guests });
const { apiPort, apiFingerprint, apiTokenId, apiTokenSecret } = lab;
process.stdout.write(`${JSON.stringify({ apiPort, apiFingerprint, apiTokenId, apiTokenSecret })}\n`);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
