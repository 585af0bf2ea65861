/** Endpoints that tell how nodes, guests and storages fared over time. */
import { figuresOf, nodeFiguresOf } from '../proxmox/figures.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import type { LabNode } from '../proxmox/node.ts';
import { ApiError } from './api-error.ts';
import {
  type Call,
  defineEndpoint,
  type Endpoint,
  type Parameter,
  type Parameters,
  type Permission,
} from './endpoint.ts';
import { figuresOver, type Row, type Series, type Timeframe } from './history-figures.ts';
import { getStorage, seesStorage } from './storage.ts';
import { storagesOf } from './storages.ts';

const gibibyte = 1024 ** 3;

const cf: Parameter = {
  ...{ type: 'string', optional: true, enum: ['AVERAGE', 'MAX'] },
  about: 'How the measurements of a row are put together.',
};

const frames = ['hour', 'day', 'week', 'month', 'year'] as const;

function parameters(timeframes: readonly string[]): Parameters {
  return { timeframe: { type: 'string', enum: timeframes, about: 'How far back.' }, cf };
}

function rows(call: Call, subject: string, series: Series): Row[] {
  return figuresOver({
    ...{ subject, series, timeframe: timeframeOf(call), nowS: Date.now() / 1000 },
    cf: call.values.find('cf') === 'MAX' ? 'MAX' : 'AVERAGE',
  });
}

function timeframeOf({ values }: Call): Timeframe {
  const wanted = values.text('timeframe');
  return [...frames, 'decade' as const].find((frame) => frame === wanted) ?? 'hour';
}

const counters = ['netin', 'netout', 'diskread', 'diskwrite'] as const;

function guestSeries(guest: LabGuest): Series {
  const { cpu, cpus, mem, maxmem, disk, maxdisk, uptime, ...figures } = figuresOf(guest);
  const load = { level: cpu, swing: cpu / 2 };
  const memory = { level: mem, swing: maxmem / 20 };
  const rates = counters.map((name) => [name, { level: figures[name] / (uptime + 1), swing: 800 }] as const);
  const runs = guest.pid !== undefined;
  return {
    ...{ maxcpu: cpus, maxmem, maxdisk, disk, cpu: runs ? load : 0, mem: runs ? memory : 0 },
    ...(guest.kind === 'vm' && { memhost: runs ? { ...memory, level: mem * 1.1 } : 0 }),
    ...(runs ? Object.fromEntries(rates) : Object.fromEntries(counters.map((name) => [name, 0]))),
  };
}

function guestRows(call: Call, kind: LabGuest['kind']): Row[] {
  const vmid = call.values.number('vmid');
  const guest = call.cluster.guests.get(vmid);
  if (guest?.kind !== kind) {
    const file = `/var/lib/rrdcached/db/pve-vm-9.0/${vmid}`;
    const reason = `rrd_fetch_r failed: opening '${file}': No such file or directory`;
    throw new ApiError(500, `RRD error: rrdcached@unix:/var/run/rrdcached.sock: ${reason}`);
  }
  return rows(call, `guest ${vmid}`, guestSeries(guest));
}

function nodeSeries(node: LabNode): Series {
  const { cpu, cpus, mem, maxmem, disk, maxdisk } = nodeFiguresOf(node);
  return {
    ...{ maxcpu: cpus, memtotal: maxmem, roottotal: maxdisk, swaptotal: 8 * gibibyte, swapused: 0 },
    cpu: { level: cpu, swing: cpu / 2 },
    iowait: { level: 0.01, swing: 0.01 },
    loadavg: { level: cpu * cpus, swing: cpu * 2 },
    memused: { level: mem, swing: maxmem / 20 },
    memavailable: { level: maxmem - mem, swing: maxmem / 20 },
    rootused: { level: disk, swing: disk / 50 },
    netin: { level: 48_000, swing: 40_000 },
    netout: { level: 31_000, swing: 25_000 },
  };
}

function storageRows(call: Call): Row[] {
  const storage = getStorage(call, call.values.text('storage'));
  const used = storagesOf(call.cluster).usedBytes(storage, call.node.name);
  const series = { total: storage.totalBytes, used: { level: used, swing: used / 100, isWhole: true } };
  return rows(call, `storage ${storage.storage}`, series);
}

const ofGuest: Permission = { path: '/vms/{vmid}', privileges: ['VM.Audit'] };

export const historyEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/rrddata', about: 'Tells how a node fared.', returns: 'array' },
    permission: { path: '/nodes/{node}', privileges: ['Sys.Audit'] },
    parameters: parameters([...frames, 'decade']),
    run: (call) => rows(call, `node ${call.node.name}`, nodeSeries(call.node)),
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/lxc/{vmid}/rrddata', about: 'Tells how a container fared.' },
    ...{ returns: 'array', permission: ofGuest, parameters: parameters(frames) },
    run: (call) => guestRows(call, 'container'),
  }),
  defineEndpoint({
    ...{
      method: 'GET',
      path: '/nodes/{node}/qemu/{vmid}/rrddata',
      about: 'Tells how a virtual machine fared.',
    },
    ...{ returns: 'array', permission: ofGuest, parameters: parameters(frames) },
    run: (call) => guestRows(call, 'vm'),
  }),
  defineEndpoint({
    ...{
      method: 'GET',
      path: '/nodes/{node}/storage/{storage}/rrddata',
      about: 'Tells how a storage filled.',
    },
    ...{ returns: 'array', permission: seesStorage, parameters: parameters(frames), run: storageRows },
  }),
];
