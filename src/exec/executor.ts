/** What it means to run a command on the Proxmox VE host, whichever way leads there. */
import type { Captured } from './capture.ts';

export interface Command {
  readonly argv: readonly [string, ...string[]];
  /**
   * Sent as fast as it is read, then closed. Without it the command reads an empty input. It is read anew where the
   * shell that was to take it turns out to be dead.
   */
  readonly stdin?: string | AsyncIterable<Uint8Array>;
  /** From the moment it is started; then everything in its process group is killed. */
  readonly timeoutMs: number;
  /** Bytes kept of each output stream: half from its head, half from its tail. */
  readonly maxBytes: number;
  /**
   * A line that the command prints first once it has really begun, where starting it can itself fail
   * (lxc-attach). It is taken out of stdout, and ExecResult.begun says whether it came.
   */
  readonly announces?: string;
}

export interface ExecResult {
  /** As a shell reports it: 128 + signal number where a signal ended the command. */
  readonly exitCode: number;
  readonly stdout: Captured;
  readonly stderr: Captured;
  readonly begun: boolean;
  /** The command ended, and something that it left in the background still holds its output open. */
  readonly background: boolean;
}

export interface RunOptions {
  /** Aborting kills the process group. */
  readonly signal: AbortSignal;
  /** Output as it comes, decoded as UTF-8 and unbounded in sum: the receiver keeps what it needs. */
  readonly onOutput?: (text: string) => void;
  /**
   * Takes stdout instead of having it kept: no more of it is read until the promise resolves. The command must
   * leave nothing in the background.
   */
  readonly onStdout?: (chunk: Buffer) => Promise<void> | undefined;
}

export interface ExecutorStatus {
  readonly connected: boolean;
  readonly connections: number;
  readonly channels: number;
  readonly queued: number;
  /** The code of what keeps the host out of reach. */
  readonly problem?: string;
}

export interface Executor {
  /**
   * Runs one command to its end. A non-zero exit is a result.
   * Throws GatewayError: COMMAND_TIMEOUT and CANCELLED after the process group was killed,
   * CONNECTION_LOST when the end cannot be known, BUSY, HOST_UNREACHABLE and the like before anything began.
   */
  run(command: Command, options: RunOptions): Promise<ExecResult>;
  /**
   * Makes an empty file in a directory of its own, which must not be there yet, where nobody else can enter.
   * Throws StorageFailed.
   */
  stage(path: string, signal: AbortSignal): Promise<StagedFile>;
  status(): ExecutorStatus;
  close(): Promise<void>;
}

/** The host's storage did not do what it was asked for: no space, no right, no SFTP. */
export class StorageFailed extends Error {}

/** A file on the host in a directory of its own, 0600 in 0700. */
export interface StagedFile {
  readonly path: string;
  /** Writes the chunks from the beginning; resolves with the number of bytes. Throws StorageFailed, CONNECTION_LOST. */
  write(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number>;
  /** The first `size` bytes; ends early only where the file does. */
  read(size: number, signal: AbortSignal): AsyncIterable<Buffer>;
  /** Takes file and directory away. Rejects where that could not be done. */
  remove(): Promise<void>;
}

/** What the executor tells whoever observes it. */
export interface ExecutorEvents {
  connected(): void;
  disconnected(): void;
  connectFailed(code: string): void;
}
