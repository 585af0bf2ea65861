/** The one place where a tool runs: parse, locate, decide, audit, run, show, audit and metrics. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { failure, GatewayError } from '../base/errors.ts';
import type { Audit } from '../observe/audit.ts';
import { describeError, type Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Ops } from '../ops/ops.ts';
import { decide, isOffered, isReachable } from '../policy/decide.ts';
import type { Intent, LocatedGuest, Principal, Rules } from '../policy/rules.ts';
import type { Places } from '../state/places.ts';
import type { IssuedUrl, Tool, ToolContext, ToolLimits } from '../tools/define.ts';
import { parseArguments } from './arguments.ts';
import type { Answer, Call } from './call.ts';
import { createRecorder, type Ending, intentOf, type Recorder } from './recorder.ts';
import type { TicketClaim } from './tickets.ts';

export interface Gate {
  /** The tools that policy lets the principal see. */
  offered(principal: Principal): readonly Tool[];
  /** Never throws, but for UnknownTool. */
  call(call: Call): Promise<Answer>;
  /** Refuses new calls, waits at most graceMs for those under way, then cancels them and waits for their end. */
  drain(graceMs: number): Promise<void>;
  readonly draining: boolean;
}

/** There is no such tool: a fault of the protocol, not of a call. */
export class UnknownTool extends Error {}

const cancellations: ReadonlySet<string> = new Set(['CANCELLED', 'CANCELLED_EARLY', 'TRANSFER_CANCELLED']);

/** How long a cancelled call may take to end before it is left behind. */
const cancelledWithinMs = 6_000;

