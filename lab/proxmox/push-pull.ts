/** pct push and pull: nearly every failure ends with status 0, as with the real ones. */

import { FsError } from '../files/fs-error.ts';
import { type FileNode, fileNode, mayAccess, root } from '../files/inode.ts';
import { addNode, locate, requireWritable, truncate } from '../files/tree.ts';
import { findGroup, findUser } from '../machine/users.ts';
import { forReading, heldOn, openPath } from '../process/open.ts';
import { type OpenFile, openDevice, openRegular } from '../process/open-file.ts';
import type { Machine, Process } from '../process/process.ts';
import { type Parsed, PveError } from './command-line.ts';
import { findContainer, type LabNode } from './node.ts';

/** A complaint of the copying worker; the program around it reports success all the same. */
class Complaint extends Error {}

interface Ownership {
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

async function complaining(self: Process, action: () => Promise<void>): Promise<number> {
  try {
    await action();
  } catch (error) {
    if (error instanceof Complaint) await self.err(`${error.message}\n`);
    // What the copying itself runs into, a full disk above all, is never looked at.
    else if (!(error instanceof FsError)) throw error;
  }
  return 0;
}

function ownership(machine: Machine, { options }: Parsed): Ownership {
  const perms = options.get('perms');
  if (perms !== undefined && !/^(0x[\da-f]+|[0-7]+)$/i.test(perms))
    throw new Complaint(`invalid mode: '${perms}'`);
  const number = (name: string | undefined, find: (known: string) => number | undefined, kind: string) => {
    if (name === undefined || /^\d+$/.test(name)) return name === undefined ? undefined : Number(name);
    const id = find(name);
    if (id === undefined) throw new Complaint(`failed to get ${kind} for: ${name}`);
    return id;
  };
  return {
    mode: perms === undefined ? undefined : Number.parseInt(perms, perms.startsWith('0x') ? 16 : 8),
    uid: number(options.get('user'), (name) => findUser(machine.files, name)?.uid, 'uid'),
    gid: number(options.get('group'), (name) => findGroup(machine.files, name)?.gid, 'gid'),
  };
}

/** Opens the target as the worker does: a new file, or the old one emptied with its mode and owner kept. */
function createTarget(self: Process, machine: Machine, path: string, owner: Ownership): FileNode {
  let node: FileNode;
  try {
    const held = heldOn(self, machine, path)?.node;
    const place =
      held === undefined ? locate(machine.files, path) : { ...locate(machine.files, '/'), node: held };
    if (place.node === undefined) {
      node = fileNode('', 0o644);
      addNode(place, node, root);
    } else {
      if (place.node.kind === 'directory') throw new FsError('EISDIR', path);
      if (place.node.kind !== 'file' || place.node.generate !== undefined) throw new FsError('EACCES', path);
      node = place.node;
      requireWritable(place);
      truncate(machine.files, node, 0);
    }
  } catch (error) {
    if (error instanceof FsError) throw new Complaint(`failed to create file: ${path}: ${error.reason}`);
    throw error;
  }
  node.mode = owner.mode ?? node.mode;
  node.uid = owner.uid ?? node.uid;
  node.gid = owner.gid ?? node.gid;
  return node;
}

/** The pause after the first bytes is where a test can step in. */
async function copy(self: Process, from: OpenFile, to: OpenFile, pauseMs: number): Promise<void> {
  for (let count = 0; ; count += 1) {
    await self.breathe();
    if (count === 1 && pauseMs > 0) await self.sleep(pauseMs);
    const chunk = await from.read(64 * 1024, self.signal);
    if (chunk.length === 0) return;
    await self.writeTo(to, chunk);
  }
}

function fromRoot(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

const appending = { read: false, write: true, append: false };

export async function push(self: Process, node: LabNode, parsed: Parsed): Promise<number> {
  const [vmid, file = '', destination = ''] = parsed.params;
  const guest = findContainer(node, Number(vmid));
  const machine = guest?.machine;
  if (guest?.pid === undefined || machine === undefined)
    throw new PveError('can only push files to a running CT');
  return await complaining(self, async () => {
    const owner = ownership(machine, parsed);
    let source: OpenFile;
    try {
      source = openPath(self, file, forReading);
    } catch (error) {
      if (error instanceof FsError) throw new Complaint(`failed to open ${file} for reading`);
      throw error;
    }
    try {
      const path = fromRoot(destination);
      const target = createTarget(self, machine, path, owner);
      await copy(self, source, openRegular(machine.files, target, path, appending), node.pace.copyMs);
    } finally {
      source.release();
    }
  });
}

export async function pull(self: Process, node: LabNode, parsed: Parsed): Promise<number> {
  const [vmid, path = '', destination = ''] = parsed.params;
  const guest = findContainer(node, Number(vmid));
  const machine = guest?.machine;
  if (guest?.pid === undefined || machine === undefined)
    throw new PveError('can only pull files from a running VM at /usr/share/perl5/PVE/CLI/pct.pm line 664.');
  return await complaining(self, async () => {
    const owner = ownership(self.machine, parsed);
    const target = openHostTarget(self, destination, owner);
    try {
      await copy(self, openSource(self, machine, fromRoot(path), path), target, node.pace.copyMs);
    } finally {
      target.release();
    }
  });
}

function openHostTarget(self: Process, path: string, owner: Ownership): OpenFile {
  if (path.startsWith('/dev/')) return openPath(self, path, appending);
  const absolute = path.startsWith('/') ? path : `${self.cwd}/${path}`;
  const node = createTarget(self, self.machine, absolute, owner);
  return openRegular(self.machine.files, node, absolute, appending);
}

function openSource(self: Process, machine: Machine, path: string, asGiven: string): OpenFile {
  try {
    const node = heldOn(self, machine, path)?.node ?? locate(machine.files, path).node;
    if (node === undefined) throw new FsError('ENOENT', path);
    if (!mayAccess(node, root, 4)) throw new FsError('EACCES', path);
    if (node.kind === 'file') return openRegular(machine.files, node, path, forReading);
    if (node.kind === 'device') return openDevice(node, path);
    throw new FsError('EISDIR', path);
  } catch (error) {
    if (error instanceof FsError && error.code !== 'EISDIR')
      throw new Complaint(`failed to open ${asGiven}: ${error.reason}`);
    throw error;
  }
}
