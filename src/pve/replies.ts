/** What a node's answer means: data, a refusal with its reason, or that nobody answered behind it. */
import { z } from 'zod';
import { failure, type GatewayError } from '../base/errors.ts';
import { clean } from '../base/text.ts';
import type { Reply } from './exchange.ts';

const maxEvidenceBytes = 4096;
const maxNames = 10;

/** What Proxmox VE says where it looks before it touches anything. */
const guards =
  /^(?:create|update|delete) pools? failed: |^(?:CT|VM) \d+ (?:already exists|(?:already|is not|is|not) running)|^(?:CT|VM) is locked \(|^no (?:options specified$|such cluster node )|^detected modified configuration|^unable to (?:shrink disk size|destroy (?:CT|VM) |delete required option)/;

const Refusal = z.looseObject({
  message: z.string().nullish(),
  errors: z.record(z.string(), z.unknown()).nullish(),
});

/** The parsed answer, an object with `data`; undefined where it is none. */
export function answerOf({ contentType, text }: Reply): { readonly data: unknown } | undefined {
  const parsed = contentType.startsWith('application/json') ? parse(text) : undefined;
  return typeof parsed === 'object' && parsed !== null && 'data' in parsed ? parsed : undefined;
}

/** Of somebody who reached nobody to answer, or lost whom he had reached: who is behind may have acted. */
export function unanswered(reply: Reply): boolean {
  return (reply.status >= 595 && reply.status <= 599) || fromProxy(reply);
}

/** Of a proxy in front of the API, not of the API. */
export function fromProxy({ status }: Reply): boolean {
  return status >= 502 && status <= 504;
}

/** A proxy that could not even connect: nothing was begun. */
export const notReachedStatus = 595;

/** Completes «no answer: …». */
export function unansweredProblem({ status }: Reply): string {
  switch (status) {
    case notReachedStatus:
      return 'it cannot reach the node that has to answer (595)';
    case 596:
    case 597:
      return `its connection to the part that has to answer broke (${status})`;
    default:
      return `it answered ${status} in place of the part that has to answer`;
  }
}

/** The error for a status from 400 on that no proxy has given; 401 is not looked at here. */
export function refusalOf(
  reply: Reply,
  { reading, action, startsTask }: { reading: boolean; action: string; startsTask: boolean },
): GatewayError {
  const { status } = reply;
  const refusal = Refusal.safeParse(parse(reply.text)).data ?? {};
  const said = (refusal.message ?? '').trim() || reply.reason;
  const evidence = { stderr: evidenceOf(said, refusal.errors ?? {}) };
  const vmid = missingGuest(said);
  if (vmid !== undefined) return failure('GUEST_NOT_FOUND', { vmid });
  if (status === 403) return forbidden(said, action, evidence);
  if (status === 400)
    return failure('API_REFUSED', { action, parameters: namesOf(refusal.errors ?? {}) }, { evidence });
  if (reading || startsTask || status === 501 || guards.test(said))
    return failure('API_REFUSED', { action }, { evidence });
  return failure('API_FAILED', { action }, { evidence });
}

/** For the fenced part of an error: all that there is where nobody answered. */
export function reasonOf({ reason }: Reply): { stderr: string } {
  return { stderr: clean(reason) };
}

function missingGuest(said: string): number | undefined {
  const match =
    /^Configuration file 'nodes\/[\w.-]+\/(?:lxc|qemu-server)\/(\d{1,9})\.conf' does not exist$/.exec(said);
  return match === null ? undefined : Number(match[1]);
}

/** `Permission check failed (/vms/100, VM.Audit|VM.Config.CPU)`, with an empty path, or with another reason. */
function forbidden(said: string, action: string, evidence: { stderr: string }): GatewayError {
  const [, reason = ''] = /^Permission check failed \((.*?)\)?$/s.exec(said) ?? [];
  if (/root@pam|need proper ticket/.test(reason)) return failure('API_ROOT_ONLY', { action }, { evidence });
  const [, path = '', privileges = ''] =
    /^((?:\/[\w.@!:+-]*)*), ?([A-Za-z]+(?:\.[A-Za-z]+)+(?:[|,] ?[A-Za-z]+(?:\.[A-Za-z]+)+)*)$/.exec(reason) ??
    [];
  const privilege = privileges.split(/[|,] ?/).join(' or ');
  return failure('API_FORBIDDEN', { action, privilege, path: path.slice(0, 200) }, { evidence });
}

/** Names alone, and only what can be one: the rest of what was said is text from outside. */
function namesOf(errors: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(errors)
    .filter((name) => /^[A-Za-z][\w-]{0,63}$/.test(name))
    .slice(0, maxNames);
}

function evidenceOf(said: string, errors: Readonly<Record<string, unknown>>): string {
  const lines = [
    said,
    ...Object.entries(errors).map(([name, problem]) => `${name}: ${String(problem).trim()}`),
  ];
  return bounded(lines.flatMap((line) => line.split('\n')));
}

/** Cleaned line by line, at most 4 KiB. */
function bounded(lines: readonly string[]): string {
  const text = lines
    .slice(0, 200)
    .map((line) => clean(line))
    .join('\n');
  return Buffer.from(text)
    .subarray(0, maxEvidenceBytes)
    .toString('utf8')
    .replace(/\ufffd$/, '');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
