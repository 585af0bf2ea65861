/** What a tool may use while it runs: operations, limits, and a place and a URL where it moves a file. */
import { failure } from '../base/errors.ts';
import type { Ops } from '../ops/ops.ts';
import type { Places } from '../state/places.ts';
import type { IssuedUrl, Tool, ToolContext, ToolLimits } from '../tools/define.ts';
import type { Admission, Admitted } from './admission.ts';
import type { Call } from './call.ts';
import type { TicketClaim } from './tickets.ts';

export interface ContextInput {
  readonly ops: Ops;
  readonly limits: ToolLimits;
  /** How many transfers a principal may have under way. */
  readonly transferPlaces: Places;
  /** Makes one-time URLs, where there is an HTTP endpoint. Throws RangeError where one would be too long. */
  readonly issueUrl: ((claim: TicketClaim) => IssuedUrl) | undefined;
}

export function contextOf(
  tool: Tool,
  call: Call,
  { args, intent }: Admitted,
  { ops, limits, admission, issueUrl }: ContextInput & { readonly admission: Admission },
): ToolContext {
  const { principal, signal, onOutput, onState, transfer } = call;
  return {
    ...{ ops, limits, mayReach: admission.mayReach, signal, onOutput, onState, transfer },
    judge: (touches) => void admission.permit(principal, { ...intent, touches }),
    issueUrl: (use) => issue({ ...use, tool: tool.name, args, principal: principal.name }, issueUrl),
  };
}

/** Takes a place for what moves a file; to be called when it has. Throws BUSY. */
export function placeFor(
  tool: Tool,
  { principal, transfer }: Call,
  { args }: Admitted,
  { transferPlaces }: ContextInput,
): () => void {
  if (transfer === undefined && tool.transfers?.(args) !== true) return () => {};
  const leave = transferPlaces.enter(principal.name);
  if (leave === undefined)
    throw failure('BUSY', { what: 'transfers (MAX_TRANSFERS of one token, 16 in all)', retryInS: 10 });
  return leave;
}

function issue(claim: TicketClaim, issueUrl: ContextInput['issueUrl']): IssuedUrl {
  const refuse = (problem: string, cause?: unknown) =>
    failure('INVALID_ARGUMENT', { problem: `transfer: ${problem}` }, { cause });
  if (issueUrl === undefined)
    throw refuse('there are no URLs without the HTTP endpoint; use local_path or content');
  try {
    return issueUrl(claim);
  } catch (error) {
    if (error instanceof RangeError)
      throw refuse('the path is too long for a URL; use local_path or content', error);
    throw error;
  }
}
