/** The gateway's own folder: the only part of its disk that a tool's `local_path` can name. */
import { randomUUID } from 'node:crypto';
import { constants, existsSync, type Stats } from 'node:fs';
import { type FileHandle, link, lstat, open, opendir, rename, unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { failure } from '../../base/errors.ts';
import type { Sink, Source } from './ends.ts';
import {
  codeOf,
  enterByHandle,
  enterByPath,
  inFolder,
  noDirectory,
  type Place,
  parseLocalPath,
  refused,
  temporaryName,
  translated,
} from './local-path.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const chunkBytes = 256 * 1024;
const maxDepth = 8;
const maxLookedAt = 100_000;

export interface LocalSource extends Source {
  /** In bytes, as it was at opening; no more and no less is read. */
  readonly size: number;
  close(): Promise<void>;
}

export interface LocalSink extends Sink {
  /** Removes what was written; harmless after the end and when repeated. */
  abort(): Promise<void>;
}

export interface TransferFolder {
  /** Throws FILE_NOT_FOUND, IS_DIRECTORY, INVALID_ARGUMENT; its bytes throw FILE_CHANGED where they run out early. */
  openSource(localPath: string): Promise<LocalSource>;
  /** Throws INVALID_ARGUMENT at once; whatever the disk is to be asked for is asked by `begin` and later. */
  createSink(localPath: string, options: { readonly overwrite: boolean }): LocalSink;
  /** Removes what a crash left of sinks, where it was not written to for so long. Gives back how many files. */
  sweep(olderThanMs: number): Promise<number>;
}

export interface TransferFolderOptions {
  readonly directory: string;
  /** Whether `/proc` shows this process its own handles; elsewhere paths are compared before and after. */
  readonly byHandle?: boolean;
}

/** Touches nothing: a folder that is missing is told by whoever wants to use it, as TRANSFER_FOLDER. */
export function createTransferFolder({
  directory,
  byHandle = process.platform === 'linux' && existsSync('/proc/self/fd'),
}: TransferFolderOptions): TransferFolder {
  const root = resolve(directory);
  const underWay = new Set<string>();
  const enter = (segments: readonly string[]) =>
    byHandle ? enterByHandle(root, segments) : enterByPath(root, segments);

  return {
    async openSource(localPath) {
      const { on, name } = parseLocalPath(root, localPath);
      try {
        return await openRegular(await enter(on), name);
      } catch (error) {
        throw translated(error, { ENOENT: () => failure('FILE_NOT_FOUND', { where: inFolder }) });
      }
    },
    createSink(localPath, { overwrite }) {
      const { on, name } = parseLocalPath(root, localPath);
      return createLocalSink({ enter: () => enter(on), name, overwrite, underWay });
    },
    sweep: (olderThanMs) => sweep({ enter, underWay, before: Date.now() - olderThanMs }),
  };
}

/** Closes the place. */
async function openRegular(place: Place, name: string): Promise<LocalSource> {
  let handle: FileHandle | undefined;
  try {
    // Before it is opened, since opening a device can already do something; afterwards it is what counts.
    refuseUnlessRegular(await lstat(`${place.path}/${name}`));
    handle = await open(`${place.path}/${name}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stats = await handle.stat();
    refuseUnlessRegular(stats);
    await place.confirm(handle, name);
    const opened = handle;
    return { size: stats.size, chunks: read(opened, stats.size), close: () => opened.close() };
  } catch (error) {
    await handle?.close();
    throw error;
  } finally {
    await place.close();
  }
}

function refuseUnlessRegular(stats: Stats): void {
  if (stats.isDirectory()) throw failure('IS_DIRECTORY', { where: 'local_path' });
  if (!stats.isFile()) throw refused('it must name a regular file, no symbolic link, device or pipe');
}

async function* read(handle: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  for (let position = 0; position < size; ) {
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, size - position));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position).catch(rethrow);
    if (bytesRead === 0) throw failure('FILE_CHANGED', { path: 'local_path' });
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function rethrow(error: unknown): never {
  throw translated(error);
}

const noLinks = () =>
  failure('TRANSFER_FOLDER', { problem: 'its file system has no hard links, which overwrite: false needs' });
const endings = {
  EEXIST: () => failure('FILE_EXISTS', { where: inFolder }),
  EISDIR: () => failure('IS_DIRECTORY', { where: 'local_path' }),
  ENOENT: () => failure('TRANSFER_FOLDER', { problem: 'the unfinished file was removed from it' }),
};

/** How file systems without links, network shares among them, refuse one. */
const linkEndings = { ...endings, EPERM: noLinks, ENOTSUP: noLinks, EOPNOTSUPP: noLinks, ENOSYS: noLinks };

interface SinkParts {
  readonly enter: () => Promise<Place>;
  readonly name: string;
  readonly overwrite: boolean;
  readonly underWay: Set<string>;
}

function createLocalSink({ enter, name, overwrite, underWay }: SinkParts): LocalSink {
  const temporary = `.proxmox-mcp-${randomUUID()}.part`;
  let begun: Promise<{ place: Place; file: FileHandle }> | undefined;
  let ended: Promise<void> | undefined;
  let released: Promise<void> | undefined;

  async function begin() {
    const place = await enter();
    try {
      await refuseWhatStands(`${place.path}/${name}`, overwrite);
      return { place, file: await createIn(place, temporary) };
    } catch (error) {
      await place.close();
      throw error;
    }
  }

  async function opened() {
    if (begun === undefined || released !== undefined) throw new TypeError('the sink is not open');
    return await begun;
  }

  async function release() {
    const parts = await begun?.catch(() => undefined);
    await parts?.file.close().catch(() => {});
    if (parts !== undefined) await unlink(`${parts.place.path}/${temporary}`).catch(() => {});
    await parts?.place.close();
    underWay.delete(temporary);
  }

  async function close() {
    released ??= release();
    await released;
  }

  async function end(signal: AbortSignal) {
    const { place, file } = await opened();
    await file.sync();
    // What comes now takes a moment, and cannot be taken back.
    if (signal.aborted) throw signal.reason;
    // Of two that link one name one wins, and the other is told; what is linked loses its first name below.
    await (overwrite ? rename : link)(`${place.path}/${temporary}`, `${place.path}/${name}`);
    await place.sync();
  }

  return {
    async begin() {
      if (released !== undefined) throw new TypeError('the sink is closed');
      underWay.add(temporary);
      begun ??= begin();
      await begun.catch((error: unknown) => {
        underWay.delete(temporary);
        throw translated(error, { ENOENT: noDirectory });
      });
    },
    async write(chunk) {
      const { file } = await opened();
      await file.writeFile(chunk).catch(rethrow);
    },
    async end(signal) {
      ended ??= end(signal);
      try {
        await ended;
      } catch (error) {
        throw translated(error, overwrite ? endings : linkEndings);
      } finally {
        await close();
      }
    },
    async abort() {
      await ended?.catch(() => {});
      await close();
    },
  };
}

async function createIn(place: Place, name: string): Promise<FileHandle> {
  const file = await open(`${place.path}/${name}`, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await place.confirm(file, name);
    return file;
  } catch (error) {
    await file.close();
    await unlink(`${place.path}/${name}`).catch(() => {});
    throw error;
  }
}

/** To spare a transfer that cannot succeed; what counts is decided by the last step. */
async function refuseWhatStands(path: string, overwrite: boolean): Promise<void> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
  });
  if (stats === undefined) return;
  if (!overwrite && !stats.isDirectory()) throw failure('FILE_EXISTS', { where: inFolder });
  refuseUnlessRegular(stats);
}

interface SweepParts {
  readonly enter: (segments: readonly string[]) => Promise<Place>;
  readonly underWay: ReadonlySet<string>;
  /** In milliseconds since 1970. */
  readonly before: number;
}

async function sweep({ enter, underWay, before }: SweepParts): Promise<number> {
  let [removed, lookedAt] = [0, 0];
  const directories: (readonly string[])[] = [[]];
  for (const segments of directories) {
    const place = await enter(segments).catch((error: unknown) => {
      if (segments.length === 0) throw error;
    });
    if (place === undefined) continue;
    try {
      for await (const entry of await opendir(place.path)) {
        if (++lookedAt > maxLookedAt) return removed;
        if (entry.isDirectory() && segments.length < maxDepth) directories.push([...segments, entry.name]);
        if (!entry.isFile() || !temporaryName.test(entry.name) || underWay.has(entry.name)) continue;
        if (await removeIfOld(`${place.path}/${entry.name}`, before)) removed++;
      }
    } finally {
      await place.close();
    }
  }
  return removed;
}

/** What cannot be removed now is left for the next time. */
async function removeIfOld(path: string, before: number): Promise<boolean> {
  try {
    if ((await lstat(path)).mtimeMs >= before) return false;
    await unlink(path);
    return true;
  } catch {
    return false;
  }
}
