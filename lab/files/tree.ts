/** One machine's files: inodes reached by absolute paths, with permissions, on disks with a bound. */
import { createDisk, type Disk } from './disk.ts';
import { FsError } from './fs-error.ts';
import {
  type Credentials,
  contentOf,
  type DirectoryNode,
  directoryNode,
  entriesOf,
  type FileNode,
  type Inode,
  mayAccess,
  root,
  timeNow,
} from './inode.ts';

const maxLinks = 40;
const maxNameBytes = 255;

export interface Tree {
  readonly top: DirectoryNode;
  /** What lies under no directory with a disk of its own. */
  readonly disk: Disk;
}

/** The place a path names, whether or not something is there. */
export interface Place {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Inode | undefined;
  /** What the node lies on, or would. */
  readonly disk: Disk;
  /** Absolute, without links. */
  readonly path: string;
}

export function createTree({ maxBytes }: { maxBytes: number }): Tree {
  return { top: directoryNode(), disk: createDisk(maxBytes) };
}

/** Resolves every link but, with `follow: false`, the last. Throws FsError. */
export function locate(
  tree: Tree,
  path: string,
  who: Credentials = root,
  { follow = true }: { follow?: boolean } = {},
): Place {
  const start: Place = { directory: tree.top, name: '', node: tree.top, path: '/', disk: tree.disk };
  let place = start;
  const trail: Place[] = [];
  let pending = path.split('/').filter((part) => part !== '');
  const mustBeDirectory = /\/\.?$/.test(path);
  let links = 0;
  while (pending.length > 0) {
    const [name = '', ...rest] = pending;
    pending = rest;
    const { node } = place;
    if (node === undefined) throw new FsError('ENOENT', path);
    if (node.kind !== 'directory') throw new FsError('ENOTDIR', path);
    if (!mayAccess(node, who, 1)) throw new FsError('EACCES', path);
    if (name === '.') continue;
    if (name === '..') {
      place = trail.pop() ?? place;
      continue;
    }
    if (name.length > maxNameBytes) throw new FsError('ENAMETOOLONG', path);
    const child = entriesOf(node).get(name);
    if (child?.kind === 'symlink' && (follow || rest.length > 0 || mustBeDirectory)) {
      links += 1;
      if (links > maxLinks) throw new FsError('ELOOP', path);
      pending = [...child.target.split('/').filter((part) => part !== ''), ...rest];
      if (child.target.startsWith('/')) {
        trail.length = 0;
        place = start;
      }
      continue;
    }
    trail.push(place);
    const prefix = place.path === '/' ? '' : place.path;
    const disk = (child?.kind === 'directory' ? child.mounted : undefined) ?? place.disk;
    place = { directory: node, name, node: child, path: `${prefix}/${name}`, disk };
  }
  if (mustBeDirectory && place.node !== undefined && place.node.kind !== 'directory')
    throw new FsError('ENOTDIR', path);
  return place;
}

/** Throws FsError where nothing is there. */
export function getNode(tree: Tree, path: string, who?: Credentials, options?: { follow?: boolean }): Inode {
  const { node } = locate(tree, path, who, options);
  if (node === undefined) throw new FsError('ENOENT', path);
  return node;
}

export function findNode(tree: Tree, path: string, who?: Credentials): Inode | undefined {
  try {
    return locate(tree, path, who).node;
  } catch (error) {
    if (error instanceof FsError) return undefined;
    throw error;
  }
}

export function listDirectory(tree: Tree, path: string, who: Credentials = root): Map<string, Inode> {
  const node = getNode(tree, path, who);
  if (node.kind !== 'directory') throw new FsError('ENOTDIR', path);
  if (!mayAccess(node, who, 4)) throw new FsError('EACCES', path);
  return entriesOf(node);
}

/** Throws EROFS where nothing on the disk may be changed. */
export function requireWritable({ disk, path }: Place): void {
  if (disk.isReadOnly) throw new FsError('EROFS', path);
}

