/** The decision on a call: pure, so that every rule can be tested against every tool. */
import { includes } from '../base/vmids.ts';
import { dangerIn } from './danger.ts';
import { pathProblem } from './paths.ts';
import type { Intent, Principal, Rules } from './rules.ts';

export type Decision =
  | { readonly kind: 'allow' }
  /** `reason` completes «This gateway's policy does not allow the call: …» and names the setting. */
  | { readonly kind: 'deny'; readonly reason: string };

const allow: Decision = { kind: 'allow' };

/** Every rule is asked, in order; the first that objects decides. */
export function decide(_principal: Principal, intent: Intent, rules: Rules): Decision {
  for (const rule of [offered, reachable, sober, touchable]) {
    const reason = rule(intent, rules);
    if (reason !== undefined) return { kind: 'deny', reason };
  }
  return allow;
}

/** Whether a tool is shown at all: what no argument could make allowed is not offered. */
export function isOffered(intent: Pick<Intent, 'toolset' | 'effect'>, rules: Rules): boolean {
  return offered(intent, rules) === undefined;
}

/** Whether the operator lets anyone see or touch this guest. */
export function isReachable(vmid: number, rules: Rules): boolean {
  return reachable({ vmid }, rules) === undefined;
}

function offered({ toolset, effect }: Pick<Intent, 'toolset' | 'effect'>, rules: Rules): string | undefined {
  if (rules.toolsets.length > 0 && !rules.toolsets.includes(toolset))
    return `the toolset ${toolset} is switched off (TOOLSETS)`;
  if (toolset === 'host' && !rules.hostExec)
    return 'tools that act on the Proxmox VE host itself are switched off; an operator can set ENABLE_HOST_EXEC=true';
  if (rules.readOnly && effect !== 'read') return 'the gateway is read-only (READ_ONLY)';
  return undefined;
}

/** SECURITY: the words must not depend on whether the guest exists. */
function reachable({ vmid }: Pick<Intent, 'vmid'>, rules: Rules): string | undefined {
  if (vmid === undefined) return undefined;
  const listed = rules.allowedVmids.length === 0 || includes(rules.allowedVmids, vmid);
  return listed && !includes(rules.deniedVmids, vmid)
    ? undefined
    : `guest ${vmid} is outside what it may reach (ALLOWED_VMIDS, DENIED_VMIDS)`;
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
