/** A tree as just-bash's own commands want it: text paths, promises. */
import type { FsStat, IFileSystem } from 'just-bash';
import { toByteString, toText } from '../byte-string.ts';
import { FsError } from './fs-error.ts';
import {
  type Credentials,
  contentOf,
  directoryNode,
  type FileNode,
  fileNode,
  type Inode,
  linkNode,
  mayAccess,
} from './inode.ts';
import * as tree from './tree.ts';

export interface BashFsOptions {
  readonly files: tree.Tree;
  readonly who: Credentials;
  readonly umask: number;
  /** What is left to read from a device, to its end. */
  readonly readDevice: (path: string) => Promise<Buffer>;
}

export function createBashFs(options: BashFsOptions): IFileSystem {
  return { ...contentOperations(options), ...entryOperations(options) };
}

type ContentOperations = Pick<IFileSystem, 'readFile' | 'readFileBuffer' | 'writeFile' | 'appendFile'>;

function contentOperations({ files, who, umask, readDevice }: BashFsOptions): ContentOperations {
  const readable = async (path: string): Promise<Buffer> => {
    const node = tree.getNode(files, toByteString(path), who);
    if (node.kind === 'directory') throw new FsError('EISDIR', path);
    if (!mayAccess(node, who, 4)) throw new FsError('EACCES', path);
    return node.kind === 'file' ? Buffer.from(contentOf(node)) : await readDevice(toByteString(path));
  };
  const writable = (path: string): FileNode | undefined => {
    const place = tree.locate(files, toByteString(path), who);
    if (place.node?.kind === 'device') return undefined;
    if (place.node?.kind === 'directory') throw new FsError('EISDIR', path);
    if (place.node?.kind === 'file') {
      tree.requireWritable(place);
      if (!mayAccess(place.node, who, 2)) throw new FsError('EACCES', path);
      return place.node;
    }
    const made = fileNode('', 0o666 & ~umask, who);
    tree.addNode(place, made, who);
    return made;
  };
  return {
    readFile: async (path, options) => {
      const encoding = typeof options === 'string' ? options : (options?.encoding ?? 'utf8');
      return (await readable(path)).toString(encoding === 'binary' ? 'latin1' : encoding);
    },
    readFileBuffer: (path) => readable(path),
    writeFile: async (path, content, options) => {
      const file = writable(path);
      if (file === undefined) return;
      tree.truncate(files, file, 0);
      tree.writeAt(files, file, 0, bufferOf(content, options));
    },
    appendFile: async (path, content, options) => {
      const file = writable(path);
      if (file !== undefined) tree.writeAt(files, file, file.size, bufferOf(content, options));
    },
  };
}

function entryOperations({ files, who, umask }: BashFsOptions): Omit<IFileSystem, keyof ContentOperations> {
  const get = (path: string, follow = true) => tree.getNode(files, toByteString(path), who, { follow });
  const list = (path: string) => [...tree.listDirectory(files, toByteString(path), who)];
  return {
    exists: async (path) => tree.findNode(files, toByteString(path), who) !== undefined,
    stat: async (path) => statOf(get(path)),
    lstat: async (path) => statOf(get(path, false)),
    mkdir: async (path, options) =>
      makeDirectory(files, toByteString(path), options?.recursive === true, who, umask),
    readdir: async (path) => list(path).map(([name]) => toText(name)),
    readdirWithFileTypes: async (path) =>
      list(path).map(([name, node]) => ({
        name: toText(name),
        isFile: node.kind === 'file' || node.kind === 'device',
        isDirectory: node.kind === 'directory',
        isSymbolicLink: node.kind === 'symlink',
      })),
    rm: async (path, options) => {
      try {
        remove(files, toByteString(path), options?.recursive === true, who);
      } catch (error) {
        if (!(options?.force === true && error instanceof FsError && error.code === 'ENOENT')) throw error;
      }
    },
    cp: async (from, to, options) =>
      copy(files, toByteString(from), toByteString(to), options?.recursive === true, who),
    mv: async (from, to) => tree.rename(files, toByteString(from), toByteString(to), who),
    resolvePath: (base, path) => normal(tree.absolute(base, path)),
    getAllPaths: () => [],
    chmod: async (path, mode) => {
      const node = get(path);
      if (who.uid !== 0 && who.uid !== node.uid) throw new FsError('EPERM', path);
      node.mode = mode & 0o7777;
    },
    symlink: async (target, path) =>
      tree.addAt(files, toByteString(path), linkNode(toByteString(target), who), who),
    link: async (from, to) => tree.link(files, toByteString(from), toByteString(to), who),
    readlink: async (path) => {
      const node = get(path, false);
      if (node.kind !== 'symlink') throw new FsError('EINVAL', path);
      return toText(node.target);
    },
    realpath: async (path) => {
      const place = tree.locate(files, toByteString(path), who);
      if (place.node === undefined) throw new FsError('ENOENT', path);
      return toText(place.path);
    },
    utimes: async (path, _accessed, modified) => {
      const place = tree.locate(files, toByteString(path), who);
      tree.requireWritable(place);
      if (place.node === undefined) throw new FsError('ENOENT', path);
      tree.touch(place.node);
      place.node.modifiedMs = modified.getTime();
    },
  };
}

