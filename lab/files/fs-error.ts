/** The failures of a file system, by their errno names and the words of strerror. */

const words = {
  ENOENT: 'No such file or directory',
  EEXIST: 'File exists',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  ENOTEMPTY: 'Directory not empty',
  ELOOP: 'Too many levels of symbolic links',
  ENOSPC: 'No space left on device',
  EINVAL: 'Invalid argument',
  EBADF: 'Bad file descriptor',
  EAGAIN: 'Resource temporarily unavailable',
  EPIPE: 'Broken pipe',
  EROFS: 'Read-only file system',
  EFBIG: 'File too large',
  ENXIO: 'No such device or address',
  EXDEV: 'Invalid cross-device link',
  ENAMETOOLONG: 'File name too long',
} as const;

export type FsCode = keyof typeof words;

export class FsError extends Error {
  readonly code: FsCode;
  readonly path: string;
  /** The words of strerror alone. */
  readonly reason: string;
  constructor(code: FsCode, path: string) {
    super(`${code}: ${words[code]}, '${path}'`);
    this.name = 'FsError';
    this.code = code;
    this.path = path;
    this.reason = words[code];
  }
}
