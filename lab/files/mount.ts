/** Disks of their own within a tree: small ones, and those that nothing can be written to. */
import { createDisk, type Disk } from './disk.ts';
import { type DirectoryNode, directoryNode, entriesOf, type Inode } from './inode.ts';
import type { Tree } from './tree.ts';

export interface LabMount {
  /** Absolute; `/` changes the disk that is there already, as does every path that was mounted before. */
  readonly path: string;
  /** What it still takes beyond what lies on it. Without a bound of its own where nothing is said. */
  readonly freeBytes?: number;
  readonly readOnly?: boolean;
}

/** Makes a directory a file system of its own; what was in it moves there. */
export function mount(tree: Tree, { path, freeBytes, readOnly = false }: LabMount): Disk {
  const { directory, outer } = directoryFor(tree, path);
  const disk = directory === tree.top ? tree.disk : (directory.mounted ?? createDisk(tree.disk.maxBytes));
  if (disk !== tree.disk && directory.mounted === undefined) {
    moveTo(directory, outer, disk);
    directory.mounted = disk;
  }
  disk.isReadOnly = readOnly;
  if (freeBytes !== undefined) disk.maxBytes = disk.usedBytes + freeBytes;
  return disk;
}

function directoryFor(tree: Tree, path: string): { directory: DirectoryNode; outer: Disk } {
  let directory = tree.top;
  let outer = tree.disk;
  for (const name of path.split('/').filter((part) => part !== '')) {
    outer = directory.mounted ?? outer;
    const next = directory.entries.get(name) ?? directoryNode();
    if (next.kind !== 'directory') throw new TypeError(`${path}: only a directory can be mounted on`);
    directory.entries.set(name, next);
    directory = next;
  }
  return { directory, outer };
}

function moveTo(node: Inode, from: Disk, to: Disk): void {
  if (node.kind === 'directory' && node.mounted === undefined)
    for (const child of entriesOf(node).values()) moveTo(child, from, to);
  if (node.kind !== 'file' || node.disk !== from) return;
  node.disk = to;
  from.usedBytes -= node.size;
  to.usedBytes += node.size;
}
