/** Asks a guest agent, and tells what keeps it from answering. */
import type { z } from 'zod';
import { failure, GatewayError } from '../../base/errors.ts';
import { guestPath } from '../../pve/api-path.ts';
import type { Params, Pve } from '../../pve/pve.ts';
import type { Guest } from '../survey.ts';

export interface AgentRequest {
  readonly method: 'GET' | 'POST';
  /** Such as `exec-status`. */
  readonly verb: string;
  readonly params?: Params;
  readonly action: string;
  readonly signal: AbortSignal;
  readonly maxBytes?: number;
  readonly timeoutMs?: number;
}

/** Throws VM_NOT_RUNNING, GUEST_IS_TEMPLATE, AGENT_UNAVAILABLE and AGENT_NOT_CONFIGURED, besides what every request throws. */
export async function askAgent<T>(
  pve: Pve,
  guest: Guest,
  { verb, ...request }: AgentRequest,
  answer: z.ZodType<T>,
): Promise<T> {
  try {
    return await pve.request({ ...request, path: guestPath(guest, 'agent', verb) }, answer);
  } catch (error) {
    throw explained(error, guest);
  }
}

/** What Proxmox VE said of a request that it could not carry out. */
export function saidIn(error: unknown): string {
  return error instanceof GatewayError ? (error.evidence.stderr ?? '') : '';
}

function explained(error: unknown, { vmid, template }: Guest): unknown {
  const said = saidIn(error);
  const options = { cause: error, evidence: { stderr: said } };
  if (/\bVM \d+ is not running\b/.test(said))
    return failure(template ? 'GUEST_IS_TEMPLATE' : 'VM_NOT_RUNNING', { vmid }, options);
  if (/\bNo QEMU guest agent configured\b/i.test(said))
    return failure('AGENT_NOT_CONFIGURED', { vmid }, options);
  if (/\bguest agent is not running\b/i.test(said)) return failure('AGENT_UNAVAILABLE', { vmid }, options);
  return error;
}