function bufferOf(content: string | Uint8Array, options: unknown): Buffer {
  if (typeof content !== 'string') return Buffer.from(content);
  const encoding =
    typeof options === 'object' && options !== null && 'encoding' in options ? options.encoding : options;
  return Buffer.from(content, encoding === 'binary' || encoding === 'latin1' ? 'latin1' : 'utf8');
}

function statOf(node: Inode): FsStat {
  return {
    isFile: node.kind === 'file' || node.kind === 'device',
    isDirectory: node.kind === 'directory',
    isSymbolicLink: node.kind === 'symlink',
    mode: node.mode,
    size: tree.sizeOf(node),
    mtime: new Date(node.modifiedMs),
    ino: node.ino,
    dev: 1,
  };
}

export function makeDirectory(
  files: tree.Tree,
  path: string,
  recursive: boolean,
  who: Credentials,
  umask: number,
): void {
  const mode = 0o777 & ~umask;
  if (!recursive) {
    tree.addAt(files, path, directoryNode(mode, who), who);
    return;
  }
  let soFar = '';
  for (const name of path.split('/').filter((part) => part !== '')) {
    soFar += `/${name}`;
    const there = tree.findNode(files, soFar, who);
    if (there === undefined) tree.addAt(files, soFar, directoryNode(mode, who), who);
    else if (there.kind !== 'directory') throw new FsError('EEXIST', soFar);
  }
}

/** Removes a file, or with `recursive` a directory and what it holds. */
export function remove(files: tree.Tree, path: string, recursive: boolean, who: Credentials): void {
  const node = tree.getNode(files, path, who, { follow: false });
  if (node.kind !== 'directory') {
    tree.unlink(files, path, who);
    return;
  }
  if (recursive)
    for (const name of [...tree.listDirectory(files, path, who).keys()])
      remove(files, `${path}/${name}`, true, who);
  tree.removeDirectory(files, path, who);
}

function copy(files: tree.Tree, from: string, to: string, recursive: boolean, who: Credentials): void {
  const node = tree.getNode(files, from, who);
  if (node.kind === 'directory') {
    if (!recursive) throw new FsError('EISDIR', from);
    if (tree.findNode(files, to, who) === undefined)
      tree.addAt(files, to, directoryNode(node.mode, who), who);
    for (const name of [...tree.listDirectory(files, from, who).keys()])
      copy(files, `${from}/${name}`, `${to}/${name}`, true, who);
    return;
  }
  if (!mayAccess(node, who, 4)) throw new FsError('EACCES', from);
  const place = tree.locate(files, to, who);
  const target = place.node ?? fileNode('', node.mode, who);
  if (place.node === undefined) tree.addNode(place, target, who);
  if (target.kind !== 'file' || node.kind !== 'file') return;
  const content = Buffer.from(contentOf(node));
  tree.truncate(files, target, 0);
  tree.writeAt(files, target, 0, content);
}

/** Joins a path without looking at links, as just-bash resolves paths. */
function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
