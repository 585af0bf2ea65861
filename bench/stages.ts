/** What is measured, stage by stage, each on a node and a gateway that stand for the whole stage. */
import { type StandNode, startNode } from '../test/real/stand/node.ts';
import { openClient, toolCall } from './client.ts';
import { keepThere, type Split } from './cpus.ts';
import { type BenchGateway, startGateway } from './gateway.ts';
import {
  type Latency,
  measureLatency,
  measureThroughput,
  quantile,
  type Throughput,
  type Way,
} from './measure.ts';
import { openSessions, restingRss } from './memory.ts';
import { freshConnection, openChannels, openControlMaster } from './ways.ts';

/** How much of everything is done: `quick` is for looking whether it works. */
export interface Effort {
  readonly rounds: number;
  readonly warmUp: number;
  /** Of what costs more than half a second each. */
  readonly slowRounds: number;
  /** Of a large file. */
  readonly transfers: number;
  readonly windowMs: number;
  readonly windows: number;
  readonly starts: number;
  readonly restMs: number;
  readonly sessions: number;
}

export const container = 100;
export const attachLine = `lxc-attach -n ${container} --clear-env -- /bin/bash -c true`;
export const pctLine = `pct exec ${container} -- /bin/bash -c true`;
const exec = 'proxmox_container_exec_command';
const execArgs = { vmid: container, command: 'true' };
const list = 'proxmox_list_containers';

/** On a node of PVE 9.2 `pct` takes 0.6 s of CPU, and lxc-attach 13 ms more than a bare `true`. */
const pctCpuMs = 600;
const attachMs = 13;

/** A node whose stand-ins cost what the originals cost; lxc-attach is made no faster than the original. */
export async function startCostlyNode(containers: number, split?: Split): Promise<StandNode> {
  const extra = Array.from({ length: Math.max(0, containers - 4) }, (_, index) => ({
    kind: 'container' as const,
    vmid: 1000 + index,
    name: `ct${index}`,
    tags: 'bench',
  }));
  // sshd's own limits would shut the other ways out; the gateway keeps within those of a default sshd.
  const node = await startNode({ maxSessions: 100, maxStartups: '200' });
  if (split !== undefined) await keepThere(split, node.world);
  for (const guest of extra) node.describe(guest);
  node.turn('pct-cpu-ms', pctCpuMs);
  const channels = await openChannels(node.sshd, 1);
  const found = await measureLatency(
    { bare: channels.run('true'), attach: channels.run(attachLine) },
    { rounds: 25, warmUp: 5 },
  );
  channels.close();
  const missing = attachMs - (found.attach.medianMs - found.bare.medianMs);
  if (missing > 0) node.turn('attach-delay-ms', Math.ceil(missing));
  return node;
}

export type Latencies = Readonly<Record<string, Latency>>;

/** One caller: a command in a container and on the host, each way. */
export async function commandLatency(node: StandNode, gateway: BenchGateway, effort: Effort) {
  const channels = await openChannels(node.sshd, 1);
  const master = openControlMaster(node.sshd);
  const modern = await openClient(gateway.url, '2026-07-28');
  const legacy = await openClient(gateway.url, '2025-11-25');
  try {
    const inContainer = await measureLatency(
      {
        'bare channel': channels.run(attachLine),
        'gateway, 2026-07-28': toolCall(modern, exec, execArgs),
        'gateway, 2025-11-25': toolCall(legacy, exec, execArgs),
        'ssh, ControlMaster': master.run(attachLine),
        'fresh connection per call': freshConnection(node.sshd, attachLine),
      },
      effort,
    );
    const onHost = await measureLatency(
      {
        'bare channel': channels.run('/bin/bash -c true'),
        'gateway, 2026-07-28': toolCall(modern, 'proxmox_host_exec_command', { command: 'true' }),
        'ssh, ControlMaster': master.run('/bin/bash -c true'),
      },
      effort,
    );
    return { inContainer, onHost };
  } finally {
    await Promise.all([modern.close(), legacy.close()]);
    master.close();
    channels.close();
  }
}

