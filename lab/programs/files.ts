/** Programs that make, move and copy files. */
import { randomBytes } from 'node:crypto';
import { makeDirectory } from '../files/bash-fs.ts';
import { FsError } from '../files/fs-error.ts';
import { contentOf, directoryNode, fileNode, linkNode, mayAccess } from '../files/inode.ts';
import * as tree from '../files/tree.ts';
import { findGroup, findUser } from '../machine/users.ts';
import { findNodeAt, placeAt } from '../process/open.ts';
import type { Process, Program } from '../process/process.ts';
import { each, pathOf } from './entries.ts';
import { complain } from './launch.ts';
import { parseSize, readOptions } from './options.ts';

/** The last of several operands may be a directory that takes the others in. */
function targets(self: Process, operands: readonly string[], asFile: boolean): [string, string][] {
  const target = operands.at(-1) ?? '';
  const into =
    !asFile && tree.findNode(self.machine.files, pathOf(self, target), self.who)?.kind === 'directory';
  return operands
    .slice(0, -1)
    .map((source) => [source, into ? `${target}/${source.replace(/\/+$/, '').split('/').at(-1)}` : target]);
}

const mv: Program = async (self) => {
  const { operands, has, get } = readOptions(self.argv.slice(1), { valued: ['t'] });
  const into = get('t');
  const all = into === undefined ? operands : [...operands, into];
  if (all.length < 2) return await complain(self, 'missing file operand');
  const { files } = self.machine;
  for (const [from, to] of targets(self, all, has('T', 'no-target-directory'))) {
    const [source, target] = [from, to].map((path) => findNodeAt(self, path, { follow: false }));
    if (source === undefined) return await complain(self, `cannot stat '${from}': No such file or directory`);
    if (target?.kind === 'directory' && source.kind !== 'directory')
      return await complain(self, `cannot overwrite directory '${to}' with non-directory`);
    const status = await each(
      self,
      [from],
      () => `cannot move '${from}' to '${to}'`,
      () => {
        if (has('n') && tree.findNode(files, pathOf(self, to), self.who) !== undefined) return;
        move(self, from, to);
      },
    );
    if (status !== 0) return status;
  }
  return 0;
};

/** From one disk to another a file is copied. */
function move(self: Process, from: string, to: string): void {
  const { files } = self.machine;
  try {
    tree.rename(files, pathOf(self, from), pathOf(self, to), self.who);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'EXDEV') throw error;
    const { mode, uid, gid } = tree.getNode(files, pathOf(self, from), self.who);
    copyFile(self, from, to, mode);
    Object.assign(tree.getNode(files, pathOf(self, to)), { uid, gid });
    tree.unlink(files, pathOf(self, from), self.who);
  }
}

const ln: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1));
  const { files } = self.machine;
  const pairs = operands.length === 1 ? [...operands, '.'] : operands;
  for (const [from, to] of targets(self, pairs, has('T', 'n'))) {
    const kind = has('s', 'symbolic') ? 'symbolic' : 'hard';
    const status = await each(
      self,
      [to],
      () => `failed to create ${kind} link '${to}'`,
      () => {
        const path = pathOf(self, to);
        const there = tree.locate(files, path, self.who, { follow: false }).node;
        if (there !== undefined && has('f', 'force')) tree.unlink(files, path, self.who);
        if (kind === 'symbolic') tree.addAt(files, path, linkNode(from, self.who), self.who);
        else tree.link(files, pathOf(self, from), path, self.who);
      },
    );
    if (status !== 0) return status;
  }
  return 0;
};

