/** Gives the host processors of its own, as another machine would have them; the gateway and its clients share the rest. */
import { spawnSync } from 'node:child_process';
import { cpus as listCpus } from 'node:os';
import type { World } from '../test/real/bench/world.ts';

export interface Split {
  /** In the words of taskset. */
  readonly gateway: string;
  readonly host: string;
}

/** Half of the processors each; undefined where there is one only, or no taskset: then all share them. */
export function splitCpus(): Split | undefined {
  const cpus = listCpus().length;
  if (cpus < 2 || spawnSync('taskset', ['--version']).error !== undefined) return undefined;
  const half = Math.floor(cpus / 2);
  return { gateway: `0-${half - 1}`, host: `${half}-${cpus - 1}` };
}

/** This process, all its threads, and whatever it starts from now on. */
export function keepHere({ gateway }: Split): void {
  pin(process.pid, gateway);
}

/** All processes of the host, and whatever they start from now on. */
export async function keepThere({ host }: Split, world: World): Promise<void> {
  for (const { pid } of await world.processes()) pin(pid, host);
}

function pin(pid: number, cpus: string): void {
  const { status, stderr } = spawnSync('taskset', ['-acp', cpus, String(pid)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`taskset: ${stderr}`);
}
