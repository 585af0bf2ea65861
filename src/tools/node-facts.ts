/** How one node stands, as data and in words. */
import { durationText, percentText } from '../base/quantities.ts';
import { clean } from '../base/text.ts';
import { present } from '../ops/answers.ts';
import type { NodeState } from '../ops/cluster.ts';
import { coresText, percentOf, useText } from './resource.ts';

export interface NodeFacts {
  readonly node: string;
  readonly version?: string;
  readonly kernel?: string;
  readonly uptime_seconds?: number;
  readonly cpu_model?: string;
  readonly cpus?: number;
  readonly cpu_percent?: number;
  readonly io_wait_percent?: number;
  /** Over 1, 5 and 15 minutes. */
  readonly load?: readonly number[];
  readonly memory_bytes?: number;
  readonly memory_max_bytes?: number;
  readonly swap_bytes?: number;
  readonly swap_max_bytes?: number;
  readonly root_bytes?: number;
  readonly root_max_bytes?: number;
}

/** What Proxmox VE does not tell is left out. */
export function nodeFacts(node: string, state: NodeState): NodeFacts {
  const { version, kernel, uptimeS, cpuModel, cpus, cpuShare, ioWaitShare, load } = state;
  const { memory, swap, root } = state;
  return present({
    ...{ node, version, kernel, uptime_seconds: uptimeS, cpu_model: cpuModel, cpus },
    cpu_percent: cpuShare === undefined ? undefined : percentOf(cpuShare),
    io_wait_percent: ioWaitShare === undefined ? undefined : percentOf(ioWaitShare),
    load: load.length > 0 ? load : undefined,
    ...{ memory_bytes: memory?.usedBytes, memory_max_bytes: memory?.totalBytes },
    ...{ swap_bytes: swap?.usedBytes, swap_max_bytes: swap?.totalBytes },
    ...{ root_bytes: root?.usedBytes, root_max_bytes: root?.totalBytes },
  });
}

export function nodeFactsText(facts: NodeFacts): string {
  const { node, version, kernel, uptime_seconds, cpu_model, cpus, cpu_percent, io_wait_percent } = facts;
  const cpu = [
    cpu_percent === undefined ? undefined : percentText(cpu_percent),
    cpus === undefined ? undefined : `of ${coresText(cpus)}`,
    cpu_model === undefined ? undefined : `(${clean(cpu_model, 100)})`,
  ].filter((part) => part !== undefined);
  const wait = io_wait_percent === undefined ? '' : `, I/O wait ${percentText(io_wait_percent)}`;
  return [
    uptime_seconds === undefined ? `Node ${node}` : `Node ${node}: up ${durationText(uptime_seconds)}`,
    version === undefined ? undefined : `Version: ${clean(version, 100)}`,
    kernel === undefined ? undefined : `Kernel: ${clean(kernel, 200)}`,
    cpu.length === 0 ? undefined : `CPU: ${cpu.join(' ')}${wait}`,
    facts.load === undefined ? undefined : `Load: ${facts.load.join(', ')}`,
    useText('Memory:', facts.memory_bytes, facts.memory_max_bytes),
    useText('Swap:', facts.swap_bytes, facts.swap_max_bytes),
    useText('Root disk:', facts.root_bytes, facts.root_max_bytes),
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}
