/** Gives the host processors of its own, as another machine would have them; the gateway and its clients share the rest. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { World } from '../test/real/stand/world.ts';

export interface Split {
  /** In the words of taskset. */
  readonly gateway: string;
  readonly host: string;
}

/** Half of the processors each; undefined where there is one only, or no taskset: then all share them. */
export function splitCpus(): Split | undefined {
  const cpus = allowedCpus();
  if (cpus.length < 2 || spawnSync('taskset', ['--version']).error !== undefined) return undefined;
  const half = Math.floor(cpus.length / 2);
  return { gateway: cpus.slice(0, half).join(), host: cpus.slice(half).join() };
}

function allowedCpus(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  return list.split(',').flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
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
