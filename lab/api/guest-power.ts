/** Endpoints that start and stop guests. */
import type { LabGuest } from '../proxmox/guest.ts';
import { getRunning, reboot, shutdown, start, stop, stopFailure } from '../proxmox/power.ts';
import {
  rebootVm,
  requireRunningVm,
  resetVm,
  resumeVm,
  shutdownVm,
  startVm,
  stopVm,
  suspendVm,
} from '../proxmox/vm-power.ts';
import { ApiError, badParameters } from './api-error.ts';
import { type Call, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { containerKind, findGuest, type GuestKind, getGuest, vmKind } from './guest-kinds.ts';
import type { TaskRun } from './tasks.ts';

interface Action {
  readonly name: string;
  readonly about: string;
  readonly parameters?: Parameters;
  /** The type of its task, without the part that names the kind. */
  readonly task?: string;
  /** Refuses before there is a task. */
  check?(call: Call): void;
  act(task: TaskRun, call: Call): Promise<unknown>;
}

const skiplock: Parameters = {
  skiplock: { type: 'boolean', optional: true, about: 'Pass over a lock; for root alone.' },
};

function shutdownParameters(fallbackS: number): Parameters {
  return {
    timeout: {
      ...{ type: 'integer', optional: true, minimum: 0, default: fallbackS },
      about: 'Seconds that the guest has to shut down.',
    },
    forceStop: { type: 'boolean', optional: true, default: 0, about: 'Cut its power where it does not.' },
  };
}

const timeout: Parameters = {
  timeout: { type: 'integer', optional: true, minimum: 0, about: 'Seconds that the guest has to shut down.' },
};

/** A token is never root, whoever's it is. */
function refuseSkiplock({ values }: Call): void {
  if (values.flag('skiplock')) throw badParameters({ skiplock: 'Only root may use this option.' });
}

const vmidOf = ({ values }: Call): string => values.text('vmid');

const containerActions: readonly Action[] = [
  {
    ...{ name: 'start', about: 'Starts a container.', parameters: skiplock },
    check(call) {
      refuseSkiplock(call);
      if (findGuest(call, containerKind)?.pid !== undefined)
        throw new ApiError(500, `CT ${vmidOf(call)} already running`);
    },
    act: (task, call) => start(task, call.node, getGuest(call, containerKind)),
  },
  {
    ...{ name: 'stop', about: 'Cuts the power of a container.' },
    parameters: {
      ...skiplock,
      'overrule-shutdown': {
        type: 'boolean',
        optional: true,
        default: 0,
        about: 'End a shutdown that is under way.',
      },
    },
    check(call) {
      refuseSkiplock(call);
      getRunning(call.node, vmidOf(call));
    },
    act: (task, call) => stop(task, call.node, vmidOf(call)),
  },
  {
    ...{ name: 'shutdown', about: 'Asks a container to shut down.', parameters: shutdownParameters(60) },
    check: (call) => void getRunning(call.node, vmidOf(call)),
    async act(task, call) {
      const { node, values } = call;
      const options = ['timeout', 'forceStop'].flatMap((name): [string, string][] => {
        const value = values.find(name);
        return value === undefined ? [] : [[name, value]];
      });
      const code = await shutdown(task, node, vmidOf(call), new Map(options));
      if (code !== 0) throw new ApiError(500, stopFailure(vmidOf(call), values.findNumber('timeout')));
    },
  },
  {
    ...{ name: 'reboot', about: 'Shuts a container down and starts it again.', parameters: timeout },
    check: (call) => void getRunning(call.node, vmidOf(call), 'VM'),
    act: (task, call) => reboot(task, call.node, vmidOf(call)),
  },
];

function vmOf(call: Call): LabGuest {
  return getGuest(call, vmKind);
}

function shutdownOptions({ values }: Call) {
  return { timeoutS: values.findNumber('timeout'), forceStop: values.flag('forceStop') };
}

const vmActions: readonly Action[] = [
  {
    ...{ name: 'start', about: 'Starts a virtual machine.' },
    parameters: {
      ...skiplock,
      timeout: { type: 'integer', optional: true, minimum: 0, about: 'Seconds it has to start.' },
    },
    check: refuseSkiplock,
    act: (task, call) => startVm(task, call.node, vmOf(call)),
  },
  {
    ...{ name: 'stop', about: 'Cuts the power of a virtual machine.' },
    parameters: {
      ...{ ...skiplock, ...timeout },
      'overrule-shutdown': {
        type: 'boolean',
        optional: true,
        default: 0,
        about: 'End a shutdown that is under way.',
      },
    },
    check: refuseSkiplock,
    act: (task, call) => stopVm(task, call.node, vmOf(call)),
  },
  {
    ...{ name: 'shutdown', about: 'Asks a virtual machine to shut down.' },
    parameters: { ...skiplock, ...shutdownParameters(180) },
    check: refuseSkiplock,
    act: (task, call) => shutdownVm(task, call.node, vmOf(call), shutdownOptions(call)),
  },
  {
    ...{ name: 'reboot', about: 'Shuts a virtual machine down and starts it again.', parameters: timeout },
    check: (call) => requireRunningVm(vmOf(call)),
    act: (task, call) => rebootVm(task, call.node, vmOf(call), shutdownOptions(call)),
  },
  {
    ...{ name: 'reset', about: 'Presses the reset button of a virtual machine.', parameters: skiplock },
    check(call) {
      refuseSkiplock(call);
      requireRunningVm(vmOf(call));
    },
    act: (task, call) => resetVm(task, call.node, vmOf(call)),
  },
  {
    ...{ name: 'suspend', about: 'Lets a virtual machine stand still, in memory or on disk.', task: 'pause' },
    parameters: {
      ...skiplock,
      todisk: {
        type: 'boolean',
        optional: true,
        default: 0,
        about: 'Keep its memory on a disk and switch it off.',
      },
      statestorage: {
        type: 'string',
        optional: true,
        format: 'pve-storage-id',
        about: 'Where its memory is kept.',
      },
    },
    check(call) {
      refuseSkiplock(call);
      requireRunningVm(vmOf(call));
      if (call.values.flag('todisk')) call.require(`/vms/${vmidOf(call)}`, ['VM.Config.Disk']);
    },
    act: (task, call) => suspendVm(task, call.node, vmOf(call), { toDisk: call.values.flag('todisk') }),
  },
  {
    ...{ name: 'resume', about: 'Lets a virtual machine that stands still go on.', parameters: skiplock },
    check(call) {
      refuseSkiplock(call);
      const vm = vmOf(call);
      if (vm.config.get('lock') !== 'suspended') requireRunningVm(vm);
    },
    act: (task, call) => resumeVm(task, call.node, vmOf(call)),
  },
];

function endpointOf(
  kind: GuestKind,
  { name, about, parameters = {}, task = name, check, act }: Action,
): Endpoint {
  return defineEndpoint({
    ...{ method: 'POST', path: `/nodes/{node}/${kind.path}/{vmid}/status/${name}`, about, parameters },
    ...{ permission: { path: '/vms/{vmid}', privileges: ['VM.PowerMgmt'] }, returns: 'string' },
    run(call) {
      check?.(call);
      const type = `${kind.task}${call.values.flag('todisk') ? 'suspend' : task}`;
      return call.start(type, vmidOf(call), async (run) => {
        await run.take();
        await act(run, call);
      });
    },
  });
}

export const powerEndpoints: readonly Endpoint[] = [
  ...containerActions.map((action) => endpointOf(containerKind, action)),
  ...vmActions.map((action) => endpointOf(vmKind, action)),
];
