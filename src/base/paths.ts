/** The ground rule for paths of files on a host or in a container; pure, the same in every tool. */

const maxPathBytes = 4096;
const maxNameBytes = 255;

export interface FilePath {
  /** Absolute, without empty and `.` segments. */
  readonly path: string;
  readonly directory: string;
  readonly name: string;
}

/** What is wrong completes «container_path: …». */
export class PathError extends Error {}

/** The path of a file, normalised. Throws PathError; limits are in bytes of UTF-8. */
export function parseFilePath(text: string): FilePath {
  if (text.includes('\0')) throw new PathError('must not hold a NUL byte');
  if (!text.isWellFormed()) throw new PathError('is not valid Unicode');
  if (Buffer.byteLength(text) > maxPathBytes) throw new PathError(`must be at most ${maxPathBytes} bytes`);
  if (!text.startsWith('/')) throw new PathError('must be an absolute path');
  const segments = text.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) throw new PathError('must not hold a .. segment');
  if (segments.some((segment) => Buffer.byteLength(segment) > maxNameBytes))
    throw new PathError(`must not hold a name of more than ${maxNameBytes} bytes`);
  const name = segments.at(-1);
  if (name === undefined || /\/\.?$/.test(text)) throw new PathError('must name a file, not a directory');
  return {
    path: `/${segments.join('/')}`,
    directory: `/${segments.slice(0, -1).join('/')}`,
    name,
  };
}

/** Whether a text is the path of a file as `parseFilePath` writes it. */
export function isFilePath(text: string): boolean {
  try {
    return parseFilePath(text).path === text;
  } catch (error) {
    if (error instanceof PathError) return false;
    throw error;
  }
}

/** Whether a path is the directory or lies below it: a prefix alone would take /srv-evil for /srv. */
export function isWithin(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

export type FilePlace = 'container' | 'host';

/** A directory or file that an operator allows or denies, everywhere or in one place. */
export interface PathRule {
  readonly path: string;
  readonly place: FilePlace | undefined;
}
