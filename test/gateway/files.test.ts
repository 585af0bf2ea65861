/** The suite of file transfers on the lab, which runs everywhere. */
import { deviceNode, root } from '../../lab/files/inode.ts';
import { mount } from '../../lab/files/mount.ts';
import { addNode, locate } from '../../lab/files/tree.ts';
import type { LabGuestSpec } from '../../lab/lab.ts';
import { type Site, vmids, type Where } from '../files/site.ts';
import { fileSuite } from '../files/suite.ts';
import { startTestGateway } from './harness.ts';

const guests: readonly LabGuestSpec[] = [
  { vmid: vmids.usual, name: 'web1', status: 'running' },
  { vmid: vmids.stopped, name: 'db1' },
  { vmid: vmids.bare, name: 'bare1', status: 'running', without: ['sha256sum'] },
  { vmid: vmids.mortal, name: 'mortal1', status: 'running' },
];

async function start(env: Record<string, string>): Promise<Site> {
  const gateway = await startTestGateway({ guests, env });
  const { url, metricsUrl, stateDir, lab } = gateway;
  const { node } = lab;
  const treeOf = (where: Where) => {
    const machine = where === 'host' ? node.machine : node.guest(vmids.usual)?.machine;
    if (machine === undefined) throw new Error('the container is gone');
    return machine.files;
  };
  return {
    longBytes: 128 * 1024 * 1024,
    ...{ url, metricsUrl, stateDir, modern: gateway.modern, legacy: gateway.legacy, audit: gateway.audit },
    async mount(where, path, freeBytes) {
      mount(treeOf(where), { path, freeBytes });
    },
    async freeze(where, path) {
      mount(treeOf(where), { path, readOnly: true });
    },
    async plant(where, kind, path) {
      // Every file of the lab says how long it is.
      if (kind === 'pseudo') return false;
      const node = deviceNode(kind === 'socket' ? 'socket' : 'block');
      addNode(locate(treeOf(where), path), node, root);
      return true;
    },
    slowPct(ms) {
      node.pace.copyMs = ms;
    },
    processes: async () => node.processes.visibleFrom(node.machine).map(({ argv }) => argv.join(' ')),
    close: gateway.close,
  };
}

fileSuite(start);
