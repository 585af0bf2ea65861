/** lxc-info and lxc-ls. */
import type { Program } from '../process/process.ts';
import { readOptions } from '../programs/options.ts';
import { addressOf } from './guests.ts';
import { findContainer, type LabNode } from './node.ts';

export function lxcInfo(node: LabNode): Program {
  return async (self) => {
    const { get, has } = readOptions(self.argv.slice(1), { valued: ['n', 'name', 'c', 'config'] });
    const name = get('n', 'name') ?? '';
    const guest = findContainer(node, Number(name));
    if (guest?.bootedMs === undefined) {
      await self.err(`${name} doesn't exist\n`);
      return 1;
    }
    if (guest.pid === undefined) {
      await self.out(
        has('H') ? 'STOPPED\n' : `${has('s') ? '' : `Name:           ${name}\n`}State:          STOPPED\n`,
      );
      return 0;
    }
    const rows: readonly (readonly [string, string, string])[] = [
      ['', 'Name:', name],
      ['s', 'State:', 'RUNNING'],
      ['p', 'PID:', String(guest.pid)],
      ['i', 'IP:', addressOf(guest.config)],
      ['S', 'CPU use:', '1.55 seconds'],
      ['S', 'BlkIO use:', '0 bytes'],
      ['S', 'Memory use:', '8.27 MiB'],
      ['S', 'KMem use:', '616.00 KiB'],
      ['S', 'Link:', `veth${name}i0`],
      ['S', ' TX bytes:', '1006 bytes'],
      ['S', ' RX bytes:', '560 bytes'],
      ['S', ' Total bytes:', '1.53 KiB'],
    ];
    const some = has('s', 'p', 'i', 'S', 'state', 'pid', 'ips', 'stats');
    for (const [letter, label, value] of rows) {
      if (some && !(letter !== '' && has(letter))) continue;
      await self.out(has('H', 'no-humanize') ? `${value}\n` : `${label.padEnd(16)}${value}\n`);
    }
    return 0;
  };
}

export function lxcLs(node: LabNode): Program {
  return async (self) => {
    const { has } = readOptions(self.argv.slice(1).map((arg) => (arg === '-1' ? '--line' : arg)));
    const active = has('active', 'running');
    const names = [...node.guests.values()]
      .filter((guest) => findContainer(node, guest.vmid) !== undefined)
      .filter(({ pid }) => !active || pid !== undefined)
      .map(({ vmid }) => String(vmid));
    if (has('line')) await self.out(names.map((name) => `${name}\n`).join(''));
    else if (names.length > 0) await self.out(`${names.join(' ')} \n`);
    return 0;
  };
}
