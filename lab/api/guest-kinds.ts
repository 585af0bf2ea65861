/** In what the two kinds of guests differ as the API sees them. */
import type { LabCluster } from '../proxmox/cluster.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import { ApiError } from './api-error.ts';
import type { Call, Parameter } from './endpoint.ts';

export interface GuestKind {
  readonly kind: LabGuest['kind'];
  /** Its part of a path. */
  readonly path: 'lxc' | 'qemu';
  /** The directory of configurations. */
  readonly folder: 'lxc' | 'qemu-server';
  readonly word: 'CT' | 'VM';
  /** The types of its tasks begin with this. */
  readonly task: 'vz' | 'qm';
  /** The key of the configuration that holds the name. */
  readonly nameKey: 'hostname' | 'name';
}

export const containerKind: GuestKind = {
  ...{ kind: 'container', path: 'lxc', folder: 'lxc', word: 'CT', task: 'vz', nameKey: 'hostname' },
};

export const vmKind: GuestKind = {
  ...{ kind: 'vm', path: 'qemu', folder: 'qemu-server', word: 'VM', task: 'qm', nameKey: 'name' },
};

export function kindOf({ kind }: Pick<LabGuest, 'kind'>): GuestKind {
  return kind === 'vm' ? vmKind : containerKind;
}

export function nameOf(guest: LabGuest): string {
  return guest.config.get(kindOf(guest).nameKey) ?? `${kindOf(guest).word}${guest.vmid}`;
}

/** A limit on copying; a machine's is a whole number. */
export function bandwidthLimit({ kind }: Pick<GuestKind, 'kind'>): Parameter {
  const type = kind === 'vm' ? 'integer' : 'number';
  return { type, optional: true, minimum: 0, about: 'Most KiB a second.' };
}

/** The guest of that kind on the node that the request names. */
export function findGuest({ cluster, node, values }: Call, { kind }: GuestKind): LabGuest | undefined {
  const guest = cluster.guests.get(values.number('vmid'));
  return guest?.kind === kind && guest.node === node.name ? guest : undefined;
}

export function missingGuest({ node, values }: Call, { folder }: GuestKind): ApiError {
  const file = `nodes/${node.name}/${folder}/${values.text('vmid')}.conf`;
  return new ApiError(500, `Configuration file '${file}' does not exist`);
}

/** Throws ApiError 500. */
export function getGuest(call: Call, kind: GuestKind): LabGuest {
  const guest = findGuest(call, kind);
  if (guest === undefined) throw missingGuest(call, kind);
  return guest;
}

/** Throws ApiError 500 where the configuration is locked. */
export function refuseLocked({ config, kind }: LabGuest): void {
  const lock = config.get('lock');
  if (lock !== undefined) throw new ApiError(500, `${kindOf({ kind }).word} is locked (${lock})`);
}

/** Throws ApiError 500 where the id is taken, by whichever kind on whichever node. */
export function refuseTaken(cluster: LabCluster, vmid: number): void {
  const taken = cluster.guests.get(vmid);
  if (taken === undefined) return;
  throw new ApiError(500, `${kindOf(taken).word} ${vmid} already exists on node '${taken.node}'`);
}
