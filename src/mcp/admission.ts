/** What a call must pass before it is carried out: each refusal as early as it can be, and before the host is asked. */
import { failure } from '../base/errors.ts';
import type { Inventory } from '../ops/inventory.ts';
import { type Decision, decide, isOffered, isReachable } from '../policy/decide.ts';
import type { Intent, Principal, Rules } from '../policy/rules.ts';
import type { Tool } from '../tools/define.ts';
import { parseArguments } from './arguments.ts';
import type { Call } from './call.ts';
import { type Arguments, locate } from './locate.ts';
import type { Recorder } from './recorder.ts';

export type Permission = Exclude<Decision, { kind: 'deny' }>;

/** A call that policy lets through, with the guest where it really is. */
export interface Admitted {
  /** Checked, with defaults, with the id in the place of a name. */
  readonly args: Arguments;
  readonly intent: Intent;
  readonly permission: Permission;
}

export interface Admission {
  /** Whether a tool is shown: it can be served, and some argument could make it allowed. */
  offers(tool: Tool): boolean;
  mayReach(vmid: number | 'every'): boolean;
  /** Throws PERMISSION_DENIED. */
  permit(principal: Principal, intent: Intent): Permission;
  /** Throws SSH_NOT_CONFIGURED, API_NOT_CONFIGURED, PERMISSION_DENIED, INVALID_ARGUMENT, and what `locate` throws. */
  admit(tool: Tool, call: Call, record: Recorder): Promise<Admitted>;
}

export function createAdmission(input: {
  rules: Rules;
  transports: { ssh: boolean; api: boolean };
  inventory: Inventory;
}): Admission {
  const { rules, transports, inventory } = input;
  const mayReach = (vmid: number | 'every') => isReachable(vmid, rules);
  const isServed = ({ needs }: Tool) => needs === 'either' || transports[needs];

  const permit = (principal: Principal, intent: Intent): Permission => {
    const decision = decide(principal, intent, rules);
    if (decision.kind === 'deny') throw failure('PERMISSION_DENIED', { reason: decision.reason });
    return decision;
  };

  return {
    offers: (tool) => isServed(tool) && isOffered(mildest(tool), rules),
    mayReach,
    permit,
    async admit(tool, { principal, args: given, signal }, record) {
      // First what no setting of policy would mend.
      if (!isServed(tool))
        throw failure(tool.needs === 'ssh' ? 'SSH_NOT_CONFIGURED' : 'API_NOT_CONFIGURED', {});
      permit(principal, mildest(tool));
      const claimed = parseArguments(tool.input, given);
      const refusal = tool.refuses?.(claimed);
      if (refusal !== undefined) throw failure('PERMISSION_DENIED', { reason: refusal });
      const claim = intentFrom(tool, claimed);
      record.effect = claim.effect;
      record.vmid = claim.vmid ?? onlyOne(claim.reaches);
      record.node = nodeFrom(tool, claimed);
      // SECURITY: asked before the host is, so that a refusal neither costs anything nor tells what exists.
      permit(principal, claim);
      const { effect } = claim;
      const { guest, args } = await locate({ tool, effect, args: claimed, inventory, mayReach, signal });
      const intent: Intent = { ...claim, guest, ...(guest !== undefined && { vmid: guest.vmid }) };
      if (guest !== undefined) Object.assign(record, { vmid: guest.vmid, node: guest.node });
      return { args, intent, permission: permit(principal, intent) };
    },
  };
}

/** A tool whose arguments decide its effect is offered for the mildest, and every call is judged by its own. */
function mildest(tool: Tool): Intent {
  const { name, toolset, everyday } = tool;
  return { tool: name, toolset, everyday, effect: tool.effectOf === undefined ? tool.effect : 'read' };
}

function intentFrom(tool: Tool, args: Arguments): Intent {
  const { name, toolset, everyday } = tool;
  return {
    ...{ tool: name, toolset, everyday, effect: tool.effectOf?.(args) ?? tool.effect },
    ...(typeof args.vmid === 'number' && { vmid: args.vmid }),
    reaches: tool.reaches?.(args),
    ...tool.runs?.(args),
    ...tool.touches?.(args),
  };
}

function nodeFrom(tool: Tool, args: Arguments): string | undefined {
  return tool.nodeOf?.(args) ?? (typeof args.node === 'string' ? args.node : undefined);
}

function onlyOne(reaches: Intent['reaches']): number | undefined {
  return reaches?.length === 1 && reaches !== 'every' ? reaches[0] : undefined;
}
