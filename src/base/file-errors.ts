/** What can go wrong on purpose where files are moved. */
import { type None, row } from './error-row.ts';

export const fileErrors = {
  TOO_LARGE: row<{ what: string; maxBytes: number; setting: string; bytes?: number }>(
    'not_started',
    false,
    ({ what, maxBytes, setting, bytes }) =>
      `${what} ${bytes === undefined ? 'is' : `has ${bytes} bytes, which is`} more than the ${maxBytes} bytes that are allowed (${setting}).`,
    'Transfer less, or have an operator raise the named setting.',
  ),
  TOO_LARGE_INLINE: row<{ bytes: number; maxBytes: number }>(
    'not_started',
    false,
    ({ bytes, maxBytes }) => `${bytes} bytes are more than fit into a call (${maxBytes}, INLINE_MAX_BYTES).`,
    'Use transfer: "url", which gives a URL to send or fetch the file with; a download can also be read in parts with offset and length.',
  ),
  FILE_NOT_FOUND: row<{ where: string }>(
    'not_started',
    false,
    ({ where }) => `There is no such file ${where}.`,
    'Check the path; names are case-sensitive.',
  ),
  DIRECTORY_NOT_FOUND: row<{ where: string }>(
    'not_started',
    false,
    ({ where }) => `The directory of the path does not exist ${where}, or a part of it is no directory.`,
    'Correct the path, or make the directory first; uploads have create_directories for that.',
  ),
  IS_DIRECTORY: row<{ where: string }>(
    'not_started',
    false,
    ({ where }) => `The arguments were not accepted: ${where} names a directory, and a file is needed.`,
    'Name the file itself.',
  ),
  FILE_EXISTS: row<{ where: string }>(
    'not_started',
    false,
    ({ where }) => `There is already something of that name ${where}, and overwrite is false.`,
    'Set overwrite to true to replace it, or choose another name.',
  ),
  FILE_CHANGED: row<{ path: string }>(
    'failed',
    true,
    ({ path }) =>
      `The file ${path} changed while it was copied, so what was read of it is not its content at any time.`,
    'Call again when nothing writes to it, or copy it aside first.',
  ),
  CHECKSUM_MISMATCH: row<{ sha256: string }>(
    'failed',
    false,
    ({ sha256 }) =>
      `What was sent has the SHA-256 ${sha256}, which is not the one that was announced. The destination was not touched.`,
    'Send the right file, or correct sha256.',
  ),
  SIZE_MISMATCH: row<{ announced: number; sent: number }>(
    'failed',
    false,
    ({ announced, sent }) =>
      `The arguments were not accepted: ${announced} bytes were announced and ${sent} came. The destination was not touched.`,
    'Send the whole file, and correct size.',
  ),
  NO_SPACE: row<{ where: string }>(
    'failed',
    false,
    ({ where }) => `There is not enough free space ${where}. The destination was not touched.`,
    'Free some space there, or choose another place.',
  ),
  NOT_WRITABLE: row<{ where: string; problem: string }>(
    'failed',
    false,
    ({ where, problem }) =>
      `The file could not be written ${where}: ${problem}. The destination was not touched.`,
    'Choose a place that can be written to.',
  ),
  NOT_READABLE: row<{ where: string; problem: string }>(
    'not_started',
    false,
    ({ where, problem }) => `The file could not be read ${where}: ${problem}.`,
    'Check what is there, for example with ls -l.',
  ),
  TRANSFER_INTERRUPTED: row<{ why: string }>(
    'failed',
    true,
    ({ why }) => `The transfer ended before it was complete: ${why}. The destination was not touched.`,
    'Call again.',
  ),
  TRANSFER_CANCELLED: row<None>(
    'failed',
    true,
    () => 'The transfer was cancelled before it was complete. The destination was not touched.',
    'Call again if it is still wanted.',
  ),
  TRANSFER_TIMEOUT: row<{ timeoutS: number }>(
    'failed',
    true,
    ({ timeoutS }) =>
      `The transfer was not complete within ${timeoutS} s (TRANSFER_TIMEOUT). The destination was not touched.`,
    'Call again, with less at a time or when the network is faster.',
  ),
  TRANSFER_UNCERTAIN: row<{ why: string }>(
    'unknown',
    false,
    ({ why }) => `The file had arrived and was being put into its place when ${why}.`,
    'Compare the SHA-256 of the destination before calling again: it is either the old file or the new one, as a whole.',
  ),
  TRANSFER_UNPROVEN: row<{ why: string }>(
    'failed',
    true,
    ({ why }) => `What arrived is not what was sent: ${why}. The destination was not touched.`,
    'Call again; if it lasts, what the host said is included.',
  ),
  TRANSFER_FOLDER: row<{ problem: string }>(
    'not_started',
    false,
    ({ problem }) => `The transfer folder of the gateway cannot be used: ${problem}.`,
    'The operator must make TRANSFER_DIR a folder that the gateway may read and write. transfer: "url" and inline content work without it.',
  ),
} as const;