/** The directory, once it is known that an entry may be added to it or taken from it. */
function changeable(place: Place, path: string, who: Credentials): DirectoryNode {
  const { directory, node } = place;
  if (place.name === '') throw new FsError('EINVAL', path);
  if (directory.list !== undefined) throw new FsError('EACCES', path);
  if (!mayAccess(directory, who, 2)) throw new FsError('EACCES', path);
  requireWritable(place);
  const sticky = (directory.mode & 0o1000) !== 0 && who.uid !== 0 && who.uid !== directory.uid;
  if (sticky && node !== undefined && node.uid !== who.uid) throw new FsError('EPERM', path);
  return directory;
}

/** Puts a node where nothing is yet. */
export function addNode(place: Place, node: Inode, who: Credentials): void {
  if (place.node !== undefined) throw new FsError('EEXIST', place.path);
  const directory = changeable(place, place.path, who);
  if (node.kind === 'file') settle(node, place.disk, place.path);
  directory.entries.set(place.name, node);
  touch(directory);
}

export function touch(node: Inode): void {
  node.modifiedMs = timeNow();
  node.changedMs = node.modifiedMs;
}

/** A file with its first name comes to lie on the disk; it can have no second name on another. */
function settle(file: FileNode, disk: Disk, path: string): void {
  if (file.disk !== undefined && file.disk !== disk) throw new FsError('EXDEV', path);
  if (file.disk === undefined) disk.usedBytes += file.size;
  file.disk = disk;
}

export function addAt(tree: Tree, path: string, node: Inode, who: Credentials): void {
  addNode(locate(tree, path, who, { follow: false }), node, who);
}

export function link(tree: Tree, from: string, to: string, who: Credentials): void {
  const node = getNode(tree, from, who, { follow: false });
  if (node.kind === 'directory') throw new FsError('EPERM', from);
  addAt(tree, to, node, who);
  node.links += 1;
  node.changedMs = timeNow();
}

function drop(node: Inode): void {
  node.links -= 1;
  node.changedMs = timeNow();
  if (node.links === 0 && node.kind === 'file' && node.disk !== undefined) node.disk.usedBytes -= node.size;
}

export function unlink(tree: Tree, path: string, who: Credentials): void {
  const place = locate(tree, path, who, { follow: false });
  if (place.node === undefined) throw new FsError('ENOENT', path);
  if (place.node.kind === 'directory') throw new FsError('EISDIR', path);
  changeable(place, path, who).entries.delete(place.name);
  touch(place.directory);
  drop(place.node);
}

export function removeDirectory(tree: Tree, path: string, who: Credentials): void {
  const place = locate(tree, path, who, { follow: false });
  if (place.node === undefined) throw new FsError('ENOENT', path);
  if (place.node.kind !== 'directory') throw new FsError('ENOTDIR', path);
  if (entriesOf(place.node).size > 0) throw new FsError('ENOTEMPTY', path);
  changeable(place, path, who).entries.delete(place.name);
}

export function rename(tree: Tree, from: string, to: string, who: Credentials): void {
  const source = locate(tree, from, who, { follow: false });
  if (source.node === undefined) throw new FsError('ENOENT', from);
  const target = locate(tree, to, who, { follow: false });
  if (target.node === source.node) return;
  if (target.node !== undefined) {
    const sourceIsDirectory = source.node.kind === 'directory';
    if (target.node.kind !== 'directory' && sourceIsDirectory) throw new FsError('ENOTDIR', to);
    if (target.node.kind === 'directory' && !sourceIsDirectory) throw new FsError('EISDIR', to);
    if (target.node.kind === 'directory' && entriesOf(target.node).size > 0)
      throw new FsError('ENOTEMPTY', to);
  }
  if (target.path.startsWith(`${source.path}/`)) throw new FsError('EINVAL', to);
  if (source.disk !== target.disk) throw new FsError('EXDEV', to);
  const fromDirectory = changeable(source, from, who);
  const toDirectory = changeable(target, to, who);
  fromDirectory.entries.delete(source.name);
  toDirectory.entries.set(target.name, source.node);
  touch(fromDirectory);
  touch(toDirectory);
  source.node.changedMs = timeNow();
  if (target.node !== undefined) drop(target.node);
}

