/** Starts and stops containers through pct, and believes only the state that follows. */
import { failure } from '../base/errors.ts';
import { wholeText } from '../exec/capture.ts';
import type { Executor } from '../exec/executor.ts';
import type { Inventory } from './inventory.ts';
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
  /** With `force`, a guest that does not obey in time is stopped; without, ACTION_INCOMPLETE is thrown. */
  shutdown(request: ShutdownRequest & { force: boolean }, signal: AbortSignal): Promise<PowerResult>;
  reboot(request: ShutdownRequest, signal: AbortSignal): Promise<PowerResult>;
}

interface Action {
  readonly verb: 'start' | 'stop' | 'shutdown' | 'reboot';
  readonly options?: readonly string[];
  readonly goal: 'running' | 'stopped';
  readonly done: string;
  readonly timeoutMs: number;
}

/** pct itself, a task's start and a slow storage. */
const marginMs = 60_000;

export function createPower({ executor, inventory }: { executor: Executor; inventory: Inventory }): Power {
  const act = async (guest: Guest, action: Action, signal: AbortSignal): Promise<PowerResult> => {
    const { vmid } = guest;
    const { verb, options = [], goal } = action;
    if (guest.lock !== undefined) throw failure('CONTAINER_LOCKED', { vmid, lock: guest.lock });
    const result = await executor.run(
      {
        argv: ['pct', verb, String(vmid), ...options],
        timeoutMs: action.timeoutMs + marginMs,
        maxBytes: 64 * 1024,
      },
      { signal },
    );
    const stdout = wholeText(result.stdout);
    const stderr = wholeText(result.stderr);
    const name = `${verb} container ${vmid}`;
    if (result.exitCode !== 0 && overtaken(verb, stderr))
      return done(vmid, `Container ${vmid} is already ${goal}.`);
    if (result.exitCode !== 0) throw refusal(vmid, name, stdout, stderr);
    // Of a container under high availability pct only files a request and returns.
    if (/^Requesting HA /m.test(stdout))
      return done(
        vmid,
        `Proxmox VE's high availability was asked to ${name}; it carries that out by itself.`,
      );
    const { status } = await inventory.get(vmid, signal);
    if (status !== goal)
      throw failure(
        'ACTION_INCOMPLETE',
        { action: name, state: status },
        { evidence: { stderr: stderr || stdout } },
      );
    return done(vmid, `Container ${vmid} was ${action.done}.`);
  };

  return {
    async start(vmid, signal) {
      const guest = await inventory.getLocal(vmid, signal);
      if (guest.template) throw failure('CONTAINER_IS_TEMPLATE', { vmid });
      if (guest.status === 'running') return done(vmid, `Container ${vmid} is already running.`);
      return await act(guest, { verb: 'start', goal: 'running', done: 'started', timeoutMs: 60_000 }, signal);
    },
    async stop(vmid, signal) {
      const guest = await inventory.getLocal(vmid, signal);
      if (guest.status === 'stopped') return done(vmid, `Container ${vmid} is already stopped.`);
      return await act(guest, { verb: 'stop', goal: 'stopped', done: 'stopped', timeoutMs: 60_000 }, signal);
    },
    async shutdown({ vmid, timeoutS, force }, signal) {
      const guest = await inventory.getLocal(vmid, signal);
      if (guest.status === 'stopped') return done(vmid, `Container ${vmid} is already stopped.`);
      const options = ['--timeout', String(timeoutS), '--forceStop', force ? '1' : '0'];
      const timeoutMs = timeoutS * 1000;
      return await act(
        guest,
        { verb: 'shutdown', options, goal: 'stopped', done: 'shut down', timeoutMs },
        signal,
      );
    },
    async reboot({ vmid, timeoutS }, signal) {
      const guest = await inventory.getLocal(vmid, signal);
      if (guest.status === 'stopped') throw failure('CONTAINER_NOT_RUNNING', { vmid });
      const options = ['--timeout', String(timeoutS)];
      const timeoutMs = timeoutS * 1000;
      return await act(
        guest,
        { verb: 'reboot', options, goal: 'running', done: 'rebooted', timeoutMs },
        signal,
      );
    },
  };
}

function done(vmid: number, message: string): PowerResult {
  return { vmid, success: true, message };
}

/** Somebody else did it between the look and the act. */
function overtaken(verb: Action['verb'], stderr: string): boolean {
  if (verb === 'start') return /^CT \d+ already running$/m.test(stderr);
  return verb !== 'reboot' && /^CT \d+ not running$/m.test(stderr);
}

/** pct's own words decide; its exit codes are errno values or 255, whatever happened. */
function refusal(vmid: number, action: string, stdout: string, stderr: string) {
  const said = `${stderr}\n${stdout}`;
  const lock = /^CT is locked \(([^)]+)\)/m.exec(said)?.[1];
  if (lock !== undefined) return failure('CONTAINER_LOCKED', { vmid, lock });
  if (/can't lock file .* got timeout/.test(said))
    return failure('CONTAINER_LOCKED', { vmid, lock: 'another task is changing it' });
  if (/^Configuration file '.*' does not exist/m.test(said)) return failure('CONTAINER_NOT_FOUND', { vmid });
  return failure('ACTION_FAILED', { action }, { evidence: { stderr: stderr || stdout } });
}
