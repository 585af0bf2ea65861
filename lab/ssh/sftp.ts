/** SFTP on the node's files, as root. */
import ssh2, { type SFTPWrapper } from 'ssh2';
import { toByteString, toText } from '../byte-string.ts';
import { FsError } from '../files/fs-error.ts';
import {
  contentOf,
  directoryNode,
  type FileNode,
  fileNode,
  type Inode,
  linkNode,
  root,
} from '../files/inode.ts';
import * as tree from '../files/tree.ts';
import type { Machine } from '../process/process.ts';
import { modeText } from '../programs/listing.ts';

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

const maxHandles = 256;
const maxReadBytes = 255 * 1024;
/** Entries told at one time. */
const namesPerAnswer = 100;

type Handle =
  | { readonly kind: 'file'; readonly node: FileNode; readonly flags: number }
  | { readonly kind: 'directory'; readonly waiting: (readonly [string, Inode])[] };

interface GivenAttributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly mtime?: number;
}

function attributesOf(node: Inode) {
  const { uid, gid, modifiedMs } = node;
  const seconds = Math.floor(modifiedMs / 1000);
  return { mode: tree.statMode(node), uid, gid, size: tree.sizeOf(node), atime: seconds, mtime: seconds };
}

/** As OpenSSH's errno_to_portable, and the words that its server has for each. */
function statusOf({ code }: FsError): { status: number; words: string } {
  if (['ENOENT', 'ENOTDIR', 'EBADF', 'ELOOP'].includes(code))
    return { status: STATUS_CODE.NO_SUCH_FILE, words: 'No such file' };
  if (code === 'EACCES' || code === 'EPERM')
    return { status: STATUS_CODE.PERMISSION_DENIED, words: 'Permission denied' };
  if (code === 'EINVAL' || code === 'ENAMETOOLONG')
    return { status: STATUS_CODE.BAD_MESSAGE, words: 'Bad message' };
  return { status: STATUS_CODE.FAILURE, words: 'Failure' };
}

/** Relative paths begin at the home directory. */
function pathOf(text: string): string {
  return tree.absolute('/root', toByteString(text));
}

/** What is told of the bytes of files, before anything is done with them. */
export interface SftpTraffic {
  received(bytes: number): void;
  sending(bytes: number): void;
}

export function serveSftp(sftp: SFTPWrapper, { files }: Machine, traffic: SftpTraffic): void {
  const handles = createHandles();
  /** Answers with what the action returns or did, or with the status of its failure. */
  const answer = (id: number, action: () => void) => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      const { status, words } = statusOf(error);
      sftp.status(id, status, words);
    }
  };
  const done = (id: number, action: () => void) =>
    answer(id, () => {
      action();
      sftp.status(id, STATUS_CODE.OK);
    });
  serveHandles(sftp, files, handles, answer, done);
  serveContent(sftp, files, handles, traffic, answer, done);
  servePaths(sftp, files, answer, done);
  serveDirectories(sftp, files, handles, answer);
}

type Answer = (id: number, action: () => void) => void;
type Handles = ReturnType<typeof createHandles>;

function createHandles() {
  const open = new Map<number, Handle>();
  let last = 0;
  return {
    add(handle: Handle): Buffer {
      if (open.size >= maxHandles) throw new FsError('ENOSPC', '');
      last += 1;
      open.set(last, handle);
      const name = Buffer.alloc(4);
      name.writeUInt32BE(last);
      return name;
    },
    find: (name: Buffer) => (name.length === 4 ? open.get(name.readUInt32BE()) : undefined),
    close(name: Buffer): void {
      if (name.length !== 4 || !open.delete(name.readUInt32BE())) throw new FsError('EBADF', '');
    },
    file(name: Buffer): Extract<Handle, { kind: 'file' }> {
      const handle = name.length === 4 ? open.get(name.readUInt32BE()) : undefined;
      if (handle?.kind !== 'file') throw new FsError('EBADF', '');
      return handle;
    },
  };
}

function openFile(files: tree.Tree, path: string, flags: number, attributes: GivenAttributes): FileNode {
  const follow = (flags & OPEN_MODE.EXCL) === 0;
  const place = tree.locate(files, path, root, { follow });
  const writes = (flags & OPEN_MODE.WRITE) !== 0;
  if (place.node === undefined) {
    if ((flags & OPEN_MODE.CREAT) === 0) throw new FsError('ENOENT', path);
    const node = fileNode('', (attributes.mode ?? 0o666) & 0o7777 & ~0o022, root);
    tree.addNode(place, node, root);
    return node;
  }
  if ((flags & OPEN_MODE.EXCL) !== 0) throw new FsError('EEXIST', path);
  if (place.node.kind !== 'file') throw new FsError('EISDIR', path);
  if (writes) tree.requireWritable(place);
  if (writes && place.node.generate !== undefined) throw new FsError('EACCES', path);
  if ((flags & OPEN_MODE.TRUNC) !== 0) tree.truncate(files, place.node, 0);
  return place.node;
}

function setAttributes(files: tree.Tree, node: Inode, given: GivenAttributes): void {
  if (given.size !== undefined && node.kind === 'file') tree.truncate(files, node, given.size);
  if (given.mode !== undefined) node.mode = given.mode & 0o7777;
  if (given.uid !== undefined) node.uid = given.uid;
  if (given.gid !== undefined) node.gid = given.gid;
  if (given.mtime !== undefined) node.modifiedMs = given.mtime * 1000;
}

