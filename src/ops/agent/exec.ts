/** Runs commands in virtual machines through the guest agent. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { failure, GatewayError } from '../../base/errors.ts';
import { clean } from '../../base/text.ts';
import { type Captured, createCapture, wholeText } from '../../exec/capture.ts';
import { stopScript } from '../../exec/stop-script.ts';
import { Flag, Num, Text } from '../answers.ts';
import type { ApiRoom } from '../api-room.ts';
import { guestNow } from '../guest-task.ts';
import type { CommandResult } from '../run.ts';
import type { Guest } from '../survey.ts';
import { askAgent, saidIn } from './call.ts';
import { guestCommand, readGuestOutput } from './guest-script.ts';

export interface GuestCommand {
  readonly vmid: number;
  /** Shell text, or a program with its arguments in ASCII, for guests without a POSIX shell. */
  readonly command: string | readonly string[];
  readonly timeoutMs: number;
  /** Bytes kept of each output stream: half from its head, half from its tail. */
  readonly maxBytes: number;
}

export interface GuestResult extends CommandResult {
  /** The agent itself gave up on output that was too long. */
  readonly cut: boolean;
}

/** How it stands with a command that was started. */
interface Look {
  readonly exited: boolean;
  readonly out: Buffer;
  readonly err: Buffer;
  readonly exitCode: number;
  readonly cut: boolean;
}

const Started = z.object({ pid: z.coerce.number().int().positive() });
const Status = z.object({
  ...{ exited: Flag, exitcode: Num, signal: Num, 'out-data': Text, 'err-data': Text },
  ...{ 'out-truncated': Flag, 'err-truncated': Flag },
});

/** Of a command without a shell; of much more the node hears nothing within its five seconds. */
const maxAnswerBytes = 16 * 1024 * 1024;
const firstLookMs = 50;
const maxLookMs = 1_000;
const stopWithinMs = 10_000;

export function createAgentExec({ pve, inventory }: Pick<ApiRoom, 'pve' | 'inventory'>) {
  const start = async (guest: Guest, argv: readonly string[], signal: AbortSignal): Promise<number> => {
    const action = `run a command in virtual machine ${guest.vmid}`;
    const request = { method: 'POST', verb: 'exec', params: { command: argv }, action, signal } as const;
    try {
      return (await askAgent(pve, guest, request, Started)).pid;
    } catch (error) {
      if (!isUnheard(error)) throw error;
      const problem = `the guest agent did not say that it began, as when there is no ${clean(argv[0] ?? '', 100)}`;
      throw unseen(guest.vmid, problem, error);
    }
  };

  /** The agent tells the end of a command once, and forgets it. */
  const look = async (guest: Guest, pid: number, signal: AbortSignal): Promise<Look> => {
    const action = `look after a command in virtual machine ${guest.vmid}`;
    const status = await askAgent(
      pve,
      guest,
      { method: 'GET', verb: 'exec-status', params: { pid }, action, signal, maxBytes: maxAnswerBytes },
      Status,
    );
    return {
      exited: status.exited === true,
      // Raw bytes of the guest, which Proxmox VE shows as Latin-1.
      out: Buffer.from(status['out-data'] ?? '', 'latin1'),
      err: Buffer.from(status['err-data'] ?? '', 'latin1'),
      exitCode: status.exitcode ?? (status.signal === undefined ? 255 : 128 + status.signal),
      cut: status['out-truncated'] === true || status['err-truncated'] === true,
    };
  };

  /** One poller for a command, to its end or until the time is up: then undefined. */
  const follow = async (
    guest: Guest,
    pid: number,
    { until, signal }: { until: number; signal: AbortSignal },
  ): Promise<Look | undefined> => {
    let place = guest;
    for (let waitMs = firstLookMs; ; waitMs = Math.min(waitMs * 2, maxLookMs)) {
      try {
        const state = await look(place, pid, signal);
        if (state.exited) return state;
      } catch (error) {
        if (signal.aborted || !isPassing(error)) throw error;
        if (hasMoved(error)) place = await guestNow(inventory, guest, signal);
      }
      const leftMs = until - performance.now();
      if (leftMs <= 0) return undefined;
      await pause(Math.min(waitMs, leftMs), undefined, { signal });
    }
  };

  /** Ends the command with all of its group, wherever it is by now; what it had written comes where it has ended. */
  const stop = async (begun: Guest, pid: number): Promise<Look | undefined> => {
    const signal = AbortSignal.timeout(stopWithinMs);
    const until = performance.now() + stopWithinMs / 2;
    try {
      const guest = await guestNow(inventory, begun, signal).catch(() => begun);
      const alone = `kill -0 -${pid} 2>/dev/null || { kill -TERM ${pid}; sleep 1; kill -KILL ${pid}; } 2>/dev/null`;
      const killer = await start(guest, ['/bin/sh', '-c', `${alone}; ${stopScript(pid)}`], signal);
      await follow(guest, killer, { until, signal });
      return await follow(guest, pid, { until: performance.now() + maxLookMs, signal });
    } catch {
      // Whatever kept it from being stopped: the caller hears that it may go on.
      return undefined;
    }
  };

  return async (request: GuestCommand, options: { signal: AbortSignal }): Promise<GuestResult> => {
    const { vmid, timeoutMs, maxBytes } = request;
    const { signal } = options;
    const frame = { mark: randomUUID(), halfBytes: Math.ceil(maxBytes / 2) };
    const argv = argvOf(request.command, frame);
    const guest = await guestNow(inventory, { vmid, kind: 'vm' }, signal);
    const pid = await start(guest, argv, signal);
    const until = performance.now() + timeoutMs;
    const read = (state: Look) => resultOf(state, { ...frame, maxBytes });
    let ended: Look | undefined;
    try {
      ended = await follow(guest, pid, { until, signal });
    } catch (error) {
      if (!signal.aborted) throw unseen(vmid, 'the guest agent could not be asked for it any more', error);
      const last = await stop(guest, pid);
      throw failure('CANCELLED', { stopped: last !== undefined }, { evidence: evidenceOf(last, read) });
    }
    if (ended !== undefined) return read(ended);
    const last = await stop(guest, pid);
    const facts = { timeoutS: timeoutMs / 1000, stopped: last !== undefined };
    throw failure('COMMAND_TIMEOUT', facts, { evidence: evidenceOf(last, read) });
  };
}

