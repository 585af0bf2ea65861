/** Starts and stops containers through the REST API. */
import { GatewayError } from '../base/errors.ts';
import { guestPath } from '../pve/api-path.ts';
import { parseUpid } from '../pve/tasks.ts';
import type { ApiRoom } from './api-room.ts';
import { carriedOut } from './guest-task.ts';
import { type PowerAction, type PowerWay, powerMarginMs, powerName, wasOvertaken } from './power.ts';

/** Throws CONTAINER_LOCKED, TASK_FAILED, TASK_LEFT_RUNNING and what the API throws. */
export function powerByApi({ tasks }: Pick<ApiRoom, 'tasks'>): PowerWay {
  return async (guest, action, signal) => {
    const { verb, timeoutS } = action;
    const path = guestPath(guest, 'status', verb);
    const request = {
      method: 'POST',
      path,
      params: paramsOf(action),
      action: powerName(verb, guest.vmid),
    } as const;
    const wait = { signal, waitMs: timeoutS * 1000 + powerMarginMs };
    try {
      const end = await carriedOut(guest, () => tasks.run(request, wait));
      const said = end?.log.join('\n') ?? '';
      // Of a container under high availability only a request is filed.
      const isAsked = end !== undefined && parseUpid(end.upid)?.type.startsWith('ha') === true;
      return { kind: isAsked ? 'asked' : 'done', said };
    } catch (error) {
      const said = error instanceof GatewayError ? (error.evidence.stderr ?? '') : '';
      if (wasOvertaken(verb, said)) return { kind: 'overtaken', said };
      throw error;
    }
  };
}

function paramsOf({ verb, timeoutS, force }: PowerAction) {
  if (verb === 'start' || verb === 'stop') return {};
  return verb === 'shutdown' ? { timeout: timeoutS, forceStop: force } : { timeout: timeoutS };
}
