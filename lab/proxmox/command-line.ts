/** The command line of PVE's Perl programs: unique prefixes, options anywhere, checked parameters. */
import { toByteString, toText } from '../byte-string.ts';

export type ParameterKind = 'vmid' | 'text' | 'integer' | 'boolean';

export interface Verb {
  /** Names of the fixed arguments, in order. */
  readonly params: readonly string[];
  readonly options: Readonly<Record<string, ParameterKind>>;
  /** What stands after the fixed arguments in the usage line. */
  readonly rest?: string;
}

export interface Parsed {
  readonly verb: string;
  readonly params: readonly string[];
  readonly options: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
}

/** Something pct says on stderr, with the status it exits with. */
export class PveError extends Error {
  readonly status: number;
  constructor(message: string, status = 255) {
    super(message);
    this.status = status;
  }
}

function usage(program: string, verb: string, { params, rest }: Verb): string {
  const fixed = params.map((param) => ` <${param}>`).join('');
  const tail = verb === 'list' && program === 'pct' ? '' : '[OPTIONS]';
  return `${program} ${verb}${fixed}${rest === undefined ? '' : ` ${rest}`} ${tail}`;
}

/**
 * What an argument becomes when the program decodes it by the locale: under UTF-8 each invalid byte, under
 * any other every byte beyond ASCII turns into U+FFFD.
 */
export function decodeArgument(arg: string, env: ReadonlyMap<string, string>): string {
  const locale = env.get('LC_ALL') || env.get('LC_CTYPE') || env.get('LANG') || 'C';
  if (/utf-?8/i.test(locale)) return toByteString(toText(arg));
  return arg.replaceAll(/[^\0-\x7f]/g, toByteString('\ufffd'));
}

function findVerb(program: string, verbs: Readonly<Record<string, Verb>>, given: string | undefined): string {
  const fail = (problem: string) =>
    new PveError(`ERROR: ${problem}\nUSAGE: ${program} <COMMAND> [ARGS] [OPTIONS]`);
  if (given === undefined) throw fail('no command specified');
  if (Object.hasOwn(verbs, given)) return given;
  const [match, ...more] = Object.keys(verbs).filter((verb) => verb.startsWith(given));
  if (more.length > 0) throw fail(`incomplete command '${program} ${given}'`);
  if (match === undefined) throw fail(`unknown command '${program} ${given}'`);
  return match;
}

/** Throws PveError. */
export function parseCommandLine(
  program: string,
  verbs: Readonly<Record<string, Verb>>,
  args: readonly string[],
): Parsed {
  const name = findVerb(program, verbs, args[0]);
  const verb = verbs[name] ?? { params: [], options: {} };
  const fail = (problem: string) => new PveError(`${problem}\n${usage(program, name, verb)}`);
  const words: string[] = [];
  const options = new Map<string, string>();
  for (let at = 1; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (arg === '--') {
      words.push(...args.slice(at + 1));
      break;
    }
    const [, option, inline] = /^--?([\w-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (option === undefined) {
      words.push(arg);
      continue;
    }
    const kind = verb.options[option];
    if (kind === undefined) throw fail(`Unknown option: ${option}\n400 unable to parse option`);
    const next = args[at + 1];
    const takesNext =
      inline === undefined && next !== undefined && (kind !== 'boolean' || !next.startsWith('-'));
    if (takesNext) at += 1;
    options.set(option, readOption(kind, inline ?? (takesNext ? (next ?? '') : '1'), option, fail));
  }
  if (words.length < verb.params.length) throw fail('400 not enough arguments');
  if (words.length > verb.params.length && verb.rest === undefined) throw fail('400 too many arguments');
  const params = words.slice(0, verb.params.length);
  for (const [index, param] of verb.params.entries())
    if (param === 'vmid') checkVmid(params[index] ?? '', fail);
  return { verb: name, params, options, rest: words.slice(verb.params.length) };
}

function readOption(
  kind: ParameterKind,
  value: string,
  option: string,
  fail: (problem: string) => PveError,
): string {
  if (kind === 'boolean') {
    if (/^(1|on|yes|true)$/i.test(value)) return '1';
    if (/^(0|off|no|false)$/i.test(value)) return '0';
    throw fail('400 unable to parse boolean option');
  }
  if (kind === 'integer' && !/^-?\d+$/.test(value))
    throw fail(
      `400 Parameter verification failed.\n${option}: type check ('integer') failed - got '${value}'`,
    );
  return value;
}

function checkVmid(vmid: string, fail: (problem: string) => PveError): void {
  if (!/^[+-]?\d+$/.test(vmid))
    throw fail(`400 Parameter verification failed.\nvmid: type check ('integer') failed - got '${vmid}'`);
  if (!/^[1-9]\d{2,8}$/.test(vmid))
    throw fail(
      '400 Parameter verification failed.\nvmid: invalid format - value does not look like a valid VM ID\n',
    );
}
