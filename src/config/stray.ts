/** Finds environment variables that look like settings of this gateway and are none: mostly typing errors. */
import type { Setting } from './kinds.ts';
import { settings } from './schema.ts';

/** Set by ssh, its agent and npm, and none of this gateway's business. */
const foreign =
  /^(SSH_(AUTH_SOCK|AGENT_PID|AGENT_LAUNCHER|CLIENT|CONNECTION|TTY|ASKPASS|ASKPASS_REQUIRE|ORIGINAL_COMMAND)|HOSTNAME|HOSTTYPE|HOST_.*|MCP_(HOST|PORT))$/;
const ours =
  /_VM(ID)?S$|^(SSH|MCP|PROXMOX|ENABLE|ALLOW(ED)?|DEN(Y|IED)|SERVER|REQUIRE|DOWNLOAD|METRICS|AUDIT|COMMAND_TIMEOUT|TRUSTED|TRANSFER|STAGING|INLINE|PUBLIC|CONTAINER_DRIVER)_/;

/** The variables that name a file with the setting's value; none for what is no secret. */
export function fileNamesOf(name: string, { secret, aliases }: Pick<Setting<unknown>, 'secret' | 'aliases'>) {
  return secret ? [name, ...aliases].map((each) => `${each}_FILE`) : [];
}

/** A sentence for every such name, at most 20. */
export function strayNames(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set<string>();
  for (const [name, setting] of Object.entries(settings)) {
    for (const alias of [name, ...setting.aliases]) known.add(alias);
    for (const fileName of fileNamesOf(name, setting)) known.add(fileName);
  }
  const warnings: string[] = [];
  for (const name of Object.keys(env)) {
    if (warnings.length === 20) break;
    if (env[name] === '' || known.has(name) || foreign.test(name)) continue;
    const near = [...known].find((candidate) => candidate.length > 4 && isTypoOf(name, candidate));
    if (near !== undefined) warnings.push(`${name} is not a setting; did you mean ${near}?`);
    else if (ours.test(name)) warnings.push(`${name} is not a setting of this gateway and has no effect.`);
  }
  return warnings;
}

/** One or two letters changed, added, left out or swapped. */
function isTypoOf(name: string, candidate: string): boolean {
  const maxSlips = candidate.length > 7 ? 2 : 1;
  if (Math.abs(name.length - candidate.length) > maxSlips) return false;
  let previous: number[] = [];
  let row = Array.from({ length: candidate.length + 1 }, (_, index) => index);
  for (let i = 1; i <= name.length; i++) {
    const next = [i];
    for (let j = 1; j <= candidate.length; j++) {
      const same = name[i - 1] === candidate[j - 1];
      let cost = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && name[i - 1] === candidate[j - 2] && name[i - 2] === candidate[j - 1])
        cost = Math.min(cost, (previous[j - 2] ?? 0) + 1);
      next.push(cost);
    }
    previous = row;
    row = next;
  }
  return (row[candidate.length] ?? Number.POSITIVE_INFINITY) <= maxSlips;
}