/** Builds a machine's first files: makes the directories on the way and replaces what is there. */
export function plant(tree: Tree, path: string, node: Inode): void {
  let directory = tree.top;
  let { disk } = tree;
  const names = path.split('/').filter((part) => part !== '');
  const last = names.pop() ?? '';
  for (const name of names) {
    const next = directory.entries.get(name) ?? directoryNode();
    directory.entries.set(name, next);
    if (next.kind !== 'directory') throw new FsError('ENOTDIR', path);
    directory = next;
    disk = directory.mounted ?? disk;
  }
  directory.entries.set(last, node);
  if (node.kind === 'file') settle(node, disk, path);
}

function resize({ disk: own }: Tree, file: FileNode, size: number): void {
  const { disk = own } = file;
  const growth = size - file.size;
  if (growth > 0 && disk.usedBytes + growth > disk.maxBytes) throw new FsError('ENOSPC', '');
  if (file.links > 0) disk.usedBytes += growth;
  if (size > file.data.length) {
    const room = Math.min(file.data.length * 2, disk.maxBytes);
    const grown = Buffer.alloc(Math.max(size, room));
    file.data.copy(grown, 0, 0, file.size);
    file.data = grown;
  } else if (size < file.size) file.data.fill(0, size, file.size);
  file.size = size;
  touch(file);
}

/** Writes at an offset; past the end, zeros fill the gap. Throws ENOSPC beyond the tree's bound. */
export function writeAt(tree: Tree, file: FileNode, offset: number, bytes: Buffer): void {
  if (file.generate !== undefined) throw new FsError('EACCES', '');
  const end = offset + bytes.length;
  if (end > file.size) resize(tree, file, end);
  bytes.copy(file.data, offset);
  touch(file);
}

/** Writes what the disk has room for, as write(2) does; gives back how many bytes that was. */
export function writeFitting(tree: Tree, file: FileNode, offset: number, bytes: Buffer): number {
  const { maxBytes, usedBytes } = file.disk ?? tree.disk;
  const fitting = bytes.subarray(0, Math.max(0, file.size + Math.max(0, maxBytes - usedBytes) - offset));
  if (fitting.length > 0) writeAt(tree, file, offset, fitting);
  return fitting.length;
}

export function truncate(tree: Tree, file: FileNode, size: number): void {
  if (file.generate !== undefined) throw new FsError('EACCES', '');
  resize(tree, file, size);
}

export type FileKind = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket';

export function kindOf(node: Inode): FileKind {
  if (node.kind !== 'device') return node.kind;
  const { device } = node;
  return device === 'fifo' || device === 'socket' || device === 'block' ? device : 'character';
}

const kindBits: Readonly<Record<FileKind, number>> = {
  ...{ file: 0o100000, directory: 0o040000, symlink: 0o120000 },
  ...{ character: 0o020000, block: 0o060000, fifo: 0o010000, socket: 0o140000 },
};

/** Permission bits and kind as one number, as stat(2) gives them. */
export function statMode(node: Inode): number {
  return kindBits[kindOf(node)] | node.mode;
}

export function sizeOf(node: Inode): number {
  if (node.kind === 'file') return contentOf(node).length;
  if (node.kind === 'directory') return 4096;
  return node.kind === 'symlink' ? node.target.length : 0;
}

/** Makes an absolute path of one relative to a directory; `..` and `.` stay for the tree to resolve. */
export function absolute(cwd: string, path: string): string {
  return path.startsWith('/') ? path : `${cwd}/${path}`;
}
