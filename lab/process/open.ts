/** Opening paths for a process, with its permissions and its own /dev/fd. */
import { FsError } from '../files/fs-error.ts';
import { fileNode, mayAccess } from '../files/inode.ts';
import { absolute, addNode, locate } from '../files/tree.ts';
import { type FileMode, type OpenFile, openDevice, openRegular, openTruncated } from './open-file.ts';
import type { Process } from './process.ts';

export interface OpenOptions extends FileMode {
  readonly create?: boolean;
  readonly truncate?: boolean;
  /** Fail where something is there already. */
  readonly exclusive?: boolean;
  /** Mode of a file made anew, before the umask. */
  readonly mode?: number;
}

export const forReading: OpenOptions = { read: true, write: false, append: false };
export const forWriting: OpenOptions = {
  read: false,
  write: true,
  append: false,
  create: true,
  truncate: true,
};
export const forAppending: OpenOptions = { read: false, write: true, append: true, create: true };

/** Throws FsError. The caller owns the result and releases it. */
export function openPath(self: Process, path: string, options: OpenOptions): OpenFile {
  if (path === '') throw new FsError('ENOENT', path);
  const place = locate(self.machine.files, absolute(self.cwd, path), self.who);
  const { node } = place;
  if (node === undefined) {
    if (options.create !== true) throw new FsError('ENOENT', path);
    const made = fileNode('', (options.mode ?? 0o666) & ~self.umask, self.who);
    addNode(place, made, self.who);
    return openRegular(self.machine.files, made, place.path, options);
  }
  if (options.exclusive === true) throw new FsError('EEXIST', path);
  if (options.read && !mayAccess(node, self.who, 4)) throw new FsError('EACCES', path);
  if (options.write && !mayAccess(node, self.who, 2)) throw new FsError('EACCES', path);
  if (node.kind === 'directory') {
    if (options.write) throw new FsError('EISDIR', path);
    return { ...openDevice({ ...node, kind: 'device', device: 'null' }, path), node, read: readDirectory };
  }
  if (node.kind === 'device') {
    const shared = /^fd\/(\d+)$/.exec(node.device);
    if (shared === null) return openDevice(node, path);
    const file = self.fds.get(Number(shared[1]));
    if (file === undefined) throw new FsError('ENOENT', path);
    file.retain();
    return file;
  }
  if (node.kind === 'symlink') throw new FsError('ELOOP', path);
  if (options.write && node.generate !== undefined) throw new FsError('EACCES', path);
  return options.truncate === true
    ? openTruncated(self.machine.files, node, place.path)
    : openRegular(self.machine.files, node, place.path, options);
}

async function readDirectory(): Promise<never> {
  throw new FsError('EISDIR', '');
}

/** Reads to the end. Throws FsError, ENOSPC beyond the bound. */
export async function readAll(self: Process, file: OpenFile, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const chunk = await file.read(64 * 1024, self.signal);
    if (chunk.length === 0) return Buffer.concat(chunks);
    size += chunk.length;
    if (size > maxBytes) throw new FsError('ENOSPC', '');
    chunks.push(chunk);
    await self.breathe();
  }
}
