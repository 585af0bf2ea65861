/** The one place where a tool runs: parse, locate, decide, audit, run, show, audit and metrics. */
import { randomUUID } from 'node:crypto';
import { failure, GatewayError } from '../base/errors.ts';
import type { Audit } from '../observe/audit.ts';
import { describeError, type Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Principal, Rules } from '../policy/rules.ts';
import type { Tool } from '../tools/define.ts';
import { type Admission, type Admitted, createAdmission } from './admission.ts';
import type { Answer, Call, Person, Question } from './call.ts';
import type { Confirmations } from './confirmations.ts';
import { reached } from './locate.ts';
import { createRecorder, type Ending, intentOf, type Recorder } from './recorder.ts';
import { type ContextInput, contextOf, placeFor } from './tool-context.ts';
import { createUnderWay, type UnderWay } from './under-way.ts';

export interface Gate {
  /** The tools that policy lets the principal see. */
  offered(principal: Principal): readonly Tool[];
  /** Never throws, but for UnknownTool. Nobody is asked: where a person should be, the operator's flag decides. */
  call(call: Call): Promise<Answer>;
  /** The same for a client with a person, where it has one: answers a question where the person must agree first. */
  callFor(person: Person | undefined, call: Call): Promise<Answer | Question>;
  /**
   * What kind of guest it is, by id or name; undefined where policy keeps it out of sight, there is none, there
   * are several kinds, or nobody can tell.
   */
  kindOf(guest: number | string, signal: AbortSignal): Promise<'container' | 'vm' | undefined>;
  /** Refuses new calls, waits at most graceMs for those under way, then cancels them and waits for their end. */
  drain(graceMs: number): Promise<void>;
  readonly draining: boolean;
}

export interface GateInput extends ContextInput {
  readonly tools: readonly Tool[];
  readonly rules: Rules;
  readonly audit: Audit;
  readonly metrics: Metrics;
  readonly log: Log;
  /** By which ways Proxmox VE can be reached; tools that need another are not offered. */
  readonly transports: { ssh: boolean; api: boolean };
  readonly confirmations: Confirmations;
}

interface Rooms extends GateInput {
  readonly admission: Admission;
  readonly underWay: UnderWay;
}

/** There is no such tool: a fault of the protocol, not of a call. */
export class UnknownTool extends Error {}

export function createGate(input: GateInput): Gate {
  const { inventory } = input.ops;
  const tools = new Map(input.tools.map((tool) => [tool.name, tool]));
  const underWay = createUnderWay();
  const admission = createAdmission({ ...input, inventory });
  const rooms: Rooms = { ...input, admission, underWay };

  const callFor = async (person: Person | undefined, call: Call): Promise<Answer | Question> => {
    const tool = tools.get(call.tool);
    if (tool !== undefined) return await underWay.during(serve(tool, call, person, rooms));
    await refuseUnknown(call, rooms);
    throw new UnknownTool(call.tool);
  };

  return {
    offered: () => input.tools.filter(admission.offers),
    async call(call) {
      const answer = await callFor(undefined, call);
      if (answer.kind === 'ask') throw new Error('there is nobody to ask');
      return answer;
    },
    callFor,
    async kindOf(guest, signal) {
      const looked =
        typeof guest === 'string'
          ? inventory.findNamed(guest, signal)
          : inventory.find(guest, signal).then((found) => (found === undefined ? [] : [found]));
      const seen = (await looked.catch(() => [])).filter(({ vmid }) => admission.mayReach(vmid));
      const kinds = new Set(seen.map(({ kind }) => kind));
      return kinds.size === 1 ? seen[0]?.kind : undefined;
    },
    drain: underWay.drain,
    get draining() {
      return underWay.draining;
    },
  };
}