const mktemp: Program = async (self) => {
  const { operands, has, get } = readOptions(self.argv.slice(1), { valued: ['p', 'tmpdir', 'suffix'] });
  const template = operands[0] ?? 'tmp.XXXXXXXXXX';
  const inTemporary = operands.length === 0 || has('p', 'tmpdir', 't');
  const base = get('p', 'tmpdir') || self.env.get('TMPDIR') || '/tmp';
  const filled = template.replace(/X{3,}(?!.*X{3})/, (xs) =>
    randomBytes(xs.length).toString('base64url').replaceAll(/[-_]/g, 'a').slice(0, xs.length),
  );
  if (filled === template) return await complain(self, `too few X's in template ‘${template}’`);
  const path = `${inTemporary ? `${base}/` : ''}${filled}${get('suffix') ?? ''}`;
  const node = has('d', 'directory') ? directoryNode(0o700, self.who) : fileNode('', 0o600, self.who);
  const status = await each(
    self,
    [path],
    () => `failed to create ${has('d') ? 'directory' : 'file'} via template ‘${template}’`,
    () => tree.addAt(self.machine.files, pathOf(self, path), node, self.who),
  );
  if (status === 0) await self.out(`${path}\n`);
  return status;
};

function copyFile(self: Process, from: string, to: string, mode: number): void {
  const { files } = self.machine;
  const source = tree.getNode(files, pathOf(self, from), self.who);
  if (source.kind === 'directory') throw new FsError('EISDIR', from);
  if (!mayAccess(source, self.who, 4)) throw new FsError('EACCES', from);
  const content = source.kind === 'file' ? Buffer.from(contentOf(source)) : Buffer.alloc(0);
  const place = tree.locate(files, pathOf(self, to), self.who);
  const made = fileNode('', mode, self.who);
  if (place.node !== undefined) tree.unlink(files, pathOf(self, to), self.who);
  tree.addAt(files, pathOf(self, to), made, self.who);
  tree.writeAt(files, made, 0, content);
}

const install: Program = async (self) => {
  const { operands, has, get } = readOptions(self.argv.slice(1), { valued: ['m', 'o', 'g', 't', 'mode'] });
  const mode = Number.parseInt(get('m', 'mode') ?? '755', 8);
  const { files } = self.machine;
  const own = (path: string) => {
    const node = tree.getNode(files, pathOf(self, path));
    node.mode = mode;
    node.uid = findUser(files, get('o') ?? '')?.uid ?? node.uid;
    node.gid = findGroup(files, get('g') ?? '')?.gid ?? node.gid;
  };
  if (has('d'))
    return await each(
      self,
      operands,
      (path) => `cannot create directory '${path}'`,
      (path) => {
        makeDirectory(files, pathOf(self, path), true, self.who, self.umask);
        own(path);
      },
    );
  let status = 0;
  for (const [from, to] of targets(self, operands, has('T')))
    status ||= await each(
      self,
      [to],
      () => `cannot install '${from}' to '${to}'`,
      () => {
        copyFile(self, from, to, mode);
        own(to);
      },
    );
  return status;
};

const truncate: Program = async (self) => {
  const { operands, get } = readOptions(self.argv.slice(1), { valued: ['s', 'size'] });
  const size = parseSize(get('s', 'size') ?? '0');
  return await each(
    self,
    operands,
    (path) => `cannot open '${path}' for writing`,
    (path) => {
      const place = tree.locate(self.machine.files, pathOf(self, path), self.who);
      const node = place.node ?? fileNode('', 0o666 & ~self.umask, self.who);
      if (place.node === undefined) tree.addNode(place, node, self.who);
      if (node.kind !== 'file') throw new FsError('EISDIR', path);
      tree.requireWritable(place);
      tree.truncate(self.machine.files, node, size);
    },
  );
};

const realpath: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1));
  let status = 0;
  for (const operand of operands) {
    try {
      const place = placeAt(self, operand);
      if (place.node === undefined && has('e')) throw new FsError('ENOENT', operand);
      await self.out(`${place.path}\n`);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      status = await complain(self, `${operand}: ${error.reason}`);
    }
  }
  return status;
};

export const fileTools: Readonly<Record<string, Program>> = {
  ...{ mv, ln, mktemp, install, truncate, realpath },
  sync: async () => 0,
};
