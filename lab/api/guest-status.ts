/** Endpoints that list guests and tell how each is. */
import { figuresOf } from '../proxmox/figures.ts';
import type { LabGuest } from '../proxmox/guest.ts';
import { type Call, defineEndpoint, type Endpoint } from './endpoint.ts';
import { type GuestKind, getGuest, nameOf } from './guest-kinds.ts';

const noPressure = {
  ...{ pressurecpusome: 0, pressurecpufull: 0, pressureiosome: 0, pressureiofull: 0 },
  ...{ pressurememorysome: 0, pressurememoryfull: 0 },
};

/** As in the list of its node. */
function listed(guest: LabGuest): Record<string, unknown> {
  const { vmid, kind, config, pid } = guest;
  const { maxswap, diskread, diskwrite, ...figures } = figuresOf(guest);
  const runs = pid !== undefined;
  return {
    ...{ vmid, name: nameOf(guest), status: runs ? 'running' : 'stopped', ...figures },
    ...(kind === 'container'
      ? { type: 'lxc', maxswap, swap: 0, diskread, diskwrite }
      : { memhost: figures.mem, ...(runs && figures.maxdisk > 0 && { diskread, diskwrite }) }),
    ...(runs && { pid, ...noPressure }),
    ...(config.has('tags') && { tags: config.get('tags') }),
    ...(config.has('lock') && { lock: config.get('lock') }),
    ...(config.get('template') === '1' && { template: 1 }),
  };
}

/** As QEMU itself tells it. */
export function qmpStatus({ pid, paused }: LabGuest): string {
  if (pid === undefined) return 'stopped';
  return paused ? 'paused' : 'running';
}

function hasAgent({ config }: LabGuest): boolean {
  return /^(1|enabled=1)\b/.test(config.get('agent') ?? '');
}

function current(guest: LabGuest): Record<string, unknown> {
  return {
    ...{ ...listed(guest), ha: { managed: 0 } },
    ...(guest.kind === 'vm' && { qmpstatus: qmpStatus(guest), ...(hasAgent(guest) && { agent: 1 }) }),
  };
}

function list(call: Call, { kind }: GuestKind): object[] {
  const { cluster, node, values } = call;
  return [...cluster.guests.values()]
    .filter((guest) => guest.kind === kind && guest.node === node.name)
    .filter(({ vmid }) => call.may(`/vms/${vmid}`, ['VM.Audit']))
    .map((guest) => ({
      ...listed(guest),
      ...(values.flag('full') && { qmpstatus: qmpStatus(guest) }),
    }));
}

export function statusEndpoints(kind: GuestKind): readonly Endpoint[] {
  const what = kind.kind === 'vm' ? 'virtual machine' : 'container';
  return [
    defineEndpoint({
      ...{ method: 'GET', path: `/nodes/{node}/${kind.path}`, about: `Lists every ${what} on a node.` },
      ...{ permission: 'all', returns: 'array' },
      ...(kind.kind === 'vm' && {
        parameters: {
          full: {
            type: 'boolean',
            optional: true,
            about: 'Tell of running machines whether they are paused.',
          },
        },
      }),
      run: (call) => list(call, kind),
    }),
    defineEndpoint({
      ...{ method: 'GET', path: `/nodes/{node}/${kind.path}/{vmid}/status/current`, returns: 'object' },
      about: `Tells whether a ${what} runs, and its figures.`,
      permission: { path: '/vms/{vmid}', privileges: ['VM.Audit'] },
      run: (call) => current(getGuest(call, kind)),
    }),
  ];
}