async function serve(
  tool: Tool,
  call: Call,
  person: Person | undefined,
  rooms: Rooms,
): Promise<Answer | Question> {
  const { audit, metrics, underWay } = rooms;
  const startedAt = performance.now();
  const record = createRecorder(audit, call, tool);
  metrics.callStarted();
  const signal = AbortSignal.any([call.signal, underWay.ended]);
  const ending = await carryOut(tool, { ...call, signal }, person, record, rooms).catch((error: unknown) =>
    settle(error, record, rooms),
  );
  const durationMs = performance.now() - startedAt;
  const outcome = 'answer' in ending ? ending.outcome : 'asked';
  metrics.callEnded();
  metrics.called({ tool: tool.name, effect: record.effect, outcome, seconds: durationMs / 1000 });
  if (!('answer' in ending)) {
    await record.asked(ending);
    return ending;
  }
  if (ending.moved !== undefined) metrics.transferred({ ...ending.moved, seconds: durationMs / 1000 });
  await record.finish(ending, durationMs);
  return ending.answer;
}

async function carryOut(
  tool: Tool,
  call: Call,
  person: Person | undefined,
  record: Recorder,
  rooms: Rooms,
): Promise<Ending | Question> {
  if (rooms.underWay.draining) throw failure('SHUTTING_DOWN', {});
  // A person may have taken longer than the client.
  if (call.signal.aborted) throw failure('CANCELLED_EARLY', {});
  const admitted = await rooms.admission.admit(tool, call, record);
  const question = await confirm(tool, call, admitted, person, record, rooms);
  if (question !== undefined) return question;
  await record.begin();
  const { args } = admitted;
  const leave = placeFor(tool, call, admitted, rooms);
  const data = await tool.run(args, contextOf(tool, call, admitted, rooms)).finally(leave);
  const attachments = tool.attach?.(data, args) ?? [];
  const answer: Answer = { kind: 'ok', text: tool.show(data, args), data, attachments };
  return { answer, outcome: 'ok', exitCode: tool.exitCode?.(data), moved: tool.transferred?.(data) };
}

/** Undefined where the call may go on. */
async function confirm(
  tool: Tool,
  call: Call,
  { args, intent, permission }: Admitted,
  person: Person | undefined,
  record: Recorder,
  { confirmations, ops }: Rooms,
): Promise<Question | undefined> {
  if (permission.kind === 'allow') return undefined;
  if (person === undefined && permission.required) throw failure('CONFIRMATION_IMPOSSIBLE', {});
  if (person === undefined) return undefined;
  const { guest, reaches } = intent;
  const others = await reached(reaches, ops.inventory, call.signal);
  const deed = { principal: call.principal, tool: tool.name, args, guest, others };
  const settled = confirmations.settle({ deed, title: tool.title, person, id: record.requestId });
  if (settled.kind === 'ask') return settled;
  record.requestId = settled.id;
  if (!settled.agrees) throw failure('CONFIRMATION_DECLINED', {});
  return undefined;
}

const refusals: ReadonlySet<string> = new Set([
  'PERMISSION_DENIED',
  'CONFIRMATION_INVALID',
  'CONFIRMATION_DECLINED',
  'CONFIRMATION_IMPOSSIBLE',
]);
const cancellations: ReadonlySet<string> = new Set(['CANCELLED', 'CANCELLED_EARLY', 'TRANSFER_CANCELLED']);

/** SECURITY: an error that was not foreseen says nothing but where to look. */
function settle(error: unknown, { requestId }: Recorder, { log }: Rooms): Ending {
  if (error instanceof GatewayError) {
    const { code } = error;
    const cancelled = cancellations.has(code) ? 'cancelled' : 'error';
    return { answer: { kind: 'error', error }, outcome: refusals.has(code) ? 'denied' : cancelled };
  }
  log.error('a call failed unexpectedly', { request: requestId, error: describeError(error) });
  const unforeseen = failure('INTERNAL', { requestId }, { cause: error });
  return { answer: { kind: 'error', error: unforeseen }, outcome: 'error' };
}

async function refuseUnknown(call: Call, { audit, metrics }: Rooms): Promise<void> {
  metrics.called({ tool: 'unknown', effect: 'unknown', outcome: 'denied', seconds: 0 });
  const reason = 'there is no such tool';
  await audit.refuse(intentOf(randomUUID(), call, undefined), {
    ...{ outcome: 'denied', code: 'UNKNOWN_TOOL', reason },
  });
}
