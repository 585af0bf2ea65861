/** What every family works with that runs commands on the nodes. */
import type { Hosts } from './hosts.ts';
import type { Inventory } from './inventory.ts';
import type { Reach } from './reach.ts';

export interface HostRoom {
  readonly hosts: Hosts;
  readonly inventory: Inventory;
  readonly reach: Reach;
}
