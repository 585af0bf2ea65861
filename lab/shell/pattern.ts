/** Shell patterns: fields whose unquoted `*`, `?` and `[…]` match, and the path names they match. */
import type { Inode } from '../files/inode.ts';
import { absolute, findNode, listDirectory } from '../files/tree.ts';
import type { Process } from '../process/process.ts';

/** A stretch of a word; only unquoted stretches hold pattern characters. */
export interface Run {
  readonly text: string;
  readonly quoted: boolean;
}

export type Field = readonly Run[];

export function plainText(field: Field): string {
  return field.map(({ text }) => text).join('');
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

const classes: Record<string, string> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: 'A-Za-z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9A-Fa-f',
};

/** The regular expression source of one bracket expression that starts at `[`, and its length; 0 for none. */
function bracket(text: string): { source: string; length: number } {
  const match = /^\[([!^]?)(\]?(?:\[:\w+:\]|[^\]])*)\]/.exec(text);
  if (match === null) return { source: '\\[', length: 1 };
  const [whole, negated = '', inside = ''] = match;
  const body = inside.replaceAll(/\[:(\w+):\]|[\\\]^[]/g, (part, name: string | undefined) =>
    name === undefined ? `\\${part}` : (classes[name] ?? ''),
  );
  return { source: `[${negated === '' ? '' : '^'}${body}]`, length: whole.length };
}

export function patternSource(field: Field): string {
  let source = '';
  for (const { text, quoted } of field) {
    if (quoted) {
      source += escapeRegExp(text);
      continue;
    }
    for (let at = 0; at < text.length; at += 1) {
      const char = text[at] ?? '';
      if (char === '*') source += '[^]*';
      else if (char === '?') source += '[^]';
      else if (char === '[') {
        const { source: set, length } = bracket(text.slice(at));
        source += set;
        at += length - 1;
      } else if (char === '\\' && at + 1 < text.length) {
        at += 1;
        source += escapeRegExp(text[at] ?? '');
      } else source += escapeRegExp(char);
    }
  }
  return source;
}

export function matches(field: Field, text: string): boolean {
  return new RegExp(`^(?:${patternSource(field)})$`).test(text);
}

function isPattern(field: Field): boolean {
  return field.some(({ text, quoted }) => !quoted && /[*?[]/.test(text));
}

/** Splits a field at its slashes. */
function components(field: Field): Field[] {
  const parts: Run[][] = [[]];
  for (const { text, quoted } of field)
    text.split('/').forEach((piece, index) => {
      if (index > 0) parts.push([]);
      if (piece !== '') parts.at(-1)?.push({ text: piece, quoted });
    });
  return parts;
}

/** The most names that one pattern gives. */
const maxNames = 10_000;

/** Path names that match, sorted; nothing when the field is no pattern or matches none. */
export function pathNames(self: Process, field: Field): string[] {
  if (!isPattern(field)) return [];
  const entries = (directory: string): Iterable<[string, Inode]> => {
    try {
      return listDirectory(self.machine.files, absolute(self.cwd, directory), self.who);
    } catch {
      return [];
    }
  };
  let found = [''];
  const parts = components(field);
  parts.forEach((part, index) => {
    const isLast = index === parts.length - 1;
    const tail = isLast ? '' : '/';
    const next: string[] = [];
    for (const prefix of found) {
      if (next.length >= maxNames) break;
      if (!isPattern(part)) {
        const path = `${prefix}${plainText(part)}`;
        const there = path === '' || findNode(self.machine.files, absolute(self.cwd, path), self.who);
        if (there) next.push(`${path}${tail}`);
        continue;
      }
      const hidden = plainText(part).startsWith('.');
      for (const [name, node] of entries(prefix === '' ? '.' : prefix)) {
        if (name.startsWith('.') && !hidden) continue;
        if (!matches(part, name)) continue;
        if (isLast || node.kind === 'directory' || node.kind === 'symlink')
          next.push(`${prefix}${name}${tail}`);
      }
    }
    found = next;
  });
  return found.sort();
}
