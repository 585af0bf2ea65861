/** Endpoints that tell about the nodes themselves. */

import { kernelRelease } from '../programs/system.ts';
import { nodeFiguresOf } from '../proxmox/figures.ts';
import { version } from './cluster.ts';
import { type Call, defineEndpoint, type Endpoint } from './endpoint.ts';
import { nodeResource } from './resources.ts';

const kernelVersion = '#1 SMP PREEMPT_DYNAMIC PMX 6.14.8-2';

function status({ node }: Call): object {
  const { cpu, cpus, mem, maxmem, disk, maxdisk, uptime } = nodeFiguresOf(node);
  return {
    ...{ cpu, wait: 0, idle: 0, uptime, loadavg: ['0.42', '0.37', '0.31'], ksm: { shared: 0 } },
    memory: { total: maxmem, used: mem, free: maxmem - mem, available: maxmem - mem },
    swap: { total: 0, used: 0, free: 0 },
    rootfs: { total: maxdisk, used: disk, free: maxdisk - disk, avail: maxdisk - disk },
    cpuinfo: {
      ...{ cpus, cores: cpus, sockets: 1, model: 'AMD EPYC', vendor: 'AuthenticAMD', mhz: '2596.122' },
      ...{ user_hz: 100, hvm: '1', family: '26', flags: 'fpu vme de pse tsc msr pae' },
    },
    'boot-info': { mode: 'efi' },
    'current-kernel': { sysname: 'Linux', machine: 'x86_64', release: kernelRelease, version: kernelVersion },
    kversion: `Linux ${kernelRelease} ${kernelVersion}`,
    pveversion: `pve-manager/${version.version}/${version.repoid}`,
  };
}

/** All its guests go down with it; those that start with the node are there again after a reboot. */
function switchOff({ node, values }: Call): null {
  const own = [...node.guests.values()].filter(
    (guest) => guest.node === node.name && guest.pid !== undefined,
  );
  for (const guest of own) {
    node.halt(guest);
    if (values.text('command') === 'reboot' && guest.config.get('onboot') === '1') node.boot(guest);
  }
  return null;
}

function time() {
  const nowS = Math.floor(Date.now() / 1000);
  return { time: nowS, localtime: nowS, timezone: 'Etc/UTC' };
}

export const nodeEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes', about: 'Lists the nodes of the cluster.', permission: 'all' },
    returns: 'array',
    run: (call) =>
      [...call.cluster.nodes.values()].map((node) => ({
        ...nodeResource(call, node),
        ssl_fingerprint: node.apiFingerprint,
      })),
  }),
  defineEndpoint({
    method: 'GET',
    path: '/nodes/{node}/status',
    about: 'Tells the load, memory, disk and versions of a node.',
    ...{ permission: { path: '/nodes/{node}', privileges: ['Sys.Audit'] }, returns: 'object' },
    run: status,
  }),
  defineEndpoint({
    ...{ method: 'POST', path: '/nodes/{node}/status', about: 'Reboots a node or switches it off.' },
    permission: { path: '/nodes/{node}', privileges: ['Sys.PowerMgmt'] },
    parameters: { command: { type: 'string', enum: ['reboot', 'shutdown'], about: 'Which of the two.' } },
    run: switchOff,
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/version', about: 'Tells the version of the API on a node.' },
    ...{ permission: 'all', returns: 'object' },
    run: () => version,
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/time', about: 'Tells the time on a node.', returns: 'object' },
    permission: { path: '/nodes/{node}', privileges: ['Sys.Audit'] },
    run: time,
  }),
];
