/** Open file descriptions: what the numbers in a process's descriptor table refer to, shared by count. */
import { randomBytes } from 'node:crypto';
import { FsError } from '../files/fs-error.ts';
import { contentOf, type DeviceNode, deviceNode, type FileNode, type Inode } from '../files/inode.ts';
import { type Tree, truncate, writeFitting } from '../files/tree.ts';
import { createNotice } from './notice.ts';

export interface OpenFile {
  /** What stat sees, where there is an inode. */
  readonly node?: Inode;
  readonly path?: string;
  /** Up to maxBytes, and nothing at the end. Throws FsError; rejects with the signal's reason. */
  read(maxBytes: number, signal: AbortSignal): Promise<Buffer>;
  /**
   * Waits until everything is taken. Throws FsError, EFBIG where a regular file would grow beyond maxFileBytes;
   * rejects with the signal's reason.
   */
  write(bytes: Buffer, signal: AbortSignal, maxFileBytes?: number): Promise<void>;
  /** The client that this leads to is gone. */
  readonly isLost?: boolean;
  /** Where opening itself waits, as for a FIFO that nobody has open at its other end. */
  opened?(signal: AbortSignal): Promise<void>;
  retain(): void;
  release(): void;
}

export type FdTable = Map<number, OpenFile>;

export function cloneFds(fds: FdTable): FdTable {
  for (const file of fds.values()) file.retain();
  return new Map(fds);
}

export function releaseFds(fds: FdTable): void {
  for (const file of fds.values()) file.release();
  fds.clear();
}

export function setFd(fds: FdTable, fd: number, file: OpenFile): void {
  fds.get(fd)?.release();
  fds.set(fd, file);
}

export function counted(onLast: () => void): Pick<OpenFile, 'retain' | 'release'> {
  let count = 1;
  return {
    retain() {
      count += 1;
    },
    release() {
      count -= 1;
      if (count === 0) onLast();
    },
  };
}

/** Of what was opened for the other direction. */
async function refused(): Promise<never> {
  throw new FsError('EBADF', '');
}

const pipeBytes = 64 * 1024;

/** A pipe as the kernel's: 64 KiB between writer and reader; a writer without a reader gets EPIPE. */
export function createPipe(): { reader: OpenFile; writer: OpenFile } {
  const chunks: Buffer[] = [];
  let size = 0;
  let hasReader = true;
  let hasWriter = true;
  const changed = createNotice();
  const node = deviceNode('fifo', 0o600);

  const reader: OpenFile = {
    node,
    async read(maxBytes, signal) {
      for (;;) {
        signal.throwIfAborted();
        const [first] = chunks;
        if (first !== undefined) {
          const taken = first.subarray(0, maxBytes);
          if (taken.length === first.length) chunks.shift();
          else chunks[0] = first.subarray(maxBytes);
          size -= taken.length;
          changed.notify();
          return taken;
        }
        if (!hasWriter) return Buffer.alloc(0);
        await changed.wait(signal);
      }
    },
    write: refused,
    ...counted(() => {
      hasReader = false;
      changed.notify();
    }),
  };
  const writer: OpenFile = {
    node,
    read: refused,
    async write(bytes, signal) {
      let rest = bytes;
      for (;;) {
        signal.throwIfAborted();
        if (!hasReader) throw new FsError('EPIPE', '');
        if (rest.length === 0) return;
        const room = pipeBytes - size;
        if (room <= 0) {
          await changed.wait(signal);
          continue;
        }
        chunks.push(Buffer.from(rest.subarray(0, room)));
        size += Math.min(room, rest.length);
        rest = rest.subarray(room);
        changed.notify();
      }
    },
    ...counted(() => {
      hasWriter = false;
      changed.notify();
    }),
  };
  return { reader, writer };
}

export interface FileMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly append: boolean;
}

export function openRegular(files: Tree, node: FileNode, path: string, mode: FileMode): OpenFile {
  let offset = 0;
  const snapshot = node.generate === undefined ? undefined : Buffer.from(contentOf(node));
  return {
    node,
    path,
    async read(maxBytes, signal) {
      signal.throwIfAborted();
      if (!mode.read) throw new FsError('EBADF', path);
      const content = snapshot ?? contentOf(node);
      const taken = Buffer.from(content.subarray(offset, offset + maxBytes));
      offset += taken.length;
      return taken;
    },
    async write(bytes, signal, maxFileBytes = Number.POSITIVE_INFINITY) {
      signal.throwIfAborted();
      if (!mode.write) throw new FsError('EBADF', path);
      if (mode.append) offset = node.size;
      // A full disk, and a limit, take what still fits, then refuse.
      const allowed = bytes.subarray(0, Math.max(0, maxFileBytes - offset));
      const written = writeFitting(files, node, offset, allowed);
      offset += written;
      if (written < allowed.length) throw new FsError('ENOSPC', '');
      if (allowed.length < bytes.length) throw new FsError('EFBIG', '');
    },
    ...counted(() => {}),
  };
}

/** Truncation at opening, as for `>`. */
export function openTruncated(files: Tree, node: FileNode, path: string): OpenFile {
  truncate(files, node, 0);
  return openRegular(files, node, path, { read: false, write: true, append: false });
}

const maxDeviceReadBytes = 64 * 1024;

export function openDevice(node: DeviceNode, path: string): OpenFile {
  const never = createNotice();
  return {
    node,
    path,
    async read(maxBytes, signal) {
      signal.throwIfAborted();
      const length = Math.min(maxBytes, maxDeviceReadBytes);
      if (node.device === 'null') return Buffer.alloc(0);
      if (node.device === 'random') return randomBytes(length);
      if (node.device === 'fifo') await never.wait(signal);
      return Buffer.alloc(length);
    },
    async write(_bytes, signal) {
      signal.throwIfAborted();
      if (node.device === 'full') throw new FsError('ENOSPC', '');
      if (node.device === 'fifo') await never.wait(signal);
    },
    ...(node.device === 'fifo' && { opened: (signal: AbortSignal) => never.wait(signal) }),
    ...counted(() => {}),
  };
}

/** Reads from a given text and nothing more. */
export function openText(bytes: Buffer): OpenFile {
  let offset = 0;
  return {
    async read(maxBytes, signal) {
      signal.throwIfAborted();
      const taken = bytes.subarray(offset, offset + maxBytes);
      offset += taken.length;
      return taken;
    },
    write: refused,
    ...counted(() => {}),
  };
}
