/** Takes away what unfinished transfers have left on the host and in containers. */
import { GatewayError } from '../../base/errors.ts';
import { wholeText } from '../../exec/capture.ts';
import type { Executor } from '../../exec/executor.ts';
import type { Hosts } from '../hosts.ts';
import type { Inventory } from '../inventory.ts';
import type { Residue, Unfinished, UnfinishedEntry } from './unfinished.ts';

const timeoutMs = 20_000;
const maxOutputBytes = 4 * 1024;
/** A container that does not run keeps what is in it; after this time nobody waits for it any more. */
const forgottenAfterMs = 30 * 24 * 3600_000;
/** Nothing is on its way for so long, whoever staged it. */
const agedMinutes = 24 * 60;
const agedEveryMs = 6 * 3600_000;

const partScript = `cd -P -- "$1" 2>/dev/null || exit 0; rm -f -- "./$2"; [ ! -e "./$2" ]`;
const stagedScript = `rm -rf -- "$1"`;
/** SFTP is of the SSH user, also where commands run as root. */
const agedScript = `find "$1" -maxdepth 1 -type d -name 'proxmox-mcp-*' -user "\${SUDO_UID:-$(id -u)}" -mmin +"$2" -exec rm -rf -- {} +`;

/** SECURITY: what was written down is taken for no more than it can be: names that only transfers make. */
const stagedName = /^\/[^\0]*\/proxmox-mcp-[0-9a-f-]{36}$/;
const partName = /^\.proxmox-mcp-[0-9a-f-]{36}\.part$/;

export function createSweep(input: {
  hosts: Hosts;
  inventory: Inventory;
  directory: string;
  unfinished: Unfinished;
}): (signal: AbortSignal) => Promise<void> {
  const { hosts, inventory, directory, unfinished } = input;
  let agedAt = Number.NEGATIVE_INFINITY;

  const succeeds = async (
    executor: Executor,
    argv: readonly string[],
    signal: AbortSignal,
  ): Promise<boolean> => {
    const [program = '', ...rest] = argv;
    const command = {
      argv: [program, ...rest] as [string, ...string[]],
      timeoutMs,
      maxBytes: maxOutputBytes,
    };
    const { exitCode, stdout } = await executor.run(command, { signal });
    return exitCode === 0 && wholeText(stdout) === '';
  };

  /** Whether nothing of it is left. */
  const take = async (residue: Residue, signal: AbortSignal): Promise<boolean> => {
    if (residue.kind === 'staged') {
      if (!stagedName.test(residue.path)) return true;
      const { node } = residue;
      const executor = node === undefined ? hosts.first : (await hosts.on(node, signal)).executor;
      return await succeeds(executor, ['/bin/sh', '-c', stagedScript, 'sh', residue.path], signal);
    }
    if (!partName.test(residue.name)) return true;
    const shell = ['/bin/sh', '-c', partScript, 'sh', residue.directory, residue.name];
    if (residue.vmid === undefined) return await succeeds(hosts.first, shell, signal);
    const found = await inventory.find(residue.vmid, signal);
    if (found?.kind !== 'container') return true;
    const guest = await inventory.get(residue.vmid, signal);
    if (guest.status !== 'running') return false;
    const { executor } = await hosts.on(guest.node, signal);
    return await succeeds(executor, (await inventory.driver(signal)).attach(residue.vmid, shell), signal);
  };

  const settle = async (entry: UnfinishedEntry, signal: AbortSignal): Promise<void> => {
    const forgotten = Date.now() - entry.addedAt > forgottenAfterMs;
    if (forgotten || (await take(entry.residue, signal))) await entry.remove();
  };

  return async (signal) => {
    let failed: unknown;
    for (const entry of await unfinished.listStale()) {
      // One container that does not answer must not keep all others from being swept.
      await settle(entry, signal).catch((error: unknown) => {
        failed ??= error;
      });
      if (signal.aborted || isOutOfReach(failed)) break;
    }
    if (performance.now() - agedAt >= agedEveryMs && !isOutOfReach(failed)) await sweepAged(signal);
    if (failed !== undefined) throw failed;
  };

  async function sweepAged(signal: AbortSignal): Promise<void> {
    await succeeds(hosts.first, ['/bin/sh', '-c', agedScript, 'sh', directory, String(agedMinutes)], signal);
    agedAt = performance.now();
  }
}

function isOutOfReach(error: unknown): boolean {
  return error instanceof GatewayError && ['CONNECTION_LOST', 'HOST_UNREACHABLE'].includes(error.code);
}
