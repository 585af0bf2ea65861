/** The configuration of a guest as the API shows it, and what is written to it. */
import { createHash } from 'node:crypto';
import type { LabCluster } from '../proxmox/cluster.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import { confFile, hardwareAddress } from '../proxmox/guests.ts';
import { ApiError, badParameters } from './api-error.ts';
import type { Parameters } from './endpoint.ts';
import { isDiskKey, withNewDisk } from './guest-disks.ts';
import { containerParameters, vmParameters } from './guest-parameters.ts';
import { parameterNamed } from './verify.ts';

export function parametersOf({ kind }: Pick<LabGuest, 'kind'>): Parameters {
  return kind === 'vm' ? vmParameters : containerParameters;
}

export function digestOf(guest: LabGuest): string {
  return createHash('sha1').update(confFile(guest)).digest('hex');
}

/** Numbers as such where the key holds one. */
export function typedValue(guest: Pick<LabGuest, 'kind'>, key: string, value: string): string | number {
  if (key === 'cipassword') return '**********';
  const type = key === 'snaptime' ? 'integer' : parameterNamed(parametersOf(guest), key)?.type;
  return type === 'integer' || type === 'boolean' || type === 'number' ? Number(value) : value;
}

export type Settings = Record<string, string | number>;

/** What is read back of a description has one newline more than what was set. */
export function settingsOf(
  guest: LabGuest,
  config: ReadonlyMap<string, string>,
  description: string | undefined,
): Settings {
  const typed = [...config].map(([key, value]) => [key, typedValue(guest, key, value)]);
  return {
    ...(Object.fromEntries(typed) as Settings),
    ...(description !== undefined && { description: `${description}\n` }),
  };
}

/** As it is now; with what waits for the next start, unless `current`. */
export function currentSettings(guest: LabGuest, { current }: { current: boolean }): Settings {
  const config = new Map(guest.config);
  if (guest.parent !== undefined) config.set('parent', guest.parent);
  if (!current)
    for (const [key, value] of guest.pending)
      if (value === undefined) config.delete(key);
      else config.set(key, value);
  return { ...settingsOf(guest, config, guest.description), digest: digestOf(guest) };
}

/** Keys of a virtual machine that take effect while it runs. */
const effectiveAtOnce =
  /^(name|description|tags|onboot|protection|startup|lock|net\d+|(scsi|virtio|sata|ide|unused)\d+|boot|template|hookscript)$/;

function normalNetwork(guest: Pick<LabGuest, 'kind' | 'vmid'>, key: string, value: string): string {
  const address = hardwareAddress(guest.vmid + 1000 * Number(key.slice('net'.length)));
  if (guest.kind === 'vm')
    return value.replace(/^(virtio|e1000|e1000e|rtl8139|vmxnet3)(?=,|$)/, `$1=${address}`);
  const sorted = value.split(',').sort().join(',');
  const addressed = /\bhwaddr=/.test(sorted) ? sorted : `${sorted},hwaddr=${address}`;
  return /\btype=/.test(addressed) ? addressed : `${addressed},type=veth`;
}

/** The value as the configuration keeps it. Throws ApiError. */
export function normalValue(
  cluster: LabCluster,
  guest: Pick<LabGuest, 'kind' | 'vmid' | 'config'>,
  key: string,
  value: string,
): string {
  if (/^net\d+$/.test(key)) return normalNetwork(guest, key, value);
  if (/^mp\d+$/.test(key) && value.startsWith('/'))
    throw new ApiError(403, 'Permission check failed (mount point type bind is only allowed for root@pam)');
  if (key === 'features' && !/^nesting=[01]$/.test(value))
    throw new ApiError(
      403,
      'Permission check failed (changing feature flags (except nesting) is only allowed for root@pam)',
    );
  const [, storage] = /^([a-z][\w.-]*):cloudinit(?=,|$)/i.exec(value) ?? [];
  if (storage !== undefined) return `${storage}:vm-${guest.vmid}-cloudinit,media=cdrom`;
  return isDiskKey(key) ? withNewDisk(cluster, guest, value) : value;
}

function put(guest: LabGuest, key: string, value: string | undefined): void {
  if (key === 'description') guest.description = value;
  else if (guest.kind === 'vm' && guest.pid !== undefined && !effectiveAtOnce.test(key))
    guest.pending.set(key, value);
  else if (value === undefined) guest.config.delete(key);
  else guest.config.set(key, value);
}

/** What a request wants changed. */
export interface Changes {
  readonly set: ReadonlyMap<string, string>;
  readonly delete: readonly string[];
  readonly revert: readonly string[];
}

/** Changes all or nothing. Throws ApiError. */
export function change(cluster: LabCluster, guest: LabGuest, changes: Changes): void {
  const known = parametersOf(guest);
  for (const key of changes.delete) {
    if (parameterNamed(known, key) === undefined) throw badParameters({ delete: `unknown option '${key}'` });
    if (key === 'rootfs') throw new ApiError(500, `unable to delete required option '${key}'`);
  }
  const values = [...changes.set].map(([key, value]): [string, string] => [
    key,
    normalValue(cluster, guest, key, value),
  ]);
  for (const key of changes.revert) guest.pending.delete(key);
  for (const key of changes.delete) put(guest, key, undefined);
  for (const [key, value] of values) put(guest, key, value);
}
