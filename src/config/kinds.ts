/** How the text of one setting becomes a value. Each parser throws SettingError with the fix as its message. */
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { type FilePlace, PathError, type PathRule, parseFilePath } from '../base/paths.ts';
import { parseTokens, TokenError } from '../base/tokens.ts';
import type { VmidRange } from '../base/vmids.ts';

/** The message completes the sentence «NAME …». */
export class SettingError extends Error {}

export interface Fault {
  readonly setting: string;
  /** Completes the sentence «SETTING …», the fix included. */
  readonly problem: string;
}

export interface Setting<T> {
  readonly parse: (text: string) => T;
  /** Undefined where there is none; the README shows `shown` in its place. */
  readonly fallback: T;
  readonly shown: string;
  readonly about: string;
  readonly secret: boolean;
  readonly aliases: readonly string[];
  /** Left out of stack.env: the compose file or the image sets it. */
  readonly composed: boolean;
}

export interface Details {
  readonly about: string;
  readonly shown?: string;
  readonly secret?: boolean;
  readonly aliases?: readonly string[];
  readonly composed?: boolean;
}

/** What the other makers of settings build on. */
export function setting<T>(
  parse: (text: string) => T,
  fallback: T,
  shown: string,
  details: Details,
): Setting<T> {
  return {
    parse,
    fallback,
    shown: details.shown ?? shown,
    about: details.about,
    secret: details.secret ?? false,
    aliases: details.aliases ?? [],
    composed: details.composed ?? false,
  };
}

export function flag({ fallback = false, ...details }: Details & { fallback?: boolean }): Setting<boolean> {
  const parse = (text: string): boolean => {
    if (/^(true|1|yes|on)$/i.test(text)) return true;
    if (/^(false|0|no|off)$/i.test(text)) return false;
    throw new SettingError('must be true or false');
  };
  return setting(parse, fallback, String(fallback), details);
}

export function integer(
  range: { min: number; max: number; fallback: number },
  details: Details,
): Setting<number> {
  const parse = (text: string): number => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= range.min && number <= range.max) return number;
    throw new SettingError(`must be a whole number from ${range.min} to ${range.max}`);
  };
  return setting(parse, range.fallback, String(range.fallback), details);
}

/** A multi-line text is allowed only where the setting is a secret. */
export function text(details: Details): Setting<string | undefined> {
  const parse = (value: string): string => {
    if (value.includes('\0')) throw new SettingError('must not hold a NUL byte');
    if (!details.secret && /[\r\n]/.test(value)) throw new SettingError('must be one line');
    return value;
  };
  return setting<string | undefined>(parse, undefined, '', details);
}

export function textOr(fallback: string, details: Details): Setting<string> {
  return { ...text(details), fallback, shown: details.shown ?? fallback } as Setting<string>;
}

/** Bearer tokens; the value stays text, so that a changed file can be compared with it. */
export function tokens(details: Details): Setting<string | undefined> {
  const parse = (value: string): string => {
    try {
      parseTokens(value);
      return value;
    } catch (error) {
      throw error instanceof TokenError ? new SettingError(error.message) : error;
    }
  };
  return setting<string | undefined>(parse, undefined, '', { ...details, secret: true });
}

/** A file that must be readable now; its path is the value. An empty file counts as not set. */
export function readableFile(details: Details): Setting<string | undefined> {
  const parse = (path: string): string | undefined => {
    // SECURITY: what is no path may be the secret itself, and must not be shown.
    if (/[\r\n]|PRIVATE KEY|PuTTY/.test(path) || path.length > maxPathChars)
      throw new SettingError('must be the path of a file, not its content: write the key to a file');
    return readSettingFile(path).trim() === '' ? undefined : path;
  };
  return setting<string | undefined>(parse, undefined, '', details);
}

export function absolutePath(details: Details): Setting<string | undefined> {
  const parse = (path: string): string => {
    if (!isAbsolute(path)) throw new SettingError('must be an absolute path');
    return path;
  };
  return setting<string | undefined>(parse, undefined, '', details);
}

export function oneOf<const T extends string>(
  values: readonly T[],
  fallback: NoInfer<T>,
  details: Details,
): Setting<T> {
  const parse = (value: string): T => {
    const found = values.find((candidate) => candidate === value.toLowerCase());
    if (found === undefined) throw new SettingError(`must be one of ${values.join(', ')}`);
    return found;
  };
  return setting<T>(parse, fallback, fallback, details);
}

