/** Programs that make, mark and remove what directories hold: mkdir, rm, chmod, chown, mknod, readlink. */
import { makeDirectory, remove } from '../files/bash-fs.ts';
import { FsError } from '../files/fs-error.ts';
import { type DeviceName, deviceNode, type Inode, timeNow } from '../files/inode.ts';
import * as tree from '../files/tree.ts';
import { findGroup, findUser } from '../machine/users.ts';
import { placeAt } from '../process/open.ts';
import type { Process, Program } from '../process/process.ts';
import { complain, quote } from './launch.ts';
import { changedMode } from './modes.ts';
import { readOptions } from './options.ts';

export function pathOf(self: Process, path: string): string {
  if (path === '') throw new FsError('ENOENT', path);
  return tree.absolute(self.cwd, path);
}

/** Runs the action for each operand and says which failed, and why. */
export async function each(
  self: Process,
  operands: readonly string[],
  verb: (operand: string) => string,
  action: (operand: string) => void,
): Promise<number> {
  let status = 0;
  for (const operand of operands) {
    try {
      action(operand);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      status = await complain(self, `${verb(operand)}: ${error.reason}`);
    }
  }
  return status;
}

const mkdir: Program = async (self) => {
  const { operands, has, get } = readOptions(self.argv.slice(1), { valued: ['m', 'mode'] });
  if (operands.length === 0) return await complain(self, 'missing operand');
  const { files } = self.machine;
  const mode = get('m', 'mode');
  return await each(
    self,
    operands,
    (path) => `cannot create directory ${quote(self, path)}`,
    (path) => {
      makeDirectory(files, pathOf(self, path), has('p', 'parents'), self.who, self.umask);
      if (mode !== undefined) tree.getNode(files, pathOf(self, path)).mode = changedMode(mode, 0, 0) ?? 0o755;
    },
  );
};

const rmdir: Program = async (self) =>
  await each(
    self,
    readOptions(self.argv.slice(1)).operands,
    (path) => `failed to remove '${path}'`,
    (path) => tree.removeDirectory(self.machine.files, pathOf(self, path), self.who),
  );

const rm: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1));
  const force = has('f', 'force');
  if (operands.length === 0) return force ? 0 : await complain(self, 'missing operand');
  const { files } = self.machine;
  return await each(
    self,
    operands,
    (path) => `cannot remove '${path}'`,
    (path) => {
      try {
        const node = tree.getNode(files, pathOf(self, path), self.who, { follow: false });
        const recursive = has('r', 'R', 'recursive');
        if (node.kind === 'directory' && !recursive && !has('d')) throw new FsError('EISDIR', path);
        remove(files, pathOf(self, path), recursive, self.who);
      } catch (error) {
        if (!(error instanceof FsError && force && ['ENOENT', 'ENOTDIR'].includes(error.code))) throw error;
      }
    },
  );
};

function changeTree(node: Inode, recursive: boolean, change: (node: Inode) => void): void {
  change(node);
  node.changedMs = timeNow();
  if (recursive && node.kind === 'directory')
    for (const child of node.entries.values()) changeTree(child, true, change);
}

/** What an operand names, once it is known that its attributes may be changed. Throws FsError. */
function changeable(self: Process, path: string, follow: boolean): Inode {
  const place = placeAt(self, path, { follow });
  if (place.node === undefined) throw new FsError('ENOENT', path);
  if (self.who.uid !== 0 && self.who.uid !== place.node.uid) throw new FsError('EPERM', path);
  tree.requireWritable(place);
  return place.node;
}

const chmod: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1).map((arg) => arg.replace(/^-(?=[rwxXst])/, 'a-')));
  const [given = '', ...paths] = operands;
  if (paths.length === 0) return await complain(self, 'missing operand');
  if (changedMode(given, 0, self.umask) === undefined)
    return await complain(
      self,
      `invalid mode: ${quote(self, given)}\nTry 'chmod --help' for more information.`,
    );
  return await each(
    self,
    paths,
    (path) =>
      tree.findNode(self.machine.files, tree.absolute(self.cwd, path)) === undefined
        ? `cannot access '${path}'`
        : `changing permissions of '${path}'`,
    (path) =>
      changeTree(changeable(self, path, true), has('R'), (node) => {
        node.mode = changedMode(given, node.mode, self.umask, node.kind === 'directory') ?? node.mode;
      }),
  );
};

const chown: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1));
  const [spec = '', ...paths] = operands;
  const onlyGroup = self.argv[0]?.endsWith('chgrp') === true;
  const [user = '', group = ''] = onlyGroup ? ['', spec] : spec.split(/[:.]/);
  const { files } = self.machine;
  const uid = /^\d+$/.test(user) ? Number(user) : findUser(files, user)?.uid;
  const gid = /^\d+$/.test(group) ? Number(group) : findGroup(files, group)?.gid;
  if (user !== '' && uid === undefined) return await complain(self, `invalid user: ${quote(self, spec)}`);
  if (group !== '' && gid === undefined) return await complain(self, `invalid group: ${quote(self, spec)}`);
  return await each(
    self,
    paths,
    (path) => `changing ${onlyGroup ? 'group' : 'ownership'} of '${path}'`,
    (path) => {
      if (self.who.uid !== 0) throw new FsError('EPERM', path);
      changeTree(changeable(self, path, !has('h')), has('R'), (node) => {
        node.uid = uid ?? node.uid;
        node.gid = gid ?? node.gid;
      });
    },
  );
};

const majorOneDevices: Readonly<Record<string, DeviceName>> = {
  3: 'null',
  5: 'zero',
  7: 'full',
  8: 'random',
};

/** mkfifo, and mknod with its kinds. */
const mknod: Program = async (self) => {
  const { operands, get } = readOptions(self.argv.slice(1), { valued: ['m', 'mode'] });
  const onlyFifos = self.argv[0]?.endsWith('mkfifo') === true;
  const [, kind = '', , minor = ''] = operands;
  const special = kind === 'b' ? 'block' : (majorOneDevices[minor] ?? 'null');
  const device = onlyFifos || kind === 'p' ? 'fifo' : special;
  const mode = changedMode(get('m', 'mode') ?? '', 0o666, 0) ?? 0o666 & ~self.umask;
  return await each(
    self,
    onlyFifos ? operands : operands.slice(0, 1),
    (path) => (onlyFifos ? `cannot create fifo '${path}'` : path),
    (path) => {
      const node = { ...deviceNode(device, mode), uid: self.who.uid, gid: self.who.gid };
      tree.addAt(self.machine.files, pathOf(self, path), node, self.who);
    },
  );
};

const readlink: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1));
  const end = has('n') ? '' : has('z') ? '\0' : '\n';
  let status = 0;
  for (const operand of operands) {
    try {
      if (has('f', 'e', 'm')) {
        const place = placeAt(self, operand);
        if (place.node === undefined && has('e')) throw new FsError('ENOENT', operand);
        await self.out(`${place.path}${end}`);
        continue;
      }
      const { node } = placeAt(self, operand, { follow: false });
      if (node?.kind === 'symlink') await self.out(`${node.target}${end}`);
      else status = 1;
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      status = 1;
    }
  }
  return status;
};

export const entryTools: Readonly<Record<string, Program>> = {
  ...{ mkdir, rmdir, rm, chmod, chown, chgrp: chown, mknod, mkfifo: mknod, readlink },
};
