/** How a guest that is being made comes to be there. */
import type { LabCluster } from '../proxmox/cluster.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import { kindOf } from './guest-kinds.ts';

export interface NewGuest {
  readonly vmid: number;
  readonly kind: LabGuest['kind'];
  readonly node: string;
  readonly config: ReadonlyMap<string, string>;
  readonly description?: string | undefined;
}

/** Puts a guest there with just this configuration, stopped. */
export function addGuest(cluster: LabCluster, { vmid, kind, node, config, description }: NewGuest): LabGuest {
  const guest = cluster.add({ vmid, kind, node, name: config.get(kindOf({ kind }).nameKey) ?? '' });
  guest.config.clear();
  for (const [key, value] of config) guest.config.set(key, value);
  guest.description = description;
  return guest;
}

/** Does the work with the guest locked, and removes the guest where that fails. */
export async function completed(
  cluster: LabCluster,
  guest: LabGuest,
  lock: string,
  work: () => Promise<void>,
): Promise<void> {
  guest.config.set('lock', lock);
  try {
    await work();
    guest.config.delete('lock');
  } catch (error) {
    cluster.remove(guest.vmid);
    throw error;
  }
}
