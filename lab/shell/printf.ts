/** printf's format, and the backslash escapes that echo shares with it. */

/** The widest field, and the most times a format is used again for further arguments. */
const maxWidth = 10_000;
const maxRounds = 100_000;

/** Reads backslash escapes; `stop` where `\c` ended the output. */
export function readEscapes(text: string): { text: string; stop: boolean } {
  let result = '';
  const escapes = /\\(c|[abefnrtv\\"]|0[0-7]{0,3}|[1-7][0-7]{0,2}|x[\da-fA-F]{1,2}|u[\da-fA-F]{1,4})/g;
  let last = 0;
  for (const match of text.matchAll(escapes)) {
    const [whole, code = ''] = match;
    result += text.slice(last, match.index);
    last = match.index + whole.length;
    if (code === 'c') return { text: result, stop: true };
    result += one(code);
  }
  return { text: result + text.slice(last), stop: false };
}

const letters: Record<string, string> = {
  a: '\x07',
  b: '\b',
  e: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
};

function one(code: string): string {
  const letter = letters[code];
  if (letter !== undefined) return letter;
  if (code.startsWith('x')) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
  if (code.startsWith('u'))
    return Buffer.from(String.fromCodePoint(Number.parseInt(code.slice(1), 16))).toString('latin1');
  return String.fromCharCode(Number.parseInt(code, 8) & 0xff);
}

/** Uses the format again until every argument is taken. */
export function format(pattern: string, values: readonly string[]): { text: string; problems: string[] } {
  const problems: string[] = [];
  const waiting = [...values];
  let text = '';
  for (let round = 0; round < maxRounds; round += 1) {
    const before = waiting.length;
    const result = formatOnce(pattern, waiting, problems);
    text += result.text;
    if (result.stop || waiting.length === 0 || waiting.length === before) break;
  }
  return { text, problems };
}

function formatOnce(pattern: string, waiting: string[], problems: string[]): { text: string; stop: boolean } {
  const directive = /%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([a-zA-Z%])/g;
  let text = '';
  let last = 0;
  for (const match of pattern.matchAll(directive)) {
    const [whole, flags = '', width, precision, kind = ''] = match;
    const plain = readEscapes(pattern.slice(last, match.index));
    text += plain.text;
    if (plain.stop) return { text, stop: true };
    last = match.index + whole.length;
    if (kind === '%') {
      text += '%';
      continue;
    }
    const size = width === '*' ? Number(waiting.shift() ?? 0) : Number(width ?? 0);
    const digits = precision === '*' ? Number(waiting.shift() ?? 0) : precision;
    const hasPrecision = whole.includes('.');
    const value = waiting.shift();
    const shown = convert(kind, value, hasPrecision ? Number(digits ?? 0) : undefined, flags, problems);
    text += pad(shown.text, Math.min(Math.abs(size), maxWidth), size < 0 ? `${flags}-` : flags, kind);
    if (shown.stop) return { text, stop: true };
  }
  const tail = readEscapes(pattern.slice(last));
  return { text: text + tail.text, stop: tail.stop };
}

function pad(text: string, width: number, flags: string, kind: string): string {
  if (flags.includes('-')) return text.padEnd(width);
  const zeros = flags.includes('0') && 'diouxXeEfFgG'.includes(kind);
  if (!zeros) return text.padStart(width);
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + text.slice(sign.length).padStart(width - sign.length, '0');
}

function convert(
  kind: string,
  value: string | undefined,
  precision: number | undefined,
  flags: string,
  problems: string[],
): { text: string; stop?: boolean } {
  const given = value ?? '';
  if (kind === 's') return { text: given.slice(0, precision) };
  if (kind === 'c') return { text: given.slice(0, 1) };
  if (kind === 'b') return readEscapes(given);
  if (kind === 'q') return { text: given === '' ? "''" : given.replaceAll(/[^\w@%+=:,./-]/g, '\\$&') };
  if ('eEfFgG'.includes(kind)) {
    const number = Number(given);
    return { text: 'gG'.includes(kind) ? String(number) : number.toFixed(precision ?? 6) };
  }
  const number = integer(given, problems);
  const plus = flags.includes('+') && number >= 0n ? '+' : '';
  const unsigned = BigInt.asUintN(64, number);
  if (kind === 'x' || kind === 'X') {
    const hex = (flags.includes('#') ? '0x' : '') + unsigned.toString(16);
    return { text: kind === 'X' ? hex.toUpperCase() : hex };
  }
  if (kind === 'o') return { text: unsigned.toString(8) };
  return { text: plus + (kind === 'u' ? unsigned : number).toString().padStart(precision ?? 0, '0') };
}

function integer(text: string, problems: string[]): bigint {
  const trimmed = text.trim();
  if (trimmed === '') return 0n;
  if (/^["']/.test(trimmed)) return BigInt(trimmed.charCodeAt(1) || 0);
  if (/^[+-]?0[0-7]+$/.test(trimmed)) return BigInt(Number.parseInt(trimmed, 8));
  if (/^[+-]?\d+$/.test(trimmed) || /^0x[\da-f]+$/i.test(trimmed)) return BigInt(trimmed);
  problems.push(`${text}: invalid number`);
  return BigInt(/^[+-]?\d+/.exec(trimmed)?.[0] ?? 0);
}
