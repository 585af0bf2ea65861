/** Starts and stops containers by whichever way leads there, and believes only the state that follows. */
import { failure, GatewayError } from '../base/errors.ts';
import { nameOf } from '../base/guest-name.ts';
import type { Inventory } from './inventory.ts';
import { isOutOfReach } from './out-of-reach.ts';
import type { Guest } from './survey.ts';

export interface PowerResult {
  readonly vmid: number;
  readonly success: true;
  readonly message: string;
}

export interface ShutdownRequest {
  readonly vmid: number;
  /** How long the guest may take, in seconds. */
  readonly timeoutS: number;
}

export interface Power {
  /** Doing what is done already succeeds and says so. Throws CONTAINER_LOCKED, CONTAINER_IS_TEMPLATE, … */
  start(vmid: number, signal: AbortSignal): Promise<PowerResult>;
  stop(vmid: number, signal: AbortSignal): Promise<PowerResult>;
  /** With `force`, a guest that does not obey in time is stopped; without, SHUTDOWN_TIMED_OUT is thrown. */
  shutdown(request: ShutdownRequest & { force: boolean }, signal: AbortSignal): Promise<PowerResult>;
  reboot(request: ShutdownRequest, signal: AbortSignal): Promise<PowerResult>;
}

export interface PowerAction {
  readonly verb: 'start' | 'stop' | 'shutdown' | 'reboot';
  /** How long the guest may take; what carries it out takes its own time besides. */
  readonly timeoutS: number;
  /** Of a shutdown: stop it when its time is up. */
  readonly force: boolean;
}

export interface PowerOutcome {
  /** `overtaken`: somebody else had done it; `asked`: high availability was asked, and does it by itself. */
  readonly kind: 'done' | 'overtaken' | 'asked';
  /** Whatever Proxmox VE said, for the case that the state is not what it should be. */
  readonly said: string;
}

/** One way of doing it. What it throws other than that the node is out of reach is the end of it. */
export type PowerWay = (guest: Guest, action: PowerAction, signal: AbortSignal) => Promise<PowerOutcome>;

/** pct itself, a task's start and a slow storage, in ms. */
export const powerMarginMs = 60_000;

const usualS = 60;
const goals = { start: 'running', reboot: 'running', stop: 'stopped', shutdown: 'stopped' } as const;
const participles = {
  start: 'started',
  reboot: 'rebooted',
  stop: 'stopped',
  shutdown: 'shut down',
} as const;

/** The ways are tried in their order. */
export function createPower(input: {
  inventory: Inventory;
  ways: readonly [PowerWay, ...PowerWay[]];
}): Power {
  const { inventory, ways } = input;
  const [first, ...others] = ways;

  const carryOut: PowerWay = async (guest, action, signal) => {
    let pending = first(guest, action, signal);
    for (const other of others)
      pending = pending.catch((error: unknown) => {
        if (isOutOfReach(error)) return other(guest, action, signal);
        throw error;
      });
    return await pending;
  };

  const act = async (guest: Guest, action: PowerAction, signal: AbortSignal): Promise<PowerResult> => {
    const { vmid } = guest;
    if (guest.lock !== undefined) throw failure('CONTAINER_LOCKED', { vmid, lock: guest.lock });
    const { verb } = action;
    const goal = goals[verb];
    const begunAt = performance.now();
    const { kind, said } = await carryOut(guest, action, signal).catch(async (error: unknown) => {
      const hadItsTime = performance.now() - begunAt >= action.timeoutS * 1000;
      throw (hadItsTime ? await tooSlow(guest, action, error, signal) : undefined) ?? error;
    });
    if (kind === 'overtaken') return done(vmid, `Container ${vmid} is already ${goal}.`);
    const name = powerName(verb, vmid);
    if (kind === 'asked')
      return done(
        vmid,
        `Proxmox VE's high availability was asked to ${name}; it carries that out by itself.`,
      );
    const { status } = await inventory.get(vmid, signal);
    if (status !== goal)
      throw failure('ACTION_INCOMPLETE', { action: name, state: status }, { evidence: { stderr: said } });
    return done(vmid, `Container ${vmid} was ${participles[verb]}.`);
  };

  /** A guest that did not obey in time is no failure of Proxmox VE's. */
  const tooSlow = async (
    guest: Guest,
    { verb, timeoutS, force }: PowerAction,
    error: unknown,
    signal: AbortSignal,
  ): Promise<GatewayError | undefined> => {
    const hasFailed = error instanceof GatewayError && ['ACTION_FAILED', 'TASK_FAILED'].includes(error.code);
    if (!hasFailed || verb !== 'shutdown' || force) return undefined;
    const { status } = await inventory.get(guest.vmid, signal);
    if (status !== 'running') return undefined;
    const { evidence } = error;
    return failure('SHUTDOWN_TIMED_OUT', { name: nameOf(guest), timeoutS }, { cause: error, evidence });
  };

  return {
    async start(vmid, signal) {
      const guest = await inventory.get(vmid, signal);
      if (guest.template) throw failure('CONTAINER_IS_TEMPLATE', { vmid });
      if (guest.status === 'running') return done(vmid, `Container ${vmid} is already running.`);
      return await act(guest, { verb: 'start', timeoutS: usualS, force: false }, signal);
    },
    async stop(vmid, signal) {
      const guest = await inventory.get(vmid, signal);
      if (guest.status === 'stopped') return done(vmid, `Container ${vmid} is already stopped.`);
      return await act(guest, { verb: 'stop', timeoutS: usualS, force: false }, signal);
    },
    async shutdown({ vmid, timeoutS, force }, signal) {
      const guest = await inventory.get(vmid, signal);
      if (guest.status === 'stopped') return done(vmid, `Container ${vmid} is already stopped.`);
      return await act(guest, { verb: 'shutdown', timeoutS, force }, signal);
    },
    async reboot({ vmid, timeoutS }, signal) {
      const guest = await inventory.get(vmid, signal);
      if (guest.status === 'stopped') throw failure('CONTAINER_NOT_RUNNING', { vmid });
      return await act(guest, { verb: 'reboot', timeoutS, force: false }, signal);
    },
  };
}

/** For people: completes «Proxmox VE could not …». */
export function powerName(verb: PowerAction['verb'], vmid: number): string {
  return `${verb === 'shutdown' ? 'shut down' : verb} container ${vmid}`;
}

/** Whether Proxmox VE says that somebody else did it between the look and the act. */
export function wasOvertaken(verb: PowerAction['verb'], said: string): boolean {
  if (verb === 'start') return /^CT \d+ already running$/m.test(said);
  return verb !== 'reboot' && /^CT \d+ not running$/m.test(said);
}

function done(vmid: number, message: string): PowerResult {
  return { vmid, success: true, message };
}
