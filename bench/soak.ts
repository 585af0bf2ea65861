/** `npm run soak [-- --minutes N]`: mixed calls, cancels and disconnects; what the gateway holds must end where it began. */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { realStand } from '../test/real/stand/available.ts';
import { type StandNode, startNode } from '../test/real/stand/node.ts';
import { openClient, type ToolClient } from './client.ts';
import { type BenchGateway, startGateway } from './gateway.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);

/** What the gateway holds. Memory in bytes. */
interface Holdings {
  readonly rss: number;
  readonly descriptors: number;
  readonly sessions: number;
  readonly connections: number;
  readonly channels: number;
  readonly callsUnderWay: number;
}

/** Memory may have grown by this much: a heap that was busy is not given back to the byte. */
const maxGrowth = 30_000_000;
/** Longer than connections are kept that nobody uses: 60 s to the host, 125 s to clients. */
const settleMs = 140_000;
const warmUpMs = 60_000;
const callers = 6;
const exec = 'proxmox_container_exec_command';

/** One thing that a client may do. It settles whatever becomes of the call; `count` learns how it ended. */
type Deed = (gateway: BenchGateway, client: ToolClient) => Promise<string>;

const run = async (client: ToolClient, args: Record<string, unknown>, signal?: AbortSignal) =>
  (await client.run(exec, { vmid: 100, ...args }, signal)) ? 'ok' : 'tool error';

const deeds: readonly Deed[] = [
  (_, client) => run(client, { command: 'true' }),
  (_, client) =>
    run(client, { command: 'echo "$A"; cat', env: { A: 'x'.repeat(1000) }, stdin: 'y'.repeat(50_000) }),
  (_, client) => run(client, { command: 'seq 1 100000' }),
  (_, client) => run(client, { command: 'exit 3' }),
  (_, client) => run(client, { command: 'sleep 30', timeout: 1 }),
  (_, client) => run(client, { command: 'true', vmid: 999 }),
  (_, client) => run(client, { command: 'sleep 30' }, AbortSignal.timeout(300)),
  (_, client) => run(client, { command: 'yes' }, AbortSignal.timeout(500)),
  async (_, client) => ((await client.run('proxmox_list_containers', {})) ? 'ok' : 'tool error'),
  async ({ url }) => {
    const signal = AbortSignal.timeout(200);
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} });
    const response = await fetch(url, {
      method: 'POST',
      body,
      signal,
      headers: { authorization: 'Bearer wrong' },
    });
    return `http ${response.status}`;
  },
];

/** Calls one deed after the other until the time is over, each twenty with a client of another era. */
async function live(gateway: BenchGateway, seed: number, until: number, count: (ending: string) => void) {
  let at = seed;
  while (performance.now() < until) {
    const client = await openClient(gateway.url, at % 2 === 0 ? '2025-11-25' : '2026-07-28');
    for (let calls = 0; calls < 20 && performance.now() < until; calls++) {
      const deed = deeds[at++ % deeds.length];
      if (deed !== undefined) count(await deed(gateway, client).catch(nameOf));
    }
    // A call under way when its client goes.
    const abandoned = run(client, { command: 'sleep 20' }).catch(() => 'left');
    await pause(50);
    await client.close().catch(() => {});
    count(await abandoned);
    at += 7;
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 60)}` : 'unknown';
}

async function holdings(gateway: BenchGateway): Promise<Holdings> {
  const metrics = await gateway.metrics();
  const read = (name: string) => Number(new RegExp(`^proxmox_mcp_${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
  return {
    rss: gateway.rss(),
    descriptors: gateway.fileDescriptors(),
    sessions: read('sessions'),
    connections: read('ssh_connections'),
    channels: read('ssh_channels'),
    callsUnderWay: read('tool_calls_in_flight'),
  };
}

function say(what: string, found: Holdings): void {
  const { rss, ...counts } = found;
  process.stdout.write(`${what}: ${(rss / 1e6).toFixed(0)} MB ${JSON.stringify(counts)}\n`);
}

/** Counts must be as they were, but for a descriptor or two of the runtime's own. */
function grown(before: Holdings, after: Holdings): string[] {
  const faults = (['sessions', 'connections', 'channels', 'callsUnderWay'] as const).filter(
    (name) => after[name] > before[name],
  );
  return [
    ...faults.map((name) => `${name}: ${before[name]} → ${after[name]}`),
    ...(after.descriptors > before.descriptors + 2
      ? [`descriptors: ${before.descriptors} → ${after.descriptors}`]
      : []),
    ...(after.rss > before.rss + maxGrowth ? [`memory: ${before.rss} → ${after.rss}`] : []),
  ];
}

async function breakConnections(node: StandNode, until: number): Promise<void> {
  while (performance.now() < until) {
    await pause(20_000);
    await node.sshd.killSessions();
  }
}

async function soak(): Promise<number> {
  const node = await startNode();
  const gateway = await startGateway(node);
  const endings = new Map<string, number>();
  const count = (ending: string) => endings.set(ending, (endings.get(ending) ?? 0) + 1);
  try {
    // As much as later, so that what is loaded at first use is not taken for a leak.
    const warm = performance.now() + warmUpMs;
    await Promise.all(Array.from({ length: callers }, (_, seed) => live(gateway, seed, warm, () => {})));
    await pause(settleMs);
    const before = await holdings(gateway);
    say('before', before);
    const until = performance.now() + minutes * 60_000;
    const watch = setInterval(() => void holdings(gateway).then((now) => say('during', now)), 60_000);
    await Promise.all([
      breakConnections(node, until),
      ...Array.from({ length: callers }, (_, seed) => live(gateway, seed, until, count)),
    ]);
    clearInterval(watch);
    // What is idle is let go of after a minute.
    await pause(settleMs);
    const after = await holdings(gateway);
    say('after', after);
    process.stdout.write(`${JSON.stringify(Object.fromEntries(endings))}\n`);
    const faults = grown(before, after);
    for (const fault of faults) process.stdout.write(`GREW ${fault}\n`);
    return faults.length === 0 && (endings.get('ok') ?? 0) > 0 ? 0 : 1;
  } finally {
    await gateway.close();
    await node.close();
  }
}

if (!realStand.available) {
  process.stderr.write(`The soak needs OpenSSH's sshd and namespaces: ${realStand.reason}\n`);
  process.exit(1);
}
process.exit(await soak());
