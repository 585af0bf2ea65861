/** The one place where a tool runs: parse, locate, decide, audit, run, show, audit and metrics. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { failure, GatewayError } from '../base/errors.ts';
import type { Audit, AuditIntent } from '../observe/audit.ts';
import { describeError, type Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Ops } from '../ops/ops.ts';
import { decide, isOffered, isReachable } from '../policy/decide.ts';
import type { Intent, LocatedGuest, Principal, Rules } from '../policy/rules.ts';
import type { Tool, ToolLimits } from '../tools/define.ts';
import { parseArguments } from './arguments.ts';

export interface Call {
  readonly tool: string;
  readonly args: unknown;
  readonly principal: Principal;
  /** Address of the client, for the audit log. */
  readonly client?: string | undefined;
  readonly signal: AbortSignal;
  readonly onOutput?: ((text: string) => void) | undefined;
}

export type Answer =
  | { readonly kind: 'ok'; readonly text: string; readonly data: Record<string, unknown> }
  | { readonly kind: 'error'; readonly error: GatewayError };

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

/** How long a cancelled call may take to end before it is left behind. */
const cancelledWithinMs = 6_000;

/** How a call ended, as it goes into audit and metrics. */
interface Ending {
  readonly answer: Answer;
  readonly outcome: 'ok' | 'error' | 'denied' | 'cancelled';
  readonly exitCode?: number | undefined;
}

export function createGate(input: {
  tools: readonly Tool[];
  rules: Rules;
  limits: ToolLimits;
  ops: Ops;
  audit: Audit;
  metrics: Metrics;
  log: Log;
}): Gate {
  const { rules, limits, ops, audit, metrics, log } = input;
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
    const intent: Intent = { ...claim, ...vmidOf(tool, args), ...tool.runs?.(args) };
    record.vmid = intent.vmid;
    permit(call.principal, intent);
    const guest = await locate(intent, call.signal);
    record.node = guest?.node;
    permit(call.principal, { ...intent, guest });
    await record.begin();
    const mayReach = (vmid: number) => isReachable(vmid, rules);
    const { signal, onOutput } = call;
    const data = await tool.run(args, { ops, limits, mayReach, signal, onOutput });
    const text = tool.show(data, args);
    return { answer: { kind: 'ok', text, data }, outcome: 'ok', exitCode: tool.exitCode?.(data) };
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

/** What goes into the audit log of one call, filled in as it becomes known. */
interface Recorder {
  readonly requestId: string;
  vmid: number | undefined;
  node: string | undefined;
  begin(): Promise<void>;
  finish(ending: Ending, durationMs: number): Promise<void>;
}

function createRecorder(audit: Audit, call: Call, tool: Tool): Recorder {
  const requestId = randomUUID();
  let begun = false;
  const recorder: Recorder = {
    requestId,
    vmid: undefined,
    node: undefined,
    async begin() {
      await audit.begin({ ...intentOf(requestId, call, tool), vmid: recorder.vmid, node: recorder.node });
      begun = true;
    },
    async finish({ answer, outcome, exitCode }, durationMs) {
      const code = answer.kind === 'error' ? answer.error.code : undefined;
      if (begun) {
        const { vmid } = recorder;
        const bytes = answer.kind === 'ok' ? Buffer.byteLength(answer.text) : 0;
        const { name: principal } = call.principal;
        const whole = Math.round(durationMs * 1000) / 1000;
        await audit.finish({
          requestId,
          principal,
          tool: tool.name,
          vmid,
          outcome,
          code,
          exitCode,
          durationMs: whole,
          bytes,
        });
      } else if (answer.kind === 'error') {
        const intent = { ...intentOf(requestId, call, tool), vmid: recorder.vmid };
        await audit.refuse(intent, { outcome, code: answer.error.code, reason: answer.error.message });
      }
    },
  };
  return recorder;
}

function intentOf(requestId: string, call: Call, tool: Tool | undefined): AuditIntent {
  const { principal, client, args } = call;
  return {
    requestId,
    principal: principal.name,
    client,
    tool: call.tool,
    effect: tool?.effect,
    arguments: args,
  };
}

function vmidOf(tool: Tool, args: Readonly<Record<string, unknown>>): { vmid?: number } {
  return tool.target === 'container' && typeof args.vmid === 'number' ? { vmid: args.vmid } : {};
}

function outcomeOf({ code }: GatewayError): Ending['outcome'] {
  if (code === 'PERMISSION_DENIED') return 'denied';
  return code === 'CANCELLED' || code === 'CANCELLED_EARLY' ? 'cancelled' : 'error';
}

/** SECURITY: an error that was not foreseen says nothing but where to look. */
function toGatewayError(error: unknown, requestId: string): GatewayError {
  return error instanceof GatewayError ? error : failure('INTERNAL', { requestId }, { cause: error });
}