export function createGate(input: {
  tools: readonly Tool[];
  rules: Rules;
  limits: ToolLimits;
  ops: Ops;
  audit: Audit;
  metrics: Metrics;
  log: Log;
  /** How many transfers a principal may have under way. */
  transferPlaces: Places;
  /** Makes one-time URLs, where there is an HTTP endpoint. Throws RangeError where one would be too long. */
  issueUrl: ((claim: TicketClaim) => IssuedUrl) | undefined;
}): Gate {
  const { rules, limits, ops, audit, metrics, log, transferPlaces } = input;
  const tools = new Map(input.tools.map((tool) => [tool.name, tool]));
  const underWay = new Set<Promise<unknown>>();
  const cancelAll = new AbortController();
  let draining = false;

  const locate = async (intent: Intent, signal: AbortSignal): Promise<LocatedGuest | undefined> => {
    if (intent.vmid === undefined) return undefined;
    const guest = await ops.inventory.find(intent.vmid, signal);
    if (guest === undefined) throw failure('CONTAINER_NOT_FOUND', { vmid: intent.vmid });
    return guest;
  };

  /** SECURITY: asked before the host is, so that a refusal neither costs anything nor tells what exists. */
  const permit = (principal: Principal, intent: Intent): void => {
    const decision = decide(principal, intent, rules);
    if (decision.kind === 'deny') throw failure('PERMISSION_DENIED', { reason: decision.reason });
  };

  const carryOut = async (tool: Tool, call: Call, record: Recorder): Promise<Ending> => {
    if (draining) throw failure('SHUTTING_DOWN', {});
    const claim = { tool: tool.name, toolset: tool.toolset, effect: tool.effect };
    if (!isOffered(claim, rules)) permit(call.principal, claim);
    const args = parseArguments(tool.input, call.args);
    const intent: Intent = { ...claim, ...vmidOf(tool, args), ...tool.runs?.(args), ...tool.touches?.(args) };
    record.vmid = intent.vmid;
    permit(call.principal, intent);
    const guest = await locate(intent, call.signal);
    record.node = guest?.node;
    permit(call.principal, { ...intent, guest });
    await record.begin();
    const context: ToolContext = {
      ops,
      limits,
      mayReach: (vmid) => isReachable(vmid, rules),
      signal: call.signal,
      onOutput: call.onOutput,
      onState: call.onState,
      judge: (touches) => permit(call.principal, { ...intent, guest, touches }),
      transfer: call.transfer,
      issueUrl: (use) => issueUrl({ ...use, tool: tool.name, args, principal: call.principal.name }),
    };
    const moves = call.transfer !== undefined || tool.transfers?.(args) === true;
    const leave = moves ? enter(call.principal) : () => {};
    const data = await tool.run(args, context).finally(leave);
    const moved = tool.transferred?.(data);
    const text = tool.show(data, args);
    const attachments = tool.attach?.(data, args) ?? [];
    const answer: Answer = { kind: 'ok', text, data, attachments };
    return { answer, outcome: 'ok', exitCode: tool.exitCode?.(data), moved };
  };

  const issueUrl = (claim: TicketClaim): IssuedUrl => {
    const refuse = (problem: string, cause?: unknown) =>
      failure('INVALID_ARGUMENT', { problem: `transfer: ${problem}` }, { cause });
    if (input.issueUrl === undefined)
      throw refuse('there are no URLs without the HTTP endpoint; use local_path or content');
    try {
      return input.issueUrl(claim);
    } catch (error) {
      if (error instanceof RangeError)
        throw refuse('the path is too long for a URL; use local_path or content', error);
      throw error;
    }
  };

  const enter = ({ name }: Principal): (() => void) => {
    const leave = transferPlaces.enter(name);
    if (leave === undefined)
      throw failure('BUSY', { what: 'transfers (MAX_TRANSFERS of one token, 16 in all)', retryInS: 10 });
    return leave;
  };

  const settle = (error: unknown, record: Recorder): Ending => {
    const known = toGatewayError(error, record.requestId);
    if (known.code === 'INTERNAL')
      log.error('a call failed unexpectedly', { request: record.requestId, error: describeError(error) });
    return { answer: { kind: 'error', error: known }, outcome: outcomeOf(known) };
  };

  const serve = async (tool: Tool, call: Call): Promise<Answer> => {
    const startedAt = performance.now();
    const record = createRecorder(audit, call, tool);
    metrics.callStarted();
    const signal = AbortSignal.any([call.signal, cancelAll.signal]);
    const ending = await carryOut(tool, { ...call, signal }, record).catch((error: unknown) =>
      settle(error, record),
    );
    const durationMs = performance.now() - startedAt;
    metrics.callEnded();
    metrics.called({
      tool: tool.name,
      effect: tool.effect,
      outcome: ending.outcome,
      seconds: durationMs / 1000,
    });
    if (ending.moved !== undefined) metrics.transferred({ ...ending.moved, seconds: durationMs / 1000 });
    await record.finish(ending, durationMs);
    return ending.answer;
  };

  return {
    offered: () => input.tools.filter((tool) => isOffered(tool, rules)),
    async call(call) {
      const tool = tools.get(call.tool);
      if (tool === undefined) {
        metrics.called({ tool: 'unknown', effect: 'unknown', outcome: 'denied', seconds: 0 });
        await audit.refuse(intentOf(randomUUID(), call, undefined), {
          outcome: 'denied',
          code: 'UNKNOWN_TOOL',
          reason: 'there is no such tool',
        });
        throw new UnknownTool(call.tool);
      }
      const serving = serve(tool, call);
      underWay.add(serving);
      return await serving.finally(() => underWay.delete(serving));
    },
    async drain(graceMs) {
      draining = true;
      const ended = Promise.allSettled([...underWay]);
      const late = await Promise.race([ended, pause(graceMs, 'late', { ref: false })]);
      cancelAll.abort();
      if (late === 'late') await Promise.race([ended, pause(cancelledWithinMs, undefined, { ref: false })]);
    },
    get draining() {
      return draining;
    },
  };
}

function vmidOf(tool: Tool, args: Readonly<Record<string, unknown>>): { vmid?: number } {
  return tool.target === 'container' && typeof args.vmid === 'number' ? { vmid: args.vmid } : {};
}

function outcomeOf({ code }: GatewayError): Ending['outcome'] {
  if (code === 'PERMISSION_DENIED') return 'denied';
  return cancellations.has(code) ? 'cancelled' : 'error';
}

/** SECURITY: an error that was not foreseen says nothing but where to look. */
function toGatewayError(error: unknown, requestId: string): GatewayError {
  return error instanceof GatewayError ? error : failure('INTERNAL', { requestId }, { cause: error });
}
