/** What a file tree is made of. Names and link targets are byte strings. */
import type { Disk } from './disk.ts';

export interface Attributes {
  readonly ino: number;
  /** Permission bits alone. */
  mode: number;
  uid: number;
  gid: number;
  modifiedMs: number;
  /** Of the latest change of whatever kind, as ctime. */
  changedMs: number;
  links: number;
}

export interface FileNode extends Attributes {
  readonly kind: 'file';
  /** Only the first `size` bytes count. */
  data: Buffer;
  size: number;
  /** What its bytes lie on, once it has a name. */
  disk?: Disk;
  /** A file made anew at each opening; nothing can be written to it. */
  readonly generate?: (() => Buffer) | undefined;
  /** The name of the program that runs when this file is executed. */
  readonly program?: string | undefined;
}

export interface DirectoryNode extends Attributes {
  readonly kind: 'directory';
  readonly entries: Map<string, Inode>;
  /** A file system of its own begins here. */
  mounted?: Disk;
  /** A directory whose entries follow the node's state; nothing can be created in it. */
  readonly list?: (() => Map<string, Inode>) | undefined;
}

export interface LinkNode extends Attributes {
  readonly kind: 'symlink';
  readonly target: string;
}

/** `block` stands for a disk; `socket` is one in the file system, which nothing can open. */
export type DeviceName = ('null' | 'zero' | 'full' | 'random' | 'block' | 'fifo' | 'socket') | `fd/${number}`;

export interface DeviceNode extends Attributes {
  readonly kind: 'device';
  readonly device: DeviceName;
}

export type Inode = FileNode | DirectoryNode | LinkNode | DeviceNode;

export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

export const root: Credentials = { uid: 0, gid: 0, groups: [0] };

export type Access = 4 | 2 | 1;

/** Whether the permission bits let these credentials read (4), write (2) or execute (1). */
export function mayAccess(node: Inode, who: Credentials, access: Access): boolean {
  if (who.uid === 0) return access !== 1 || node.kind === 'directory' || (node.mode & 0o111) !== 0;
  const shift = node.uid === who.uid ? 6 : node.gid === who.gid || who.groups.includes(node.gid) ? 3 : 0;
  return ((node.mode >> shift) & access) !== 0;
}

let lastIno = 1;
let lastMs = 0;

/** Milliseconds since 1970 with a fraction; no two calls give the same, as with a kernel's nanoseconds. */
export function timeNow(): number {
  lastMs = Math.max(lastMs + 0.001, performance.timeOrigin + performance.now());
  return lastMs;
}

/** Inode numbers are unique in the process; nothing else is shared between trees. */
export function attributes(mode: number, who: Credentials = root): Attributes {
  lastIno += 1;
  const now = timeNow();
  return { ino: lastIno, mode, uid: who.uid, gid: who.gid, modifiedMs: now, changedMs: now, links: 1 };
}

export function fileNode(content: string | Buffer, mode = 0o644, who: Credentials = root): FileNode {
  const data = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
  return { ...attributes(mode, who), kind: 'file', data, size: data.length };
}

export function generatedNode(generate: () => Buffer, mode = 0o444): FileNode {
  return { ...attributes(mode), kind: 'file', data: Buffer.alloc(0), size: 0, generate };
}

export function programNode(program: string): FileNode {
  const data = Buffer.from('\x7fELF\x02\x01\x01', 'latin1');
  return { ...attributes(0o755), kind: 'file', data, size: data.length, program };
}

export function directoryNode(
  mode = 0o755,
  who: Credentials = root,
  list?: () => Map<string, Inode>,
): DirectoryNode {
  return { ...attributes(mode, who), kind: 'directory', entries: new Map(), list };
}

export function linkNode(target: string, who: Credentials = root): LinkNode {
  return { ...attributes(0o777, who), kind: 'symlink', target };
}

export function deviceNode(device: DeviceName, mode = 0o666): DeviceNode {
  return { ...attributes(mode), kind: 'device', device };
}

export function entriesOf(directory: DirectoryNode): Map<string, Inode> {
  return directory.list?.() ?? directory.entries;
}

export function contentOf(file: FileNode): Buffer {
  return file.generate?.() ?? file.data.subarray(0, file.size);
}
