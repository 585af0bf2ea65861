/** Ways into the transfer folder: what a `local_path` may say, and directories that cannot be swapped for others. */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { failure, GatewayError } from '../../base/errors.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const maxPathBytes = 4096;
const maxNameBytes = 255;

/** Of a file that is not whole yet. */
export const temporaryName = /^\.proxmox-mcp-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/;
export const inFolder = 'in the transfer folder';

export function refused(problem: string): GatewayError {
  return failure('INVALID_ARGUMENT', { problem: `local_path: ${problem}` });
}

/**
 * The directories on the way and the name. SECURITY: it looks at the text alone, so that its refusals say the
 * same whether or not there is something where a path leads to.
 */
export function parseLocalPath(root: string, localPath: string): { on: readonly string[]; name: string } {
  if (Buffer.byteLength(localPath) > maxPathBytes) throw refused(`it is longer than ${maxPathBytes} bytes`);
  if (localPath.includes('\0')) throw refused('it contains a NUL');
  if (!localPath.isWellFormed()) throw refused('it is not valid Unicode');
  const parts = localPath.split('/');
  if (parts.includes('..')) throw refused('it contains a .. segment');
  const segments = named(parts);
  const above = localPath.startsWith('/') ? named(root.split('/')) : [];
  if (above.some((segment, index) => segments[index] !== segment))
    throw refused('it must be relative to the transfer folder of the gateway, or absolute below it');
  const on = segments.slice(above.length);
  const name = on.pop();
  if (name === undefined || name !== parts.at(-1)) throw refused(`it must name a file ${inFolder}`);
  if (on.concat(name).some((segment) => Buffer.byteLength(segment) > maxNameBytes))
    throw refused(`a name in it is longer than ${maxNameBytes} bytes`);
  // Where another character separates too, a name could lead further than it says.
  if (on.concat(name).some((segment) => segment.includes(sep))) throw refused(`it contains ${sep}`);
  if (temporaryName.test(name)) throw refused('names of that kind are for unfinished files of the gateway');
  return { on, name };
}

function named(segments: readonly string[]): string[] {
  return segments.filter((segment) => segment !== '' && segment !== '.');
}

/** A directory that stands open: what is reached through `path` is in it, whatever becomes of its name. */
export interface Place {
  readonly path: string;
  /** Throws where a file that was just opened in it, by name, is not there. */
  confirm(file: FileHandle, name: string): Promise<void>;
  /** Makes names durable, where the system can. */
  sync(): Promise<void>;
  /** SECURITY: only after the last use of `path`, since the number in it is given to another file then. */
  close(): Promise<void>;
}

/**
 * SECURITY: every directory is opened through the handle of the one above it, and no symbolic link is followed
 * below the folder, so that no swap at any moment leads out.
 */
export async function enterByHandle(root: string, segments: readonly string[]): Promise<Place> {
  let here = await open(root, O_RDONLY | O_DIRECTORY).catch(rootFailed);
  for (const segment of segments) {
    const above = here;
    try {
      here = await open(`/proc/self/fd/${above.fd}/${segment}`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } finally {
      await above.close();
    }
  }
  return {
    path: `/proc/self/fd/${here.fd}`,
    confirm: async () => {},
    sync: () => here.sync().catch(() => {}),
    close: () => here.close(),
  };
}

/** What is swapped is found out afterwards, if it has not been swapped back. */
export async function enterByPath(root: string, segments: readonly string[]): Promise<Place> {
  const real = await realpath(root).catch(rootFailed);
  const check = async () => {
    let path = real;
    for (const segment of segments) {
      path = join(path, segment);
      if (!(await lstat(path)).isDirectory()) throw noDirectory();
    }
    return path;
  };
  const path = await check();
  return {
    path,
    async confirm(file, name) {
      await check();
      const [opened, found] = [await file.stat(), await lstat(join(path, name))];
      if (opened.dev !== found.dev || opened.ino !== found.ino) throw noDirectory();
    },
    sync: async () => {},
    close: async () => {},
  };
}

function rootFailed(error: unknown): never {
  const of = (problem: string) => () => failure('TRANSFER_FOLDER', { problem }, { cause: error });
  throw translated(error, { ENOENT: of('it does not exist'), ENOTDIR: of('it is not a folder') });
}

export function noDirectory(): GatewayError {
  return failure('DIRECTORY_NOT_FOUND', { where: inFolder });
}

/** What the disk says in our words. `special` says it for codes that mean something else where it was asked. */
export function translated(
  error: unknown,
  special: Readonly<Record<string, () => GatewayError>> = {},
): unknown {
  const code = codeOf(error);
  if (error instanceof GatewayError || code === undefined) return error;
  const own = special[code];
  if (own !== undefined) return own();
  const options = { cause: error };
  switch (code) {
    case 'ENOTDIR':
    case 'ELOOP':
      return noDirectory();
    case 'ENAMETOOLONG':
    case 'EILSEQ':
      return refused('the file system of the transfer folder takes no such name');
    case 'ENOSPC':
    case 'EDQUOT':
      return failure('NO_SPACE', { where: 'in the transfer folder of the gateway' }, options);
    case 'EACCES':
    case 'EPERM':
      return failure('TRANSFER_FOLDER', { problem: 'the gateway lacks the permission' }, options);
    case 'EROFS':
      return failure('TRANSFER_FOLDER', { problem: 'it is read-only' }, options);
    default:
      return failure('TRANSFER_FOLDER', { problem: `its file system reports ${code}` }, options);
  }
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
