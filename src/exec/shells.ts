/** Waiting shells on the host: opened ahead where there is room, else when they are needed. */
import { setTimeout as pause } from 'node:timers/promises';
import { failure } from '../base/errors.ts';
import type { SshTarget } from './connect.ts';
import { ChannelRefused } from './connection.ts';
import type { ExecutorEvents, ExecutorStatus } from './executor.ts';
import { openGuard } from './guard.ts';
import { opening } from './launch.ts';
import { type Lease, SshPool } from './pool.ts';
import { createSpares, type WaitingShell } from './spares.ts';
import type { Started } from './supervise.ts';

/** A refused channel was not started: it is tried again, elsewhere or when a place is free. */
const refusalWaitMs = 20;
const refusedForMs = 30_000;
/** How long a session that the server does not let go of keeps its place. */
const lingerMs = 5_000;

export interface Shells {
  /** One that was opened ahead. */
  takeSpare(): WaitingShell | undefined;
  /** A new one. Tries again while the host refuses it unstarted. */
  open(options: { signal: AbortSignal; urgent?: boolean }): Promise<WaitingShell>;
  refill(): void;
  /** Opens a channel of another kind on a place of its own; as `open`, tries again while the host refuses it. */
  openChannel<T>(options: { signal: AbortSignal }, open: (lease: Lease) => Promise<T>): Promise<T>;
  /** Opens the first connection in the background. */
  start(): void;
  status(): ExecutorStatus;
  close(): Promise<void>;
}

export interface ShellsInput {
  readonly target: SshTarget;
  readonly sudo: boolean;
  /** Long arguments that many commands share: every shell is given them ahead. */
  readonly texts: readonly string[];
  readonly events: ExecutorEvents;
  /** Whether one connection stands all the time, so that no call waits for a handshake. */
  readonly keepsUp: boolean;
}

export function createShells(input: ShellsInput): Shells {
  const { target, sudo, texts } = input;
  const { host } = target;

  const openOn = async <T>(lease: Lease, open: (lease: Lease) => Promise<T>): Promise<T> => {
    try {
      return await open(lease);
    } catch (error) {
      if (error instanceof ChannelRefused) lease.refused();
      else lease.release();
      throw error;
    }
  };

  const openShell = async (lease: Lease): Promise<WaitingShell> => {
    const { line, nonce } = opening({ texts, sudo });
    return { lease, channel: await lease.connection.exec(line, host), nonce };
  };

  const openChannel = async <T>(
    options: { signal: AbortSignal; urgent?: boolean },
    open: (lease: Lease) => Promise<T>,
  ): Promise<T> => {
    const until = performance.now() + refusedForMs;
    for (;;) {
      try {
        return await openOn(await pool.acquire(options), open);
      } catch (error) {
        if (!(error instanceof ChannelRefused)) throw error;
      }
      if (performance.now() > until)
        throw failure('BUSY', { what: `${host} opens no more SSH sessions`, retryInS: 5 });
      await pause(refusalWaitMs);
    }
  };

  const spares = createSpares({
    async open() {
      const lease = pool.spare();
      return lease === undefined ? undefined : await openOn(lease, openShell);
    },
    discard: (shell) => asStarted(shell).release(),
  });

  const pool = new SshPool({
    ...input,
    prepare(connection) {
      openGuard(connection, { host, sudo }).then(
        (guard) => {
          connection.guard = guard;
        },
        // Without one each command brings its own backstop.
        () => {},
      );
      spares.refill();
    },
  });

  return {
    takeSpare: spares.take,
    open: (options) => openChannel(options, openShell),
    refill: spares.refill,
    openChannel,
    start: () => pool.connectSoon(),
    status: () => pool.status(),
    close: () => pool.close(),
  };
}

/** Releasing it gives its place back. */
export function asStarted({ lease, channel }: WaitingShell): Started {
  const { stream, exit, gone, outputEnded } = channel;
  let released = false;
  return {
    stdout: stream,
    stderr: stream.stderr,
    stdin: stream,
    exit,
    outputEnded,
    release() {
      if (released) return;
      released = true;
      // Output still buffered would keep the channel from closing.
      stream.resume();
      stream.stderr.resume();
      stream.close();
      // The place is free when the server has let go of its session, not before.
      void Promise.race([gone, pause(lingerMs, undefined, { ref: false })]).then(() => lease.release());
    },
  };
}
