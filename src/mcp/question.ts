/** The words in which a person is asked before something is done that cannot be undone. */
import { failure } from '../base/errors.ts';
import { clean, mask, namesSecret } from '../base/text.ts';
import type { Deed } from '../policy/confirm.ts';
import type { LocatedGuest } from '../policy/rules.ts';

const maxLines = 60;
const maxValueChars = 300;
const maxItems = 20;

/** They change how a call is waited for or shown, and nothing of what it does; the guest has a line of its own. */
const incidental: ReadonlySet<string> = new Set(['vmid', 'wait_seconds', 'response_format']);

/**
 * Throws INVALID_ARGUMENT where there are too many arguments to be asked about. SECURITY: whatever stands in a
 * line came from outside; none of it can begin a line of its own, nor push another out of sight.
 */
export function questionOf(title: string, { args, guest, others }: Omit<Deed, 'principal' | 'tool'>): string {
  const given = Object.entries(args).filter(([name, value]) => !incidental.has(name) && value !== undefined);
  const lines = given.flatMap(([name, value]) => linesOf(name, value));
  if (lines.length > maxLines)
    throw failure('INVALID_ARGUMENT', {
      problem: `arguments: a person cannot be asked about ${lines.length} of them at once; at most ${maxLines}`,
    });
  return [
    title,
    ...(guest === undefined ? [] : [`guest: ${described(guest)}`]),
    ...others.map((each) => `concerns: ${described(each)}`),
    ...lines,
    '',
    'This cannot be undone. Do it?',
  ].join('\n');
}

function described({ kind, vmid, name, node }: LocatedGuest): string {
  const noun = kind === 'vm' ? 'virtual machine' : kind;
  return `${noun} ${vmid} (${clean(name ?? 'no name', 100)}) on node ${clean(node, 64)}`;
}

/** The parts of a record have a line each. */
function linesOf(name: string, value: unknown): string[] {
  const label = clean(name, 64);
  if (namesSecret(name) || !isRecord(value)) return [`${label}: ${shown(name, value)}`];
  return Object.entries(value).map(([key, part]) => `${label}.${clean(key, 64)}: ${shown(key, part)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(name: string, value: unknown): string {
  if (namesSecret(name)) return '***';
  if (typeof value === 'string')
    return cut(clean(mask(value.slice(0, 4 * maxValueChars)), 4 * maxValueChars), value.length);
  if (typeof value !== 'object' || value === null) return clean(String(value), maxValueChars);
  const items = Array.isArray(value)
    ? value.slice(0, maxItems).map((item) => shown('', item))
    : Object.entries(value)
        .slice(0, maxItems)
        .map(([key, item]) => `${clean(key, 64)}=${shown(key, item)}`);
  const count = Object.keys(value).length;
  const more = count > maxItems ? [`and ${count - maxItems} more`] : [];
  const text = [...items, ...more].join(', ');
  return cut(text, text.length);
}

/** What is left out is counted, so that nothing ends unseen. */
function cut(text: string, chars: number): string {
  const whole = [...text];
  return whole.length <= maxValueChars
    ? text
    : `${whole.slice(0, maxValueChars).join('')}… (${chars} characters in all)`;
}
