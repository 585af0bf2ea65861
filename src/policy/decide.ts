/** The decision on a call: pure, so that every rule can be tested against every tool. */
import { includes } from '../base/vmids.ts';
import { dangerIn } from './danger.ts';
import { pathProblem } from './paths.ts';
import type { Intent, Principal, Rules } from './rules.ts';

export type Decision =
  | { readonly kind: 'allow' }
  /** Allowed once a person agrees; `required` says that it is refused where nobody can be asked. */
  | { readonly kind: 'confirm'; readonly required: boolean }
  /** `reason` completes «This gateway's policy does not allow the call: …» and names the setting. */
  | { readonly kind: 'deny'; readonly reason: string };

const allow: Decision = { kind: 'allow' };

/** Every rule is asked, in order; the first that objects decides. */
export function decide(_principal: Principal, intent: Intent, rules: Rules): Decision {
  for (const rule of [offered, reachable, sober, touchable]) {
    const reason = rule(intent, rules);
    if (reason !== undefined) return { kind: 'deny', reason };
  }
  return isFinal(intent) ? { kind: 'confirm', required: rules.requireConfirmation } : allow;
}

type Claim = Pick<Intent, 'toolset' | 'effect' | 'everyday'>;

/** Whether a tool is shown at all: what no argument could make allowed is not offered. */
export function isOffered(intent: Claim, rules: Rules): boolean {
  return offered(intent, rules) === undefined;
}

/** Whether the operator lets anyone see or touch this guest; `every`: whether none is out of reach. */
export function isReachable(vmid: number | 'every', rules: Rules): boolean {
  if (vmid === 'every') return rules.allowedVmids.length + rules.deniedVmids.length === 0;
  return isListed(vmid, rules);
}

/** All that stands in the way at once: an operator who is told of one setting at a time restarts in vain. */
function offered(claim: Claim, rules: Rules): string | undefined {
  const reasons = [...switchedOff(claim, rules)];
  return reasons.length === 0 ? undefined : reasons.join('; and ');
}

function* switchedOff({ toolset, effect, everyday }: Claim, rules: Rules): Iterable<string> {
  const { toolsets } = rules;
  const byDefault = (toolsets.length === 0 || toolsets.includes('default')) && everyday === true;
  if (!byDefault && !toolsets.includes('all') && !toolsets.includes(toolset))
    yield `the toolset ${toolset} is ${toolsets.length === 0 ? 'only offered in part' : 'switched off'} (an operator can add it to TOOLSETS)`;
  if (toolset === 'host' && !rules.hostExec)
    yield 'tools that act on the Proxmox VE host itself are switched off; an operator can set ENABLE_HOST_EXEC=true';
  if (rules.readOnly && effect !== 'read') yield 'the gateway is read-only (READ_ONLY)';
  else if (isFinal({ toolset, effect }) && !rules.destructive)
    yield 'it cannot be undone, and such calls are switched off; an operator can set ENABLE_DESTRUCTIVE=true';
}

/** What cannot be undone. Of a shell on the host nobody knows; it has a flag of its own. */
function isFinal({ toolset, effect }: Pick<Intent, 'toolset' | 'effect'>): boolean {
  return effect === 'destroy' && toolset !== 'host';
}

/** SECURITY: the words must not depend on whether the guest exists. */
function reachable(
  { vmid, reaches = [] }: Pick<Intent, 'vmid' | 'reaches'>,
  rules: Rules,
): string | undefined {
  const named = reaches === 'every' ? [] : reaches;
  const outside = [...(vmid === undefined ? [] : [vmid]), ...named].find((each) => !isListed(each, rules));
  if (outside !== undefined)
    return `guest ${outside} is outside what it may reach (ALLOWED_VMIDS, DENIED_VMIDS)`;
  if (reaches === 'every' && !isReachable('every', rules))
    return 'it is not about certain guests, and not every guest is in reach (ALLOWED_VMIDS, DENIED_VMIDS)';
  return undefined;
}

function isListed(vmid: number, { allowedVmids, deniedVmids }: Rules): boolean {
  return (allowedVmids.length === 0 || includes(allowedVmids, vmid)) && !includes(deniedVmids, vmid);
}

/** Variables by which a loader or a shell can be made to run other code than the command says. */
const hijacking = /^(LD_.*|BASH_ENV|ENV|IFS|SHELLOPTS|BASHOPTS|PS4|GCONV_PATH|PROMPT_COMMAND|BASH_FUNC_.*)$/;

function sober({ command, variables }: Intent, rules: Rules): string | undefined {
  const name = variables?.find((variable) => hijacking.test(variable));
  if (name !== undefined) return `the environment variable ${name} could make the command run other code`;
  const danger = command === undefined || rules.dangerousCommands ? undefined : dangerIn(command);
  return danger === undefined
    ? undefined
    : `the command looks like ${danger}; this check only prevents accidents, and an operator can switch it off with ENABLE_DANGEROUS_COMMANDS=true`;
}

function touchable({ touches, mode = 0 }: Intent, rules: Rules): string | undefined {
  if ((mode & 0o6000) !== 0 && !rules.setuid)
    return 'setuid and setgid files are not made (an operator can set ALLOW_SETUID=true)';
  return touches === undefined ? undefined : pathProblem(touches, rules);
}
