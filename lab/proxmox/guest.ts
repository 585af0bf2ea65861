/** A guest as it is: configuration, snapshots, whether it runs, and the machine of a container. */
import { toByteString } from '../byte-string.ts';
import { mount } from '../files/mount.ts';
import { createTree } from '../files/tree.ts';
import { layContainer } from '../machine/layout.ts';
import type { Machine, Program } from '../process/process.ts';
import { addressOf, configOf, type LabGuestSpec, type LabSnapshot } from './guests.ts';

/** What one machine's files may hold together. */
export const maxMachineBytes = 256 * 1024 * 1024;

export interface LabGuest {
  readonly vmid: number;
  readonly kind: 'container' | 'vm';
  node: string;
  /** The configuration's keys; `hostname`, `lock`, `tags` and `template` are among them. */
  readonly config: Map<string, string>;
  /** What changes at the next start; undefined is a key that goes. */
  readonly pending: Map<string, string | undefined>;
  description: string | undefined;
  snapshots: LabSnapshot[];
  /** The snapshot that the present state came from. */
  parent: string | undefined;
  shutdownMs: number;
  /** Of the guest's init, while it runs. */
  pid: number | undefined;
  /** Whether a running virtual machine stands still. */
  paused: boolean;
  /** Of the latest start; lxc knows nothing of a container before its first. */
  bootedMs: number | undefined;
  /** Where a container's commands run. */
  readonly machine: Machine | undefined;
}

export function createGuest(
  spec: LabGuestSpec & { readonly node: string },
  programs: ReadonlyMap<string, Program>,
): LabGuest {
  const { vmid, kind = 'container', node, without = [] } = spec;
  const config = configOf(spec);
  const files = createTree({ maxBytes: maxMachineBytes });
  const own = new Map([...programs].filter(([name]) => !without.includes(name)));
  const machine: Machine = {
    ...{ kind: 'container', files, programs: own },
    get memoryMiB() {
      return Number(config.get('memory') ?? 512);
    },
    hostname: () => toByteString(config.get('hostname') ?? `CT${vmid}`),
    address: () => addressOf(config),
    bootedMs: () => guest.bootedMs ?? Date.now(),
  };
  const snapshots = [...(spec.snapshots ?? [])];
  const guest: LabGuest = {
    ...{
      vmid,
      kind,
      node,
      config,
      pending: new Map(),
      description: spec.description,
      shutdownMs: spec.shutdownMs ?? 200,
    },
    ...{ snapshots, parent: snapshots.at(-1)?.name, pid: undefined, paused: false, bootedMs: undefined },
    machine: kind === 'container' ? machine : undefined,
  };
  if (kind === 'container') layContainer(machine);
  for (const wanted of spec.mounts ?? []) mount(files, wanted);
  return guest;
}
