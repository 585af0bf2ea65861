/** Text from outside, made safe to show: bounded, cleaned of control characters, fenced, masked. */

const control = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

function escapeCodePoint(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/**
 * One line of printable text, at most maxChars code points: control and direction-changing characters
 * are shown as \u{hex}, so that names can spoof neither a log nor a terminal.
 */
export function clean(text: string, maxChars = 500): string {
  const points = [...text.slice(0, (maxChars + 1) * 2)];
  const bounded = points.length > maxChars ? `${points.slice(0, maxChars).join('')}…` : points.join('');
  return bounded.toWellFormed().replace(control, escapeCodePoint);
}

/** As clean, line by line: for texts of several lines. */
export function cleanLines(text: string): string {
  return text
    .split('\n')
    .map((line) => clean(line, 8192))
    .join('\n');
}

/** Tags and kinds of content, which come in one text with commas, semicolons or blanks between them. */
export function wordsIn(text = ''): string[] {
  return text.split(/[;,\s]+/).filter((word) => word !== '');
}

/**
 * Marks text as coming from the host or a container: data to look at, not instructions to follow.
 * The fence is longer than any run of backticks inside, so that the text cannot close it.
 */
export function fence(label: string, text: string): string {
  const longest = (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2);
  const ticks = '`'.repeat(longest + 1);
  return `${label} (untrusted output):\n${ticks}\n${text.endsWith('\n') ? text.slice(0, -1) : text}\n${ticks}`;
}

export interface Bounded {
  readonly text: string;
  readonly truncated: boolean;
  /** Code points before the cut. */
  readonly originalChars: number;
}

/** Keeps the beginning and the end of a text of more than maxChars code points, and says what was left out. */
export function bound(text: string, maxChars: number): Bounded {
  if (text.length <= maxChars) return { text, truncated: false, originalChars: [...text].length };
  const points = [...text];
  if (points.length <= maxChars) return { text, truncated: false, originalChars: points.length };
  const head = Math.ceil(maxChars / 2);
  const tail = maxChars - head;
  return {
    text: joinCut(
      points.slice(0, head).join(''),
      points.slice(points.length - tail).join(''),
      points.length - maxChars,
    ),
    truncated: true,
    originalChars: points.length,
  };
}

/** Head and tail of a longer text with a line between them that says how much is missing. */
export function joinCut(head: string, tail: string, omittedChars: number): string {
  return `${head}\n… [${omittedChars} characters left out] …\n${tail}`;
}

const secretWord =
  '(?:_pwd|pass(?:word|phrase|wd)?|secret|token|credential|api[-_]?key|private[-_]?key|authorization)';
const secretName = new RegExp(secretWord, 'i');
const value = '("[^"]{0,4096}"|\'[^\']{0,4096}\'|[^\\s;&|]+)';
/** Bounded repetitions only: what is masked comes from callers, and the work must not explode with its length. */
const assigned = new RegExp(`(${secretWord}[\\w.-]{0,64}["']?\\s{0,8}[=:]\\s{0,8})${value}`, 'gi');
const option = new RegExp(`((?:^|\\s)--[\\w-]{0,64}?${secretWord}[\\w-]{0,64}\\s{1,8})${value}`, 'gi');
const shortPassword =
  /(\b(?:mysql|mysqldump|mysqladmin|mariadb|sshpass)\b(?:\s[^;&|\n]{0,200}?)?\s-p)[^\s;&|]+/g;

/**
 * Hides what looks like a secret in a command or a URL: NAME=value, --name value, name: value, Bearer x,
 * user:password@host. A help for those who read logs, not a guarantee: nobody can find every secret.
 */
export function mask(text: string): string {
  return text
    .replace(/\b(Bearer|Basic)\s{1,8}[^\s"']+/gi, '$1 ***')
    .replace(/(:\/\/[^\s:/@]{0,200}:)[^\s@/]{1,500}@/g, '$1***@')
    .replace(assigned, (whole, name: string, secret: string) =>
      secret === 'Bearer' || secret === 'Basic' ? whole : `${name}***`,
    )
    .replace(option, '$1***')
    .replace(shortPassword, '$1***')
    .replace(/(\bsshpass\s{1,8}-p\s{1,8})[^\s;&|]+/g, '$1***')
    .replace(/(\s(?:-u|--user)\s{1,8}[^\s:]{1,100}:)[^\s;&|]+/g, '$1***')
    .replace(
      /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g,
      '***',
    );
}

/** Whether a name says that its value is a secret. */
export function namesSecret(name: string): boolean {
  return secretName.test(name);
}
