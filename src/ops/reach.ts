/** Brings work to the node that has a container, and follows a container that has moved. */
import { failure, GatewayError } from '../base/errors.ts';
import type { Hosts, Site } from './hosts.ts';
import type { Inventory } from './inventory.ts';

/**
 * Runs `attempt` where the container is known to be; where that throws CONTAINER_ELSEWHERE, because it has moved
 * and nothing was begun, once more where it is now. Throws CONTAINER_NOT_FOUND and what `attempt` throws.
 */
export type Reach = <T>(vmid: number, signal: AbortSignal, attempt: (site: Site) => Promise<T>) => Promise<T>;

export function createReach({ hosts, inventory }: { hosts: Hosts; inventory: Inventory }): Reach {
  return async (vmid, signal, attempt) => {
    const guest = await inventory.find(vmid, signal);
    if (guest === undefined) throw failure('CONTAINER_NOT_FOUND', { vmid });
    try {
      return await attempt(await hosts.on(guest.node, signal));
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'CONTAINER_ELSEWHERE')) throw error;
      const { node } = await inventory.get(vmid, signal);
      return await attempt(await hosts.on(node, signal));
    }
  };
}
