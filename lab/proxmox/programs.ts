/** The programs of the node: a container's, and those of Proxmox VE. */
import type { Program } from '../process/process.ts';
import { containerPrograms } from '../programs/catalog.ts';
import { lxcAttach } from './attach.ts';
import { lxcInfo, lxcLs } from './lxc-tools.ts';
import type { LabNode } from './node.ts';
import { pct } from './pct.ts';
import { qm } from './qm.ts';

const pveVersion: Program = async (self) => {
  await self.out('pve-manager/9.2.11/14a22df3c (running kernel: 6.14.8-2-pve)\n');
  return 0;
};

export function nodePrograms(node: LabNode): ReadonlyMap<string, Program> {
  return new Map([
    ...containerPrograms,
    ...Object.entries({
      ...{ pct: pct(node), qm: qm(node), pveversion: pveVersion },
      ...{ 'lxc-attach': lxcAttach(node), 'lxc-info': lxcInfo(node), 'lxc-ls': lxcLs(node) },
    }),
  ]);
}
