/** Sees virtual machines, on whichever node they are, and switches them on and off. */
import { z } from 'zod';
import { guestPath } from '../pve/api-path.ts';
import type { ApiRoom } from './api-room.ts';
import { readResources } from './resources.ts';
import { createVmPower, type VmPower } from './vms/power.ts';
import { readStatus, type VmState, type VmStatus, vmState } from './vms/state.ts';

export interface VmConfig {
  readonly vmid: number;
  readonly node: string;
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
}

export interface Vms extends VmPower {
  /** Of the whole cluster, by id. Figures are up to ten seconds old. */
  list(signal: AbortSignal): Promise<readonly VmState[]>;
  /** At this moment. Throws GUEST_NOT_FOUND. */
  status(vmid: number, signal: AbortSignal): Promise<VmStatus>;
  /** With changes that wait for its next start; Proxmox VE shows stars in the place of a password. */
  config(vmid: number, signal: AbortSignal): Promise<VmConfig>;
}

const Config = z.record(z.string(), z.unknown());

export function createVms(room: ApiRoom): Vms {
  const { pve, inventory } = room;
  return {
    ...createVmPower(room),
    async list(signal) {
      const action = 'list its virtual machines';
      const vms: VmState[] = [];
      for (const { type, node, vmid, ...rest } of await readResources(pve, { family: 'vm', action, signal }))
        if (type === 'qemu' && node !== undefined && vmid !== undefined)
          vms.push(vmState({ node, vmid }, rest));
      return vms.sort((one, other) => one.vmid - other.vmid);
    },
    status: async (vmid, signal) =>
      await inventory.onOwner(vmid, signal, (guest) => readStatus(pve, guest, signal)),
    config: async (vmid, signal) =>
      await inventory.onOwner(vmid, signal, async (guest) => {
        const action = `read the configuration of virtual machine ${vmid}`;
        const request = { method: 'GET', path: guestPath(guest, 'config'), action, signal } as const;
        const { description, digest: _, ...rest } = await pve.request(request, Config);
        return { vmid, node: guest.node, description: textOf(description).trimEnd(), config: texts(rest) };
      }),
  };
}

function texts(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const values = Object.entries(config).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(values.map(([key, value]) => [key, textOf(value)]));
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
