/** How the API reaches a guest agent, and what goes wrong on the way. */
import { setTimeout } from 'node:timers/promises';
import type { LabCluster } from '../proxmox/cluster.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import { type Inside, insideOf } from './agent-inside.ts';
import { ApiError } from './api-error.ts';
import type { Call, Check } from './endpoint.ts';
import { getGuest, vmKind } from './guest-kinds.ts';

export const agentPath = '/nodes/{node}/qemu/{vmid}/agent';

/** How the agents of a cluster behave, for tests to change. */
export interface Agents {
  /** How long the node waits for an agent. */
  timeoutMs: number;
  /** Machines whose agent does not run. */
  readonly silent: Set<number>;
}

const ofClusters = new WeakMap<LabCluster, Agents>();

export function agentsOf(cluster: LabCluster): Agents {
  const agents = ofClusters.get(cluster) ?? { timeoutMs: 5_000, silent: new Set<number>() };
  ofClusters.set(cluster, agents);
  return agents;
}

export const unrestricted: Check = { path: '/vms/{vmid}', privileges: ['VM.GuestAgent.Unrestricted'] };

/** The privilege of that name, or the one that includes them all. */
export function agentPrivilege(name: 'Audit' | 'FileRead' | 'FileWrite'): Check {
  const privileges = [`VM.GuestAgent.${name}`, 'VM.GuestAgent.Unrestricted'];
  return { path: '/vms/{vmid}', privileges, any: true };
}

export interface Reached {
  readonly guest: LabGuest;
  readonly inside: Inside;
}

/** Waiting keeps no process alive. */
async function waitFor(ms: number): Promise<void> {
  await setTimeout(ms, undefined, { ref: false });
}

function hasAgent({ config }: LabGuest): boolean {
  return /^(?:1|.*\benabled=1\b)/.test(config.get('agent') ?? '');
}

/** Throws ApiError 500 where there is no such machine on the node, where it has no agent, does not run, or does not answer. */
export async function reachAgent(call: Call): Promise<Reached> {
  const guest = getGuest(call, vmKind);
  if (!hasAgent(guest)) throw new ApiError(500, 'No QEMU guest agent configured');
  if (guest.pid === undefined) throw new ApiError(500, `VM ${guest.vmid} is not running`);
  const agents = agentsOf(call.cluster);
  const inside = insideOf(call.node, guest);
  if (agents.silent.has(guest.vmid) || guest.paused || inside.isStuck) {
    inside.isStuck = false;
    await waitFor(agents.timeoutMs * 0.6);
    throw new ApiError(500, 'QEMU guest agent is not running');
  }
  return { guest, inside };
}

/** Throws ApiError 500 after the node has waited in vain. */
export async function failByTimeout({ cluster }: Call, { vmid }: LabGuest, command: string): Promise<never> {
  await waitFor(agentsOf(cluster).timeoutMs);
  throw new ApiError(500, `VM ${vmid} qga command '${command}' failed - got timeout`);
}

/** As when the agent closes the connection without a word. */
export async function failWithoutWord({ cluster }: Call): Promise<never> {
  await waitFor(agentsOf(cluster).timeoutMs);
  throw new ApiError(596, 'Broken pipe');
}

/**
 * The node counts characters and sends bytes: what is not ASCII costs the request its end. One byte too few is
 * only the newline; with more missing, the agent goes on waiting for the rest. Rejects with ApiError 500.
 */
export async function requireWhole(
  call: Call,
  { guest, inside }: Reached,
  command: string,
  texts: readonly string[],
): Promise<void> {
  const missing = texts.reduce((sum, text) => sum + Buffer.byteLength(text) - [...text].length, 0);
  if (missing <= 1) return;
  inside.isStuck = true;
  await failByTimeout(call, guest, command);
}
