/** Starting, stopping and pausing virtual machines, with qemu-server's refusals and the time it takes. */
import { PveError } from './command-line.ts';
import type { LabGuest } from './guest.ts';
import type { LabNode } from './node.ts';
import type { Worker } from './worker.ts';

const defaultTimeoutS = 180;

export interface ShutdownOptions {
  readonly timeoutS?: number | undefined;
  readonly forceStop?: boolean;
}

/** A machine whose memory lies on a disk is started again from there. */
function refuseLocked({ config }: LabGuest, allowed = ''): void {
  const lock = config.get('lock');
  if (lock !== undefined && lock !== allowed) throw new PveError(`VM is locked (${lock})`);
}

/** Throws PveError where it does not run. */
export function requireRunningVm({ vmid, pid }: LabGuest): void {
  if (pid === undefined) throw new PveError(`VM ${vmid} not running`);
}

export async function startVm(self: Worker, node: LabNode, guest: LabGuest): Promise<void> {
  const { vmid, config } = guest;
  if (guest.pid !== undefined) throw new PveError(`VM ${vmid} already running`);
  refuseLocked(guest, 'suspended');
  if (config.get('template') === '1') throw new PveError("you can't start a vm if it's a template");
  await self.sleep(node.pace.startMs);
  if (config.get('lock') === 'suspended') config.delete('lock');
  node.boot(guest);
}

/** One that is stopped stays so. */
export async function stopVm(self: Worker, node: LabNode, guest: LabGuest): Promise<void> {
  if (guest.pid === undefined) return;
  refuseLocked(guest);
  await self.sleep(node.pace.stopMs);
  node.halt(guest);
}

export async function shutdownVm(
  self: Worker,
  node: LabNode,
  guest: LabGuest,
  { timeoutS = defaultTimeoutS, forceStop = false }: ShutdownOptions,
): Promise<void> {
  if (guest.pid === undefined) return;
  refuseLocked(guest);
  const timeoutMs = timeoutS * 1000;
  await self.sleep(Math.min(guest.shutdownMs, timeoutMs));
  if (guest.shutdownMs > timeoutMs) {
    if (!forceStop) throw new PveError('VM quit/powerdown failed - got timeout');
    await self.err('VM quit/powerdown failed - terminating now with SIGTERM\n');
  }
  node.halt(guest);
}

export async function rebootVm(
  self: Worker,
  node: LabNode,
  guest: LabGuest,
  options: ShutdownOptions,
): Promise<void> {
  await shutdownVm(self, node, guest, options);
  await startVm(self, node, guest);
}

export async function resetVm(self: Worker, node: LabNode, guest: LabGuest): Promise<void> {
  requireRunningVm(guest);
  refuseLocked(guest);
  await self.sleep(node.pace.stopMs);
  node.halt(guest);
  node.boot(guest);
}

export async function suspendVm(
  self: Worker,
  node: LabNode,
  guest: LabGuest,
  { toDisk }: { toDisk: boolean },
): Promise<void> {
  requireRunningVm(guest);
  refuseLocked(guest);
  await self.sleep(node.pace.stopMs);
  if (toDisk) {
    node.halt(guest);
    guest.config.set('lock', 'suspended');
  } else guest.paused = true;
}

export async function resumeVm(self: Worker, node: LabNode, guest: LabGuest): Promise<void> {
  if (guest.config.get('lock') === 'suspended') {
    await startVm(self, node, guest);
    return;
  }
  requireRunningVm(guest);
  refuseLocked(guest);
  guest.paused = false;
}
