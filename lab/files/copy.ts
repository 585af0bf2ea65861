/** Copies all files of a machine: for a snapshot, the way back to it, and a clone. */
import { createDisk, type Disk } from './disk.ts';
import { attributes, type DirectoryNode, type Inode } from './inode.ts';
import type { Tree } from './tree.ts';

/** What follows the state of its machine, and is made anew at each look. */
function isGenerated(node: Inode): boolean {
  return (
    (node.kind === 'file' && node.generate !== undefined) ||
    (node.kind === 'directory' && node.list !== undefined)
  );
}

function copyNode(node: Inode, own: Inode | undefined, disk: Disk, known: Map<Inode, Inode>): Inode {
  const before = known.get(node);
  if (before !== undefined) return before;
  const { ino } = attributes(node.mode);
  if (node.kind === 'directory') {
    const place =
      node.mounted === undefined
        ? disk
        : { ...createDisk(node.mounted.maxBytes), isReadOnly: node.mounted.isReadOnly };
    const entries = copyEntries(node, own?.kind === 'directory' ? own : undefined, place, known);
    return { ...node, ino, entries, ...(node.mounted !== undefined && { mounted: place }) };
  }
  const copy: Inode =
    node.kind === 'file'
      ? { ...node, ino, disk, data: Buffer.from(node.data.subarray(0, node.size)) }
      : { ...node, ino };
  if (copy.kind === 'file') disk.usedBytes += copy.size;
  known.set(node, copy);
  return copy;
}

function copyEntries(
  source: DirectoryNode,
  own: DirectoryNode | undefined,
  disk: Disk,
  known: Map<Inode, Inode>,
): Map<string, Inode> {
  const entries = new Map<string, Inode>();
  for (const [name, node] of source.entries) {
    const mine = own?.entries.get(name);
    if (isGenerated(node)) entries.set(name, mine !== undefined && isGenerated(mine) ? mine : node);
    else entries.set(name, copyNode(node, mine, disk, known));
  }
  return entries;
}

/** Makes a tree hold what another holds. What it generates itself stays its own; hard links stay together. */
export function copyFiles(from: Tree, to: Tree): void {
  to.disk.usedBytes = 0;
  const entries = copyEntries(from.top, to.top, to.disk, new Map());
  to.top.entries.clear();
  for (const [name, node] of entries) to.top.entries.set(name, node);
}
