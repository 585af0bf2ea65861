/** Starts and stops containers through pct, on the node that has them. */
import { failure } from '../base/errors.ts';
import { wholeText } from '../exec/capture.ts';
import type { Hosts } from './hosts.ts';
import { type PowerAction, type PowerWay, powerMarginMs, powerName, wasOvertaken } from './power.ts';

const maxBytes = 64 * 1024;

/** Throws CONTAINER_LOCKED, CONTAINER_NOT_FOUND, ACTION_FAILED and what reaching the node throws. */
export function powerByPct({ hosts }: { hosts: Hosts }): PowerWay {
  return async ({ node, vmid }, action, signal) => {
    const { executor } = await hosts.on(node, signal);
    const argv: [string, ...string[]] = ['pct', action.verb, String(vmid), ...optionsOf(action)];
    const timeoutMs = action.timeoutS * 1000 + powerMarginMs;
    const result = await executor.run({ argv, timeoutMs, maxBytes }, { signal });
    const stdout = wholeText(result.stdout);
    const stderr = wholeText(result.stderr);
    const said = stderr || stdout;
    if (result.exitCode !== 0 && wasOvertaken(action.verb, stderr)) return { kind: 'overtaken', said };
    if (result.exitCode !== 0) throw refusal(vmid, powerName(action.verb, vmid), stdout, stderr);
    // Of a container under high availability pct only files a request and returns.
    return { kind: /^Requesting HA /m.test(stdout) ? 'asked' : 'done', said };
  };
}

function optionsOf({ verb, timeoutS, force }: PowerAction): string[] {
  if (verb === 'start' || verb === 'stop') return [];
  const timeout = ['--timeout', String(timeoutS)];
  return verb === 'shutdown' ? [...timeout, '--forceStop', force ? '1' : '0'] : timeout;
}

/** pct's own words decide; its exit codes are errno values or 255, whatever happened. */
function refusal(vmid: number, action: string, stdout: string, stderr: string) {
  const said = `${stderr}\n${stdout}`;
  const lock = /^CT is locked \(([^)]+)\)/m.exec(said)?.[1];
  if (lock !== undefined) return failure('CONTAINER_LOCKED', { vmid, lock });
  if (/can't lock file .* got timeout/.test(said))
    return failure('CONTAINER_LOCKED', { vmid, lock: 'another task is changing it' });
  if (/^Configuration file '.*' does not exist/m.test(said)) return failure('CONTAINER_NOT_FOUND', { vmid });
  return failure('ACTION_FAILED', { action }, { evidence: { stderr: stderr || stdout } });
}