/** Both drivers, and pct as one would call it by hand, for commands and for the list. */
export async function driverLatency(node: StandNode, effort: Effort): Promise<Record<string, Latencies>> {
  const auto = await startGateway(node);
  const pct = await startGateway(node, { CONTAINER_DRIVER: 'pct' });
  const fast = await openClient(auto.url, '2026-07-28');
  const slow = await openClient(pct.url, '2026-07-28');
  const channels = await openChannels(node.sshd, 1);
  const rounds = { rounds: effort.slowRounds, warmUp: 3 };
  try {
    return {
      command: await measureLatency(
        {
          'driver auto': toolCall(fast, exec, execArgs),
          'driver pct': toolCall(slow, exec, execArgs),
          'pct exec, bare channel': channels.run(pctLine),
        },
        rounds,
      ),
      list: await measureLatency(
        {
          'driver auto': toolCall(fast, list, {}),
          'driver pct': toolCall(slow, list, {}),
          'pct list, bare channel': channels.run('pct list >/dev/null'),
        },
        rounds,
      ),
    };
  } finally {
    channels.close();
    await Promise.all([fast.close(), slow.close()]);
    await Promise.all([auto.close(), pct.close()]);
  }
}

/** Many callers. The ways take turns in short windows. */
export async function throughput(node: StandNode, gateway: BenchGateway, callers: number, effort: Effort) {
  const channels = await openChannels(node.sshd, callers);
  const master = openControlMaster(node.sshd);
  const clients = await Promise.all(
    Array.from({ length: callers }, async () => ({
      modern: await openClient(gateway.url, '2026-07-28'),
      legacy: await openClient(gateway.url, '2025-11-25'),
    })),
  );
  const ways: Record<string, readonly Way[]> = {
    'bare channels': clients.map(() => channels.run(attachLine)),
    'gateway, 2026-07-28': clients.map(({ modern }) => toolCall(modern, exec, execArgs)),
    'gateway, 2025-11-25': clients.map(({ legacy }) => toolCall(legacy, exec, execArgs)),
    'ssh, ControlMaster': clients.map(() => master.run(attachLine)),
    'fresh connection per call': clients.map(() => freshConnection(node.sshd, attachLine)),
  };
  try {
    return await takeTurns(ways, effort);
  } finally {
    await Promise.all(clients.flatMap(({ modern, legacy }) => [modern.close(), legacy.close()]));
    master.close();
    channels.close();
  }
}

/** Of several windows the one with the middle throughput. */
async function takeTurns(ways: Readonly<Record<string, readonly Way[]>>, { windows, windowMs }: Effort) {
  const found = new Map<string, Throughput[]>();
  for (let window = 0; window < windows; window++)
    for (const [name, callers] of Object.entries(ways)) {
      const one = await measureThroughput(callers, windowMs);
      found.set(name, [...(found.get(name) ?? []), one]);
    }
  const middle = (all: Throughput[]) =>
    all.toSorted((one, other) => one.perSecond - other.perSecond)[Math.floor(all.length / 2)];
  return Object.fromEntries(Array.from(found, ([name, all]) => [name, middle(all)]));
}

/** From the start of the process to its listening, and to the first answered tool call. */
export async function startUp(node: StandNode, { starts }: Effort) {
  const listening: number[] = [];
  const served: number[] = [];
  for (let start = 0; start < starts; start++) {
    const startedAt = performance.now();
    const gateway = await startGateway(node);
    const client = await openClient(gateway.url, '2026-07-28');
    await toolCall(client, exec, execArgs)();
    served.push(performance.now() - startedAt);
    listening.push(gateway.startMs);
    await client.close();
    await gateway.close();
  }
  return { listeningMs: quantile(listening, 0.5), firstCallMs: quantile(served, 0.5) };
}

/** Resident memory of a fresh gateway: at rest, with sessions open, under load and after it. */
export async function memory(node: StandNode, effort: Effort) {
  const gateway = await startGateway(node);
  try {
    const idle = await restingRss(gateway, effort.restMs);
    await openSessions(gateway, effort.sessions);
    const withSessions = await restingRss(gateway, effort.restMs);
    const client = await openClient(gateway.url, '2026-07-28');
    const load = Array.from({ length: 64 }, () => toolCall(client, exec, execArgs));
    let loaded = 0;
    const watch = setInterval(() => {
      loaded = Math.max(loaded, gateway.rss());
    }, 50);
    await measureThroughput(load, effort.windowMs);
    clearInterval(watch);
    await client.close();
    return {
      idle,
      sessions: effort.sessions,
      withSessions,
      loaded,
      after: await restingRss(gateway, effort.restMs),
    };
  } finally {
    await gateway.close();
  }
}
