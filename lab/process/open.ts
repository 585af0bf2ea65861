/** Opening paths for a process, with its permissions and its own /dev/fd. */
import { FsError } from '../files/fs-error.ts';
import { fileNode, type Inode, linkNode, mayAccess } from '../files/inode.ts';
import { absolute, addNode, locate, type Place, requireWritable } from '../files/tree.ts';
import { type FileMode, type OpenFile, openDevice, openRegular, openTruncated } from './open-file.ts';
import type { Machine, Process } from './process.ts';

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

/** What /proc/PID/fd/N of a machine is open on. */
export function heldOn({ table }: Process, machine: Machine, path: string): OpenFile | undefined {
  const [, pid, fd] = /^\/proc\/(\d+)\/fd\/(\d+)$/.exec(path) ?? [];
  const owner = table.visibleFrom(machine).find((process) => process.pid === Number(pid));
  return owner?.fds.get(Number(fd));
}

/** The place a path names for this process, with what its own descriptors are open on. Throws FsError. */
export function placeAt(self: Process, path: string, { follow = true }: { follow?: boolean } = {}): Place {
  if (path === '') throw new FsError('ENOENT', path);
  const held = heldOn(self, self.machine, path);
  if (held !== undefined) {
    const node = follow ? held.node : linkNode(targetOf(held));
    return { ...locate(self.machine.files, '/'), name: path, node, path: held.path ?? path };
  }
  const place = locate(self.machine.files, absolute(self.cwd, path), self.who, { follow });
  const fd = place.node?.kind === 'device' ? /^fd\/(\d+)$/.exec(place.node.device)?.[1] : undefined;
  if (fd === undefined) return place;
  const file = self.fds.get(Number(fd));
  if (file === undefined) return { ...place, node: undefined };
  if (!follow) return { ...place, node: linkNode(targetOf(file)) };
  return { ...place, node: file.node ?? place.node, path: file.path ?? place.path };
}

/** Throws FsError where nothing is there. */
export function nodeAt(self: Process, path: string, options?: { follow?: boolean }): Inode {
  const { node } = placeAt(self, path, options);
  if (node === undefined) throw new FsError('ENOENT', path);
  return node;
}

export function findNodeAt(self: Process, path: string, options?: { follow?: boolean }): Inode | undefined {
  try {
    return placeAt(self, path, options).node;
  } catch (error) {
    if (error instanceof FsError) return undefined;
    throw error;
  }
}

/** Where the link in /proc/self/fd leads. */
function targetOf({ node, path }: OpenFile): string {
  if (path === undefined) return `pipe:[${node?.ino ?? 0}]`;
  return node?.links === 0 ? `${path} (deleted)` : path;
}

/** Throws FsError. The caller owns the result and releases it. */
export function openPath(self: Process, path: string, options: OpenOptions): OpenFile {
  if (path === '') throw new FsError('ENOENT', path);
  const held = heldOn(self, self.machine, path);
  if (held !== undefined) return openAgain(self, held, path, options);
  const follow = options.exclusive !== true;
  const place = locate(self.machine.files, absolute(self.cwd, path), self.who, { follow });
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
    const unreadable = openDevice({ ...node, kind: 'device', device: 'null' }, place.path);
    return { ...unreadable, node, read: readDirectory };
  }
  if (node.kind === 'device') {
    if (node.device === 'socket') throw new FsError('ENXIO', path);
    const shared = /^fd\/(\d+)$/.exec(node.device);
    return shared === null
      ? openDevice(node, path)
      : openAgain(self, self.fds.get(Number(shared[1])), path, options);
  }
  if (node.kind === 'symlink') throw new FsError('ELOOP', path);
  if (options.write) requireWritable(place);
  if (options.write && node.generate !== undefined) throw new FsError('EACCES', path);
  return options.truncate === true
    ? openTruncated(self.machine.files, node, place.path)
    : openRegular(self.machine.files, node, place.path, options);
}

/** A regular file opened through /proc begins anew; anything else is the same open file. */
function openAgain(self: Process, file: OpenFile | undefined, path: string, options: OpenOptions): OpenFile {
  if (file === undefined) throw new FsError('ENOENT', path);
  const { node } = file;
  if (node?.kind === 'file') {
    if (options.read && !mayAccess(node, self.who, 4)) throw new FsError('EACCES', path);
    if (options.write && !mayAccess(node, self.who, 2)) throw new FsError('EACCES', path);
    const { files } = self.machine;
    const name = file.path ?? path;
    return options.truncate === true
      ? openTruncated(files, node, name)
      : openRegular(files, node, name, options);
  }
  file.retain();
  return file;
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
