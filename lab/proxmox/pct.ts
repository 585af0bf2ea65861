/** pct: Proxmox VE's own command for containers, in the parts that a gateway and its users meet. */
import type { Process, Program } from '../process/process.ts';
import { attach } from './attach.ts';
import { decodeArgument, type Parsed, PveError, parseCommandLine, type Verb } from './command-line.ts';
import { withConfigLock } from './config-lock.ts';
import type { LabGuest } from './guest.ts';
import { configLines } from './guests.ts';
import { findContainer, type LabNode } from './node.ts';
import { reboot, shutdown, start, stop } from './power.ts';
import { pull, push } from './push-pull.ts';
import { listSnapshots, statusLines } from './status.ts';

const transfer = { perms: 'text', user: 'text', group: 'text' } as const;
const only = (options: Verb['options'] = {}): Verb => ({ params: ['vmid'], options });

/** All of pct's verbs, so that prefixes are as ambiguous as they are; most are beyond the lab. */
const verbs: Readonly<Record<string, Verb>> = {
  list: { params: [], options: {} },
  status: only({ verbose: 'boolean' }),
  config: only({ current: 'boolean', snapshot: 'text' }),
  start: only({ debug: 'boolean', skiplock: 'boolean' }),
  stop: only({ 'overrule-shutdown': 'boolean', skiplock: 'boolean' }),
  shutdown: only({ timeout: 'integer', forceStop: 'boolean' }),
  reboot: only({ timeout: 'integer' }),
  exec: { params: ['vmid'], options: { 'keep-env': 'boolean' }, rest: '[<extra-args>]' },
  enter: only({ 'keep-env': 'boolean' }),
  push: { params: ['vmid', 'file', 'destination'], options: transfer },
  pull: { params: ['vmid', 'path', 'destination'], options: transfer },
  unlock: only(),
  listsnapshot: only(),
  ...Object.fromEntries(
    [
      'pending',
      'suspend',
      'resume',
      'console',
      'snapshot',
      'delsnapshot',
      'rollback',
      'clone',
      'create',
      'restore',
    ]
      .concat(['destroy', 'resize', 'set', 'template', 'move-volume', 'migrate', 'remote-migrate', 'mount'])
      .concat(['unmount', 'df', 'fsck', 'fstrim', 'rescan', 'cpusets'])
      .map((verb): [string, Verb] => [verb, { params: [], options: {}, rest: '' }]),
  ),
};

/** Throws PveError, with status 2 where the caller's verb reads the configuration first. */
function getContainer(node: LabNode, vmid: string, status = 2): LabGuest {
  const guest = findContainer(node, Number(vmid));
  if (guest === undefined)
    throw new PveError(`Configuration file 'nodes/${node.name}/lxc/${vmid}.conf' does not exist`, status);
  return guest;
}

export function pct(node: LabNode): Program {
  return async (self) => {
    const args = self.argv.slice(1).map((arg) => decodeArgument(arg, self.env));
    if (self.who.uid !== 0) return await refuseUser(self);
    try {
      return await carryOut(self, node, parseCommandLine('pct', verbs, args));
    } catch (error) {
      if (!(error instanceof PveError)) throw error;
      await self.err(`${error.message}\n`);
      return error.status;
    }
  };
}

async function refuseUser(self: Process): Promise<number> {
  for (const call of [1, 2, 3]) await self.err(`ipcc_send_rec[${call}] failed: Unknown error -1\n`);
  await self.err('Unable to load access control list: Unknown error -1\n');
  return 255;
}

async function carryOut(self: Process, node: LabNode, parsed: Parsed): Promise<number> {
  const { verb, params, options } = parsed;
  const [vmid = ''] = params;
  switch (verb) {
    case 'list':
      await self.out(containerTable(node));
      return 0;
    case 'status':
      await self.out(statusLines(getContainer(node, vmid), options.get('verbose') === '1'));
      return 0;
    case 'config':
      await self.out(configOfSnapshot(getContainer(node, vmid), options.get('snapshot')));
      return 0;
    case 'listsnapshot':
      await self.out(listSnapshots(getContainer(node, vmid)));
      return 0;
    case 'start':
      return await start(self, node, getContainer(node, vmid, 255));
    case 'stop':
      return await stop(self, node, vmid);
    case 'shutdown':
      return await shutdown(self, node, vmid, options);
    case 'reboot':
      return await reboot(self, node, vmid);
    case 'unlock': {
      const { config } = getContainer(node, vmid);
      if (!config.delete('lock')) throw new PveError('no lock found trying to remove any lock');
      return 0;
    }
    case 'exec':
    case 'enter':
      return await exec(self, node, parsed);
    case 'push':
      return await withConfigLock(self, node, vmid, { isTask: false }, () => push(self, node, parsed));
    case 'pull':
      return await withConfigLock(self, node, vmid, { isTask: false }, () => pull(self, node, parsed));
    default:
      throw new PveError(`pct ${verb} is beyond this pretend node`);
  }
}

function containerTable(node: LabNode): string {
  const row = (...cells: [string, string, string, string]) =>
    `${cells[0].padEnd(10)} ${cells[1].padEnd(10)} ${cells[2].padEnd(12)} ${cells[3].padEnd(20)}\n`;
  const guests = [...node.guests.values()]
    .filter(({ vmid }) => findContainer(node, vmid) !== undefined)
    .sort((a, b) => a.vmid - b.vmid);
  if (guests.length === 0) return '';
  const rows = guests.map(({ vmid, pid, config }) =>
    row(
      String(vmid),
      pid === undefined ? 'stopped' : 'running',
      config.get('lock') ?? '',
      config.get('hostname') ?? '',
    ),
  );
  return row('VMID', 'Status', 'Lock', 'Name') + rows.join('');
}

function configOfSnapshot(guest: LabGuest, name: string | undefined): string {
  if (name === undefined) return configLines(guest);
  const snapshot = guest.snapshots.find((known) => known.name === name);
  if (snapshot === undefined) throw new PveError(`snapshot '${name}' does not exist`);
  const config = new Map([...guest.config, ['snaptime', String(snapshot.timeS)]]);
  if (snapshot.parent !== undefined) config.set('parent', snapshot.parent);
  return configLines({ config, description: snapshot.description });
}

async function exec(self: Process, node: LabNode, { verb, params, options, rest }: Parsed): Promise<number> {
  const [vmid = ''] = params;
  const guest = getContainer(node, vmid);
  if (guest.pid === undefined) throw new PveError(`container '${vmid}' not running!`);
  if (verb === 'exec' && rest.length === 0)
    throw new PveError('missing command at /usr/share/perl5/PVE/CLI/pct.pm line 246.');
  const env = new Map([...self.env, ['PATH', '/sbin:/bin:/usr/sbin:/usr/bin']]);
  env.delete('SSL_CERT_FILE');
  env.delete('SSL_CERT_DIR');
  const keepEnv = options.get('keep-env') !== '0';
  const argv = verb === 'enter' ? ['/bin/sh'] : rest;
  return await attach(self, node, { name: vmid, keepEnv, extra: [], argv }, env);
}
