/** What the gateway holds: at rest, after a load, and with many sessions of the 2025 revisions open. */
import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { openSession } from './client.ts';
import type { BenchGateway } from './gateway.ts';

const parallel = 50;

/** After the garbage of what came before has had time to be collected. */
export async function restingRss(gateway: BenchGateway, restMs: number): Promise<number> {
  await pause(restMs);
  return gateway.rss();
}

/** Initializes that many sessions and leaves them open. Throws where one is refused. */
export async function openSessions(gateway: BenchGateway, count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  let left = count;
  const opener = async () => {
    while (left-- > 0) await openSession(agent, gateway.url);
  };
  await Promise.all(Array.from({ length: parallel }, opener));
  agent.destroy();
}
