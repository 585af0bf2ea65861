/** Starting and stopping containers, with pct's refusals and the time it takes. */
import { PveError } from './command-line.ts';
import { withConfigLock } from './config-lock.ts';
import type { LabGuest } from './guest.ts';
import { findContainer, type LabNode } from './node.ts';
import type { Worker } from './worker.ts';

const defaultTimeoutS = 60;
/** How long pct still looks whether a guest went down after lxc-stop gave up. */
const graceMs = 2000;

function refuseLocked(guest: LabGuest): void {
  const lock = guest.config.get('lock');
  if (lock !== undefined) throw new PveError(`CT is locked (${lock})`);
}

/** Throws PveError where there is no running container of that id on this node. */
export function getRunning(node: LabNode, vmid: string, word = 'CT'): LabGuest {
  const guest = findContainer(node, Number(vmid));
  if (guest?.pid === undefined) throw new PveError(`${word} ${vmid} not running`);
  return guest;
}

export async function start(self: Worker, node: LabNode, guest: LabGuest): Promise<number> {
  if (guest.pid !== undefined) throw new PveError(`CT ${guest.vmid} already running`);
  refuseLocked(guest);
  if (guest.config.get('template') === '1') throw new PveError("you can't start a CT if it's a template");
  return await withConfigLock(self, node, String(guest.vmid), { isTask: true }, async () => {
    await self.sleep(node.pace.startMs);
    node.boot(guest);
    return 0;
  });
}

export async function stop(self: Worker, node: LabNode, vmid: string): Promise<number> {
  const guest = getRunning(node, vmid);
  refuseLocked(guest);
  await self.sleep(node.pace.stopMs);
  node.halt(guest);
  return 0;
}

/** What is said of a container that did not go down in time. */
export function stopFailure(vmid: string, timeoutS = defaultTimeoutS): string {
  return `command 'lxc-stop -n ${vmid} --nokill --timeout ${timeoutS}' failed: exit code 1`;
}

/** Ends with the status 255 where the container did not go down in time. */
export async function shutdown(
  self: Worker,
  node: LabNode,
  vmid: string,
  options: ReadonlyMap<string, string>,
): Promise<number> {
  const guest = getRunning(node, vmid);
  refuseLocked(guest);
  const timeoutMs = Number(options.get('timeout') ?? defaultTimeoutS) * 1000;
  const overdueMs = guest.shutdownMs - timeoutMs;
  await self.sleep(Math.min(guest.shutdownMs, timeoutMs));
  if (overdueMs > 0 && options.get('forceStop') !== '1') {
    const timeoutS = Math.round(timeoutMs / 1000);
    await self.out(
      `lxc-stop: ${vmid}: ../src/lxc/commands_utils.c: lxc_cmd_sock_rcv_state: 49 Resource temporarily unavailable - Failed to receive message\n`,
    );
    await self.out(`${stopFailure(vmid, timeoutS)}\n`);
    if (overdueMs > graceMs) return 255;
    await self.sleep(overdueMs);
  }
  node.halt(guest);
  return 0;
}

/** A lock does not keep the container from being stopped, only from starting again. */
export async function reboot(self: Worker, node: LabNode, vmid: string): Promise<number> {
  const guest = getRunning(node, vmid, 'VM');
  await self.sleep(node.pace.stopMs);
  node.halt(guest);
  if (guest.config.has('lock')) {
    await self.out('run_buffer: 571 Script exited with status 255\n');
    await self.out(`lxc_init: 845 Failed to run lxc.hook.pre-start for container "${vmid}"\n`);
    await self.out(`__lxc_start: 2039 Failed to initialize container "${vmid}"\n`);
    throw new PveError(`startup for container '${vmid}' failed`);
  }
  await self.sleep(node.pace.startMs);
  node.boot(guest);
  return 0;
}
