/** One call in the audit log: its intent before it is carried out, its outcome after, or its refusal. */
import { randomUUID } from 'node:crypto';
import type { Audit, AuditIntent } from '../observe/audit.ts';
import type { Tool, Transferred } from '../tools/define.ts';
import type { Answer, Call } from './call.ts';

/** How a call ended, as it goes into audit and metrics. */
export interface Ending {
  readonly answer: Answer;
  readonly outcome: 'ok' | 'error' | 'denied' | 'cancelled';
  readonly exitCode?: number | undefined;
  readonly moved?: Transferred | undefined;
}

/** What goes into the audit log of one call, filled in as it becomes known. */
export interface Recorder {
  readonly requestId: string;
  vmid: number | undefined;
  node: string | undefined;
  begin(): Promise<void>;
  finish(ending: Ending, durationMs: number): Promise<void>;
}

export function createRecorder(audit: Audit, call: Call, tool: Tool): Recorder {
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
    async finish({ answer, outcome, exitCode, moved }, durationMs) {
      const code = answer.kind === 'error' ? answer.error.code : undefined;
      if (begun) {
        const { vmid } = recorder;
        const bytes = moved?.bytes ?? (answer.kind === 'ok' ? Buffer.byteLength(answer.text) : 0);
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

export function intentOf(requestId: string, call: Call, tool: Tool | undefined): AuditIntent {
  const { principal, client, args, transfer } = call;
  return {
    requestId,
    principal: principal.name,
    client,
    tool: call.tool,
    via: transfer === undefined ? undefined : 'url',
    effect: tool?.effect,
    arguments: args,
  };
}
