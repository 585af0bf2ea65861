/** What Proxmox VE lists of its cluster: nodes, guests, storages and whatever else it has, read in this one place. */
import { z } from 'zod';
import { apiPath } from '../pve/api-path.ts';
import type { Pve } from '../pve/pve.ts';
import { Flag, Num, Text } from './answers.ts';
import { ListOf } from './list-of.ts';

const Row = z.object({
  ...{ id: z.string(), type: z.string(), node: Text, vmid: Num, storage: Text, name: Text, status: Text },
  ...{ pool: Text, tags: Text, lock: Text, template: Flag, shared: Flag, content: Text, plugintype: Text },
  ...{ cpu: Num, maxcpu: Num, mem: Num, maxmem: Num, disk: Num, maxdisk: Num, uptime: Num },
});

/** In Proxmox VE's own words and units; figures, and names of guests, are up to ten seconds old. */
export type ListedResource = Readonly<z.output<typeof Row>>;

const Rows = ListOf(Row);

/** All that the token may see, or one family of it; a row that makes no sense is left out. Some 16,000 guests fit. */
export async function readResources(
  pve: Pve,
  {
    family,
    action,
    signal,
  }: { family?: 'vm' | 'storage' | 'node' | undefined; action: string; signal: AbortSignal },
): Promise<ListedResource[]> {
  const path = apiPath`/cluster/resources`;
  const request = { method: 'GET', path, params: { type: family }, action, signal } as const;
  return await pve.request(request, Rows);
}