function serveHandles(
  sftp: SFTPWrapper,
  files: tree.Tree,
  handles: Handles,
  answer: Answer,
  done: Answer,
): void {
  sftp.on('OPEN', (id, path, flags, attributes) =>
    answer(id, () => {
      const node = openFile(files, pathOf(path), flags, attributes);
      sftp.handle(id, handles.add({ kind: 'file', node, flags }));
    }),
  );
  sftp.on('FSTAT', (id, name) => answer(id, () => sftp.attrs(id, attributesOf(handles.file(name).node))));
  sftp.on('FSETSTAT', (id, name, given) =>
    done(id, () => setAttributes(files, handles.file(name).node, given)),
  );
  sftp.on('CLOSE', (id, name) => done(id, () => handles.close(name)));
}

function serveContent(
  sftp: SFTPWrapper,
  files: tree.Tree,
  handles: Handles,
  { received, sending }: SftpTraffic,
  answer: Answer,
  done: Answer,
): void {
  sftp.on('READ', (id, name, offset, length) =>
    answer(id, () => {
      const { node, flags } = handles.file(name);
      if ((flags & OPEN_MODE.READ) === 0) throw new FsError('EBADF', '');
      const data = contentOf(node).subarray(offset, offset + Math.min(length, maxReadBytes));
      sending(data.length);
      if (data.length === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, Buffer.from(data));
    }),
  );
  sftp.on('WRITE', (id, name, offset, data) =>
    done(id, () => {
      received(data.length);
      const { node, flags } = handles.file(name);
      if ((flags & OPEN_MODE.WRITE) === 0) throw new FsError('EBADF', '');
      const at = (flags & OPEN_MODE.APPEND) !== 0 ? node.size : offset;
      if (tree.writeFitting(files, node, at, data) < data.length) throw new FsError('ENOSPC', '');
    }),
  );
}

function servePaths(sftp: SFTPWrapper, files: tree.Tree, answer: Answer, done: Answer): void {
  sftp.on('STAT', (id, path) =>
    answer(id, () => sftp.attrs(id, attributesOf(tree.getNode(files, pathOf(path))))),
  );
  sftp.on('LSTAT', (id, path) =>
    answer(id, () =>
      sftp.attrs(id, attributesOf(tree.getNode(files, pathOf(path), root, { follow: false }))),
    ),
  );
  sftp.on('SETSTAT', (id, path, given) =>
    done(id, () => setAttributes(files, tree.getNode(files, pathOf(path)), given)),
  );
  sftp.on('REMOVE', (id, path) => done(id, () => tree.unlink(files, pathOf(path), root)));
  sftp.on('RMDIR', (id, path) => done(id, () => tree.removeDirectory(files, pathOf(path), root)));
  sftp.on('MKDIR', (id, path, given: GivenAttributes) =>
    done(id, () =>
      tree.addAt(files, pathOf(path), directoryNode((given.mode ?? 0o777) & 0o7777 & ~0o022, root), root),
    ),
  );
  sftp.on('RENAME', (id, from, to) =>
    done(id, () => {
      // OpenSSH's server does not replace a target; only its posix-rename extension does.
      if (tree.findNode(files, pathOf(to)) !== undefined) throw new FsError('EEXIST', to);
      tree.rename(files, pathOf(from), pathOf(to), root);
    }),
  );
  sftp.on('SYMLINK', (id, target, path) =>
    done(id, () => tree.addAt(files, pathOf(path), linkNode(toByteString(target), root), root)),
  );
  sftp.on('READLINK', (id, path) =>
    answer(id, () => {
      const node = tree.getNode(files, pathOf(path), root, { follow: false });
      if (node.kind !== 'symlink') throw new FsError('EINVAL', path);
      sftp.name(id, [
        { filename: toText(node.target), longname: toText(node.target), attrs: attributesOf(node) },
      ]);
    }),
  );
  sftp.on('REALPATH', (id, path) =>
    answer(id, () => {
      const place = tree.locate(files, pathOf(path));
      const filename = toText(place.path);
      sftp.name(id, [{ filename, longname: filename, attrs: attributesOf(place.node ?? files.top) }]);
    }),
  );
  sftp.on('EXTENDED', (id) => sftp.status(id, STATUS_CODE.OP_UNSUPPORTED));
}

function serveDirectories(sftp: SFTPWrapper, files: tree.Tree, handles: Handles, answer: Answer): void {
  sftp.on('OPENDIR', (id, path) =>
    answer(id, () => {
      const node = tree.getNode(files, pathOf(path));
      const waiting = [
        ['.', node] as const,
        ['..', node] as const,
        ...tree.listDirectory(files, pathOf(path)),
      ];
      sftp.handle(id, handles.add({ kind: 'directory', waiting }));
    }),
  );
  sftp.on('READDIR', (id, name) =>
    answer(id, () => {
      const handle = handles.find(name);
      if (handle?.kind !== 'directory') throw new FsError('EBADF', '');
      const next = handle.waiting.splice(0, namesPerAnswer);
      if (next.length === 0) {
        sftp.status(id, STATUS_CODE.EOF);
        return;
      }
      sftp.name(
        id,
        next.map(([filename, node]) => ({
          filename: toText(filename),
          longname: `${modeText(node)} ${node.links} ${node.uid} ${node.gid} ${tree.sizeOf(node)} ${toText(filename)}`,
          attrs: attributesOf(node),
        })),
      );
    }),
  );
}
