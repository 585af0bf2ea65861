/** How a virtual machine is at this moment, as its node says. */

import { z } from 'zod';
import { wordsIn } from '../../base/text.ts';
import { type GuestAddress, guestPath } from '../../pve/api-path.ts';
import type { Pve } from '../../pve/pve.ts';
import { Flag, Num, Text } from '../answers.ts';

export interface VmState {
  readonly vmid: number;
  readonly node: string;
  readonly kind: 'vm';
  readonly name: string | undefined;
  /** running, paused, stopped, or another word of QEMU's; unknown where its node is not heard. */
  readonly status: string;
  readonly lock: string | undefined;
  readonly template: boolean;
  readonly tags: readonly string[];
  readonly cpus: number | undefined;
  /** Of all its processors together, 0 to 100. */
  readonly cpuPercent: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly memoryMaxBytes: number | undefined;
  readonly diskMaxBytes: number | undefined;
  readonly uptimeS: number | undefined;
}

/** What a single virtual machine's node says beyond what the cluster knows of all of them. */
export interface VmStatus extends VmState {
  readonly netInBytes: number | undefined;
  readonly netOutBytes: number | undefined;
  readonly diskReadBytes: number | undefined;
  readonly diskWriteBytes: number | undefined;
  /** Whether its configuration has the guest agent. */
  readonly agent: boolean;
  /** Whether high availability starts and stops it. */
  readonly managed: boolean;
}

const Current = z.object({
  ...{ name: Text, status: Text, qmpstatus: Text, lock: Text, template: Flag, tags: Text, agent: Flag },
  ...{ cpu: Num, cpus: Num, maxcpu: Num, mem: Num, maxmem: Num, maxdisk: Num, uptime: Num },
  ...{ netin: Num, netout: Num, diskread: Num, diskwrite: Num },
  ha: z.object({ managed: Flag }).optional().catch(undefined),
});

/** Throws GUEST_NOT_FOUND and the API's errors. */
export async function readStatus(
  pve: Pve,
  guest: Pick<GuestAddress, 'node' | 'vmid'>,
  signal: AbortSignal,
): Promise<VmStatus> {
  const path = guestPath({ ...guest, kind: 'vm' }, 'status', 'current');
  const action = `tell the state of virtual machine ${guest.vmid}`;
  const current = await pve.request({ method: 'GET', path, action, signal }, Current);
  return {
    ...vmState(guest, current),
    netInBytes: current.netin,
    netOutBytes: current.netout,
    diskReadBytes: current.diskread,
    diskWriteBytes: current.diskwrite,
    agent: current.agent === true,
    managed: current.ha?.managed === true,
  };
}

/** From status/current, or from the cluster's list, which says the same in fewer words. */
export function vmState(
  { node, vmid }: Pick<GuestAddress, 'node' | 'vmid'>,
  said: z.output<typeof Current>,
): VmState {
  const word = said.qmpstatus ?? said.status ?? '';
  return {
    ...{ vmid, node, kind: 'vm', name: said.name },
    status: /^[a-z-]{1,32}$/.test(word) ? word : 'unknown',
    lock: said.lock === '' ? undefined : said.lock,
    template: said.template === true,
    tags: wordsIn(said.tags),
    cpus: said.cpus ?? said.maxcpu,
    cpuPercent: said.cpu === undefined ? undefined : Math.round(said.cpu * 1000) / 10,
    memoryBytes: said.mem,
    memoryMaxBytes: said.maxmem,
    diskMaxBytes: said.maxdisk,
    uptimeS: said.uptime,
  };
}
