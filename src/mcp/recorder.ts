/** One call in the audit log: its intent before it is carried out, its outcome after, or its refusal. */
import { randomUUID } from 'node:crypto';
import { clean } from '../base/text.ts';
import type { Audit, AuditIntent, AuditOutcome } from '../observe/audit.ts';
import type { Effect } from '../policy/rules.ts';
import type { Tool, Transferred } from '../tools/define.ts';
import type { Answer, Call, Question } from './call.ts';

/** How a call ended, as it goes into audit and metrics. */
export interface Ending {
  readonly answer: Answer;
  readonly outcome: 'ok' | 'error' | 'denied' | 'cancelled';
  readonly exitCode?: number | undefined;
  readonly moved?: Transferred | undefined;
}

/** What goes into the audit log of one call, filled in as it becomes known. */
export interface Recorder {
  /** The same in all records of a call, the question to a person among them. */
  requestId: string;
  effect: Effect;
  vmid: number | undefined;
  node: string | undefined;
  begin(): Promise<void>;
  asked(question: Question): Promise<void>;
  finish(ending: Ending, durationMs: number): Promise<void>;
}

export function createRecorder(audit: Audit, call: Call, tool: Tool): Recorder {
  let begun = false;
  const intent = (): AuditIntent => ({
    ...intentOf(recorder.requestId, call, recorder.effect),
    vmid: recorder.vmid,
  });
  const recorder: Recorder = {
    requestId: randomUUID(),
    effect: tool.effect,
    vmid: undefined,
    node: undefined,
    async begin() {
      await audit.begin({ ...intent(), node: recorder.node });
      begun = true;
    },
    async asked({ message }) {
      await audit.refuse(intent(), { outcome: 'asked', code: 'CONFIRMATION_ASKED', reason: message });
    },
    async finish({ answer, outcome, exitCode, moved }, durationMs) {
      const code = answer.kind === 'error' ? answer.error.code : undefined;
      if (begun) {
        const { requestId } = recorder;
        const bytes = moved?.bytes ?? (answer.kind === 'ok' ? Buffer.byteLength(answer.text) : 0);
        const { name: principal } = call.principal;
        const whole = Math.round(durationMs * 1000) / 1000;
        await audit.finish({
          requestId,
          principal,
          tool: tool.name,
          ...tracesOf(answer, recorder),
          outcome,
          code,
          exitCode,
          durationMs: whole,
          bytes,
        });
      } else if (answer.kind === 'error') {
        await audit.refuse(intent(), { outcome, code: answer.error.code, reason: answer.error.message });
      }
    },
  };
  return recorder;
}

/** What an answer says of its guest and its task: the log is to be held against that of Proxmox VE. */
function tracesOf(
  answer: Answer,
  { vmid, node }: Recorder,
): Pick<AuditOutcome, 'vmid' | 'node' | 'newVmid' | 'upid' | 'task'> {
  if (answer.kind === 'error') return { vmid, node, upid: answer.error.upid };
  const { data } = answer;
  const told = typeof data.vmid === 'number' ? data.vmid : undefined;
  return {
    vmid: vmid ?? told,
    node: node ?? textIn(data.node, 64),
    newVmid: told === vmid || vmid === undefined ? undefined : told,
    upid: textIn(data.upid, 512),
    task: textIn(data.task, 64),
  };
}

function textIn(value: unknown, maxChars: number): string | undefined {
  return typeof value === 'string' ? clean(value, maxChars) : undefined;
}

export function intentOf(requestId: string, call: Call, effect: Effect | undefined): AuditIntent {
  const { principal, client, args, transfer } = call;
  return {
    requestId,
    principal: principal.name,
    client,
    tool: call.tool,
    via: transfer === undefined ? undefined : 'url',
    effect,
    arguments: args,
  };
}
