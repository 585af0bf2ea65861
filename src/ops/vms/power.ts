/** Switches virtual machines on and off, and believes only the state that follows. */
import { setTimeout as pause } from 'node:timers/promises';
import { failure, GatewayError } from '../../base/errors.ts';
import { fullNameOf, nameOf, subjectOf } from '../../base/guest-name.ts';
import { guestPath } from '../../pve/api-path.ts';
import type { Params, Pve } from '../../pve/pve.ts';
import type { ApiRoom, TaskWait } from '../api-room.ts';
import { carriedOut, type Outcome } from '../guest-task.ts';
import { readStatus, type VmStatus } from './state.ts';

export interface VmPower {
  /** Starting what runs and stopping what is stopped succeeds and says so. All throw GUEST_LOCKED. */
  start(vmid: number, wait: TaskWait): Promise<Outcome>;
  stop(vmid: number, wait: TaskWait): Promise<Outcome>;
  /** Gives the guest timeoutS seconds; with `force` it is stopped then, else SHUTDOWN_TIMED_OUT is thrown. */
  shutdown(request: { vmid: number; timeoutS: number; force: boolean }, wait: TaskWait): Promise<Outcome>;
  /** These throw VM_NOT_RUNNING and GUEST_IS_TEMPLATE, too. */
  reboot(request: { vmid: number; timeoutS: number }, wait: TaskWait): Promise<Outcome>;
  reset(vmid: number, wait: TaskWait): Promise<Outcome>;
  /** To disk, it is switched off afterwards, and its next start goes on where it was. */
  suspend(request: { vmid: number; toDisk: boolean }, wait: TaskWait): Promise<Outcome>;
  resume(vmid: number, wait: TaskWait): Promise<Outcome>;
}

interface Action {
  readonly verb: 'start' | 'stop' | 'shutdown' | 'reboot' | 'reset' | 'suspend' | 'resume';
  readonly params?: Params;
  readonly goal: (state: VmStatus) => boolean;
  /** What has been done to it: «Virtual machine 300 was …». */
  readonly done: string;
  /** How long the state may take to follow the task. */
  readonly settleMs?: number;
}

const usualSettleMs = 2_000;
/** The task of a reboot ends when the guest is down; the node starts it anew after that. */
const rebootSettleMs = 60_000;

const runs = ({ status }: VmStatus) => status === 'running';
const isStopped = ({ status }: VmStatus) => status === 'stopped';
const isPaused = ({ status }: VmStatus) => status === 'paused';
const isOnDisk = ({ status, lock }: VmStatus) => status === 'stopped' && lock === 'suspended';

const refusals: ReadonlySet<string> = new Set(['TASK_FAILED', 'API_FAILED', 'API_REFUSED']);
const plain: ReadonlySet<Action['verb']> = new Set(['start', 'stop', 'shutdown']);

export function createVmPower(room: ApiRoom): VmPower {
  const look = async (vmid: number, { signal }: TaskWait): Promise<VmStatus> =>
    await readStatus(room.pve, await room.inventory.now(vmid, signal), signal);

  const act = (vm: VmStatus, action: Action, wait: TaskWait) => carryOut(room, vm, action, wait);

  /** For what only a running guest can do. */
  const actRunning = async (vm: VmStatus, action: Action, wait: TaskWait): Promise<Outcome> => {
    if (vm.template) throw failure('GUEST_IS_TEMPLATE', { vmid: vm.vmid });
    if (isStopped(vm)) throw failure('VM_NOT_RUNNING', { vmid: vm.vmid });
    return await act(vm, action, wait);
  };

  return {
    async start(vmid, wait) {
      const vm = await look(vmid, wait);
      if (vm.template) throw failure('GUEST_IS_TEMPLATE', { vmid });
      if (runs(vm)) return already(vm, 'running');
      if (isPaused(vm)) return already(vm, 'running, but paused: proxmox_resume_vm lets it go on');
      return await act(vm, { verb: 'start', goal: runs, done: 'started' }, wait);
    },
    async stop(vmid, wait) {
      const vm = await look(vmid, wait);
      if (isStopped(vm)) return already(vm, 'stopped');
      return await act(vm, { verb: 'stop', goal: isStopped, done: 'stopped' }, wait);
    },
    async shutdown({ vmid, timeoutS, force }, wait) {
      const vm = await look(vmid, wait);
      if (isStopped(vm)) return already(vm, 'stopped');
      const params = { timeout: timeoutS, forceStop: force };
      return await act(vm, { verb: 'shutdown', params, goal: isStopped, done: 'shut down' }, wait);
    },
    async reboot({ vmid, timeoutS }, wait) {
      const how = { params: { timeout: timeoutS }, settleMs: rebootSettleMs };
      const vm = await look(vmid, wait);
      return await actRunning(vm, { verb: 'reboot', ...how, goal: runs, done: 'rebooted' }, wait);
    },
    reset: async (vmid, wait) =>
      await actRunning(await look(vmid, wait), { verb: 'reset', goal: runs, done: 'reset' }, wait),
    async suspend({ vmid, toDisk }, wait) {
      const vm = await look(vmid, wait);
      if (toDisk && isOnDisk(vm)) return already(vm, 'suspended to disk');
      if (!toDisk && isPaused(vm)) return already(vm, 'paused');
      const how = toDisk
        ? { params: { todisk: true }, goal: isOnDisk, done: 'suspended to disk' }
        : { goal: isPaused, done: 'paused' };
      return await actRunning(vm, { verb: 'suspend', ...how }, wait);
    },
    async resume(vmid, wait) {
      const vm = await look(vmid, wait);
      if (runs(vm)) return already(vm, 'running');
      const action = { verb: 'resume', goal: runs, done: 'resumed' } as const;
      return isOnDisk(vm) ? await act(vm, action, wait) : await actRunning(vm, action, wait);
    },
  };
}