function argvOf(command: GuestCommand['command'], frame: { mark: string; halfBytes: number }): string[] {
  if (typeof command !== 'string') return [...command];
  try {
    return guestCommand({ command, ...frame });
  } catch (error) {
    if (error instanceof RangeError)
      throw failure('INVALID_ARGUMENT', { problem: `command: ${error.message}` }, { cause: error });
    throw error;
  }
}

function resultOf(state: Look, frame: { mark: string; halfBytes: number; maxBytes: number }): GuestResult {
  const { exitCode, stdout, stderr } = readGuestOutput(state, frame);
  return {
    exitCode: exitCode ?? state.exitCode,
    stdout: bounded(stdout, frame.maxBytes),
    stderr: bounded(stderr, frame.maxBytes),
    background: false,
    cut: state.cut,
  };
}

/** Of what came without the script's own bounds. */
function bounded(captured: Captured, maxBytes: number): Captured {
  if (captured.head.length + captured.tail.length <= maxBytes) return captured;
  const capture = createCapture({ maxBytes });
  capture.push(captured.head);
  return capture.result();
}

function evidenceOf(last: Look | undefined, read: (state: Look) => GuestResult) {
  if (last === undefined) return {};
  const { stdout, stderr } = read(last);
  return { stdout: wholeText(stdout), stderr: wholeText(stderr) };
}

/** Asking again can help: the agent does not lose what it has not told. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false;
  return error.retryable || error.code === 'AGENT_UNAVAILABLE' || hasMoved(error) || timedOut(error);
}

function hasMoved(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'GUEST_NOT_FOUND';
}

function timedOut(error: unknown): boolean {
  return /failed - got timeout/.test(saidIn(error));
}

/** The agent may have taken the command and not said so. */
function isUnheard(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'API_OUTCOME_UNKNOWN' || timedOut(error));
}

function unseen(vmid: number, problem: string, cause: unknown): GatewayError {
  const options = { cause, evidence: { stderr: saidIn(cause) } };
  return failure('AGENT_COMMAND_UNSEEN', { vmid, problem }, options);
}
