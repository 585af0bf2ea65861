/** What a task on a guest needs to know before, what it came to, and the locks that keep one from starting. */
import { z } from 'zod';
import { failure, GatewayError } from '../base/errors.ts';
import { nameOf } from '../base/guest-name.ts';
import { type GuestAddress, guestPath } from '../pve/api-path.ts';
import type { Pve } from '../pve/pve.ts';
import { Text } from './answers.ts';
import type { TaskEnd } from './api-room.ts';
import type { Inventory } from './inventory.ts';
import type { Guest } from './survey.ts';

export interface Outcome {
  /** Undefined where there was nothing to do, or it was done at once. */
  readonly end: TaskEnd | undefined;
  /** A sentence on what is so now. */
  readonly done: string;
  /** A sentence on what goes on while the task still runs. */
  readonly begun: string;
}

/**
 * The guest as the cluster has it now. Throws GUEST_NOT_FOUND, NOT_A_VM, NOT_A_CONTAINER. SECURITY: an id that
 * a guest of the other kind has got since policy and a person looked is not the guest that they agreed to.
 */
export async function guestNow(
  inventory: Inventory,
  { vmid, kind }: Pick<Guest, 'vmid' | 'kind'>,
  signal: AbortSignal,
): Promise<Guest> {
  const guest = await inventory.now(vmid, signal);
  if (guest.kind !== kind) throw failure(kind === 'vm' ? 'NOT_A_VM' : 'NOT_A_CONTAINER', { vmid });
  return guest;
}

const Current = z.object({ status: Text });

/** `running`, also of what is paused, or `stopped`. */
export async function statusNow(pve: Pve, guest: GuestAddress, signal: AbortSignal): Promise<string> {
  const action = `tell the state of ${nameOf(guest)}`;
  const path = guestPath(guest, 'status', 'current');
  return (await pve.request({ method: 'GET', path, action, signal }, Current)).status ?? 'unknown';
}

/** Throws what `attempt` throws, but GUEST_LOCKED or CONTAINER_LOCKED where a lock kept it from beginning. */
export async function carriedOut<T>(
  { vmid, kind }: Pick<Guest, 'vmid' | 'kind'>,
  attempt: () => Promise<T>,
): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const { evidence } = error;
    const lock = lockIn(evidence.stderr ?? '');
    if (lock === undefined) throw error;
    const code = kind === 'vm' ? 'GUEST_LOCKED' : 'CONTAINER_LOCKED';
    throw failure(code, { vmid, lock }, { cause: error, evidence });
  }
}

/** A task that began and met a lock on its way says so further down, in its log. */
function lockIn(said: string): string | undefined {
  const [first = ''] = said.split('\n', 1);
  // The file that one task holds while it works on the guest.
  if (/^can't lock file '[^']*' - got timeout$/.test(first)) return 'another task is changing it';
  return /^(?:VM|CT) (?:\d+ )?is locked \(([a-z-]{1,32})\)$/.exec(first)?.[1];
}