async function carryOut(
  { pve, tasks }: ApiRoom,
  vm: VmStatus,
  action: Action,
  wait: TaskWait,
): Promise<Outcome> {
  const { vmid, lock, managed } = vm;
  const { verb, params = {} } = action;
  const wakes = lock === 'suspended' && (verb === 'start' || verb === 'resume');
  if (lock !== undefined && !wakes) throw failure('GUEST_LOCKED', { vmid, lock });
  const deed = `${wordsOf(verb)} ${fullNameOf(vm)}`;
  const begun = `Proxmox VE was told to ${deed}.`;
  const path = guestPath(vm, 'status', verb);
  const request = { method: 'POST', path, params, action: `${wordsOf(verb)} ${nameOf(vm)}` } as const;
  try {
    const end = await carriedOut(vm, () => tasks.run(request, wait));
    if (end?.state === 'running') return { end, done: begun, begun };
    const asked = `Proxmox VE's high availability was asked to ${deed}; it carries that out by itself.`;
    return { end, begun, done: managed ? asked : await verified(pve, vm, action, wait.signal) };
  } catch (error) {
    return await overtaken(pve, vm, { action, error, signal: wait.signal });
  }
}

/** Where somebody else has done it meanwhile, the task fails, and yet it is done. Else throws what happened. */
async function overtaken(
  pve: Pve,
  vm: VmStatus,
  { action, error, signal }: { action: Action; error: unknown; signal: AbortSignal },
): Promise<Outcome> {
  const { verb, goal, params = {} } = action;
  if (!(error instanceof GatewayError && refusals.has(error.code) && plain.has(verb))) throw error;
  const state = await readStatus(pve, vm, signal).catch(() => undefined);
  if (state !== undefined && goal(state)) return already(vm, state.status);
  const { evidence } = error;
  if (verb !== 'shutdown' || !/^VM quit\/powerdown failed/.test(evidence.stderr ?? '')) throw error;
  const facts = { name: nameOf(vm), timeoutS: Number(params.timeout) };
  throw failure('SHUTDOWN_TIMED_OUT', facts, { cause: error, evidence });
}

/** A sentence on what is so now. Throws ACTION_INCOMPLETE. */
async function verified(pve: Pve, vm: VmStatus, action: Action, signal: AbortSignal): Promise<string> {
  try {
    await settled(pve, vm, action, signal);
    return `${subjectOf(vm)} was ${action.done}.`;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'ACTION_INCOMPLETE') throw error;
    return `The task to ${wordsOf(action.verb)} ${fullNameOf(vm)} went well; the state that followed could not be read.`;
  }
}

async function settled(pve: Pve, vm: VmStatus, action: Action, signal: AbortSignal): Promise<void> {
  const { verb, goal, settleMs = usualSettleMs } = action;
  const until = performance.now() + settleMs;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
    const state = await readStatus(pve, vm, signal);
    if (goal(state)) return;
    if (performance.now() >= until) {
      const facts = { action: `${wordsOf(verb)} ${nameOf(vm)}`, state: state.status };
      throw failure('ACTION_INCOMPLETE', facts);
    }
    await pause(pauseMs, undefined, { signal });
  }
}

/** Completes «Proxmox VE was told to … virtual machine 300». */
function wordsOf(verb: Action['verb']): string {
  return verb === 'shutdown' ? 'shut down' : verb;
}

function already(vm: VmStatus, state: string): Outcome {
  const done = `${subjectOf(vm)} is already ${state}.`;
  return { end: undefined, done, begun: done };
}
