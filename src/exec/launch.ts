/** The line that starts a command in a process group of its own and reports that group, and its reading back. */
import { randomBytes } from 'node:crypto';
import { commandLine, quote } from '../base/shell.ts';
import type { Command } from './executor.ts';

/**
 * Longest line sent to a login shell, in bytes after quoting. Above 128 KiB the kernel refuses the argument,
 * above 256 KiB sshd resets the whole connection.
 */
export const maxLineBytes = 100_000;

/** How long after the gateway's own deadline the host ends a command whose gateway is gone. */
const backstopMs = 5_000;

export interface Launch {
  readonly line: string;
  readonly nonce: string;
}

/**
 * The line prints «nonce pgid» first: whatever a login script printed before that is not the command's.
 * `timeout` is the backstop for a gateway that died: with KILL it ends the whole group, itself included.
 * Throws RangeError where the line would be too long.
 */
export function launch(command: Command, { sudo }: { sudo: boolean }): Launch {
  const nonce = randomBytes(12).toString('hex');
  const backstopS = Math.ceil((command.timeoutMs + backstopMs) / 1000);
  const started = commandLine(['timeout', '-s', 'KILL', String(backstopS), ...command.argv]);
  const plain = `printf '%s %s\\n' ${nonce} "$$" && exec ${started}`;
  const line = sudo ? `exec sudo -n -- /bin/sh -c ${quote(plain)}` : plain;
  const bytes = Buffer.byteLength(line);
  if (bytes > maxLineBytes)
    throw new RangeError(`it is ${bytes} bytes long after quoting, and ${maxLineBytes} is the most`);
  return { line, nonce };
}

/**
 * The line that ends a process group: TERM, half a second to obey, then KILL for what is left. It exits 0
 * only when nothing of the group is there any more. A process that called setsid has left the group and is
 * not reached. No `--` before the group: dash and busybox take it for a process, and fail.
 */
export function stopLine(pgid: number, { sudo }: { sudo: boolean }): string {
  const plain = [
    // A group that may not be signalled is a group that is there.
    `alive() { said=$(LC_ALL=C kill -0 -${pgid} 2>&1) && return 0; case $said in *ermi*) return 0;; esac; return 1; }`,
    'gone() { for i in 1 2 3 4 5; do alive || exit 0; sleep 0.1; done; }',
    `kill -TERM -${pgid} 2>/dev/null`,
    'gone',
    `kill -KILL -${pgid} 2>/dev/null`,
    'gone',
    // What is dead and only waits to be collected by its parent still answers to a signal.
    'command -v ps >/dev/null || exit 1',
    `ps -eo pgid=,stat= | grep -q '^ *${pgid}  *[^Z ]' && exit 1`,
    'exit 0',
  ].join('; ');
  return sudo ? `exec sudo -n -- /bin/sh -c ${quote(plain)}` : plain;
}

/** How much of what a login script prints before the command is kept to look for the marker. */
const maxNoiseBytes = 64 * 1024;

export interface StartReader {
  /** Gives back what belongs to the command's own output. */
  push(chunk: Buffer): Buffer;
  readonly pgid: number | undefined;
  readonly begun: boolean;
}

/** Reads the start of stdout: noise, the line with the process group, then the announcement where one is due. */
export function createStartReader(nonce: string, announces: string | undefined): StartReader {
  const marker = Buffer.from(`${nonce} `);
  const announcement = announces === undefined ? undefined : Buffer.from(`${announces}\n`);
  let pending: Buffer = Buffer.alloc(0);
  let pgid: number | undefined;
  let begun = false;
  let settled = false;

  /** Login noise may hold the nonce too, when it lists processes: only a number behind it counts. */
  const readGroup = (): boolean => {
    for (let at = pending.indexOf(marker); at >= 0; at = pending.indexOf(marker, at + 1)) {
      const end = pending.indexOf(0x0a, at);
      if (end < 0) return false;
      const digits = pending.subarray(at + marker.length, end).toString('latin1');
      if (!/^[1-9]\d{0,9}$/.test(digits)) continue;
      pgid = Number(digits);
      pending = pending.subarray(end + 1);
      return true;
    }
    if (pending.length > maxNoiseBytes) pending = pending.subarray(pending.length - marker.length - 16);
    return false;
  };

  return {
    get pgid() {
      return pgid;
    },
    get begun() {
      return begun;
    },
    push(chunk) {
      if (settled) return chunk;
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      if (pgid === undefined && !readGroup()) return Buffer.alloc(0);
      if (announcement !== undefined && !begun) {
        if (pending.length < announcement.length && announcement.subarray(0, pending.length).equals(pending))
          return Buffer.alloc(0);
        if (pending.subarray(0, announcement.length).equals(announcement)) {
          begun = true;
          pending = pending.subarray(announcement.length);
        }
      } else begun = true;
      settled = true;
      const rest = pending;
      pending = Buffer.alloc(0);
      return rest;
    },
  };
}
