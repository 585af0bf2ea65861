/** qm: virtual machines, as far as listing and switching them on and off goes. */
import type { Program } from '../process/process.ts';
import { type Parsed, PveError, parseCommandLine, type Verb } from './command-line.ts';
import type { LabGuest } from './guest.ts';
import { configLines } from './guests.ts';
import type { LabNode } from './node.ts';
import { statusLines } from './status.ts';
import { shutdownVm, startVm, stopVm } from './vm-power.ts';

const only = (options: Verb['options'] = {}): Verb => ({ params: ['vmid'], options });

const verbs: Readonly<Record<string, Verb>> = {
  list: { params: [], options: { full: 'boolean' } },
  status: only({ verbose: 'boolean' }),
  config: only({ current: 'boolean' }),
  start: only({ skiplock: 'boolean' }),
  stop: only({ skiplock: 'boolean' }),
  shutdown: only({ timeout: 'integer', forceStop: 'boolean' }),
};

function getVm(node: LabNode, vmid: string, status: number): LabGuest {
  const guest = node.guests.get(Number(vmid));
  if (guest?.kind !== 'vm' || guest.node !== node.name)
    throw new PveError(
      `Configuration file 'nodes/${node.name}/qemu-server/${vmid}.conf' does not exist`,
      status,
    );
  return guest;
}

function table(node: LabNode): string {
  const vms = [...node.guests.values()].filter(
    ({ kind, node: owner }) => kind === 'vm' && owner === node.name,
  );
  if (vms.length === 0) return '';
  const row = (vmid: string, name: string, status: string, memory: string, disk: string, pid: string) =>
    `${vmid.padStart(10)} ${name.padEnd(20)} ${status.padEnd(10)} ${memory.padEnd(10)} ${disk.padStart(12)} ${pid.padEnd(10)}\n`;
  const rows = vms
    .sort((a, b) => a.vmid - b.vmid)
    .map(({ vmid, config, pid }) =>
      row(
        String(vmid),
        config.get('name') ?? '',
        pid === undefined ? 'stopped' : 'running',
        config.get('memory') ?? '512',
        '0.00',
        String(pid ?? 0),
      ),
    );
  return row('VMID', 'NAME', 'STATUS', 'MEM(MB)', 'BOOTDISK(GB)', 'PID') + rows.join('');
}

export function qm(node: LabNode): Program {
  const carryOut = async (
    self: Parameters<Program>[0],
    { verb, params, options }: Parsed,
  ): Promise<number> => {
    const [vmid = ''] = params;
    if (verb === 'list') {
      await self.out(table(node));
      return 0;
    }
    const guest = getVm(node, vmid, verb === 'status' || verb === 'config' ? 2 : 255);
    if (verb === 'status') await self.out(statusLines(guest, options.get('verbose') === '1'));
    else if (verb === 'config') await self.out(configLines(guest));
    else {
      const timeout = options.get('timeout');
      if (verb === 'shutdown' && guest.pid === undefined) await self.err(`VM ${vmid} not running\n\n`);
      if (verb === 'start') await startVm(self, node, guest);
      else if (verb === 'stop') await stopVm(self, node, guest);
      else
        await shutdownVm(self, node, guest, {
          timeoutS: timeout === undefined ? undefined : Number(timeout),
          forceStop: options.get('forceStop') === '1',
        });
    }
    return 0;
  };
  return async (self) => {
    try {
      return await carryOut(self, parseCommandLine('qm', verbs, self.argv.slice(1)));
    } catch (error) {
      if (!(error instanceof PveError)) throw error;
      await self.err(`${error.message}\n`);
      return error.status;
    }
  };
}