/** Comma- or space-separated; each item is checked by `check`, which returns what is wrong with it. */
export function list(
  check: (item: string) => string | undefined,
  details: Details,
): Setting<readonly string[]> {
  const parse = (value: string): readonly string[] => {
    const items = splitList(value);
    for (const item of items) {
      const problem = check(item);
      if (problem !== undefined) throw new SettingError(`holds ${JSON.stringify(item)}, which ${problem}`);
    }
    return items;
  };
  return setting<readonly string[]>(parse, [], '', details);
}

export function vmidRanges(details: Details): Setting<readonly VmidRange[]> {
  const parse = (value: string): readonly VmidRange[] =>
    splitList(value).map((item) => {
      const match = /^(\d{3,9})(?:-(\d{3,9}))?$/.exec(item);
      const first = Number(match?.[1]);
      const last = Number(match?.[2] ?? match?.[1]);
      if (match === null || first < 100 || last < first)
        throw new SettingError(
          `holds ${JSON.stringify(item)}; write ids from 100 and ranges, for example 100,200-299`,
        );
      return { first, last };
    });
  return setting<readonly VmidRange[]>(parse, [], '', details);
}

/** Absolute paths, each everywhere or, with `host:` or `container:` in front, in one place. */
export function pathRules(details: Details): Setting<readonly PathRule[]> {
  const parse = (value: string): readonly PathRule[] =>
    splitList(value).map((item) => {
      const [, place, path = ''] = /^(?:(host|container):)?(.*)$/s.exec(item) ?? [];
      try {
        return { path: directoryPath(path), place: place as FilePlace | undefined };
      } catch (error) {
        if (!(error instanceof PathError)) throw error;
        throw new SettingError(`holds ${JSON.stringify(item)}, which ${error.message}`);
      }
    });
  return setting<readonly PathRule[]>(parse, [], '', details);
}

/** A slash at the end says no more than that it is a directory. */
function directoryPath(text: string): string {
  return /^\/+$/.test(text) ? '/' : parseFilePath(text.replace(/\/+$/, '')).path;
}

/** A directory of the host; plain characters, because programs there are given paths below it. */
export function hostDirectory(fallback: string, details: Details): Setting<string> {
  const parse = (value: string): string => {
    const path = /^[A-Za-z0-9._/-]+$/.test(value) && !value.split('/').includes('..') ? value : '';
    const directory = path.replace(/\/{2,}/g, '/').replace(/\/$/, '');
    if (!/^\/./.test(directory) || /^\/(proc|sys|dev)(\/|$)/.test(directory))
      throw new SettingError('must be an absolute path of letters, digits and ._- such as /var/tmp');
    return directory;
  };
  return setting(parse, fallback, fallback, details);
}

/** Throws SettingError where there is nothing between the separators. */
export function splitList(value: string): string[] {
  const items = value.split(/[\s,]+/).filter((item) => item !== '');
  if (items.length === 0) throw new SettingError('holds only separators: leave it empty, or list something');
  return items;
}

const maxFileBytes = 64 * 1024;
const maxPathChars = 4096;

/** The text of a small file that a setting names. Throws SettingError with the reason and the fix. */
export function readSettingFile(path: string): string {
  try {
    const content = readFileSync(path);
    if (content.byteLength > maxFileBytes)
      throw new SettingError(`names ${path}, which is larger than ${maxFileBytes} bytes`);
    return content.toString('utf8');
  } catch (error) {
    if (error instanceof SettingError) throw error;
    throw new SettingError(`names ${path}, which cannot be read ${reasonOf(error)}`);
  }
}

/** The reason in parentheses, and the fix where there is one. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
  switch (code) {
    case 'ENOENT':
      return '(there is no such file): put it there, or name another';
    case 'EACCES':
      return deniedTo(process.getuid?.() ?? '?');
    case 'EISDIR':
      return '(it is a directory; Docker makes one where the source file of a mount is missing): remove it, and put the file in its place';
    default:
      return `(${code})`;
  }
}

function deniedTo(uid: number | string): string {
  return `(permission denied for uid ${uid}): give the file to it (chown ${uid}), or let all read it (chmod 0444); a Docker secret has owner and mode of its source file`;
}
