/** Runs commands over SSH. */
import { setTimeout as pause } from 'node:timers/promises';
import { failure } from '../base/errors.ts';
import type { SshTarget } from './connect.ts';
import { ChannelRefused, type SshChannel } from './connection.ts';
import type { Command, ExecResult, Executor, ExecutorEvents, RunOptions } from './executor.ts';
import { launch, stopLine } from './launch.ts';
import { type Lease, SshPool } from './pool.ts';
import { type Started, supervise } from './supervise.ts';

/** A refused channel was not started: it is tried again, elsewhere or when a place is free. */
const refusalWaitMs = 20;
const refusedForMs = 30_000;
/** How long a session that the server does not let go of keeps its place. */
const lingerMs = 5_000;

export interface SshExecutor extends Executor {
  /** Opens the first connection in the background. */
  start(): void;
}

export function createSshExecutor(input: {
  target: SshTarget;
  sudo: boolean;
  events: ExecutorEvents;
}): SshExecutor {
  const { target, sudo } = input;
  const { host } = target;
  const pool = new SshPool(input);

  /** A channel that runs the line, on a place of its own. Tries again while the host refuses it unstarted. */
  const open = async (line: string, options: { signal: AbortSignal; urgent?: boolean }): Promise<Opened> => {
    const until = performance.now() + refusedForMs;
    for (;;) {
      const lease = await pool.acquire(options);
      try {
        return { lease, channel: await lease.connection.exec(line, host) };
      } catch (error) {
        if (!(error instanceof ChannelRefused)) {
          lease.release();
          throw error;
        }
        lease.refused();
      }
      if (performance.now() > until)
        throw failure('BUSY', { what: `${host} opens no more SSH sessions`, retryInS: 5 });
      await pause(refusalWaitMs);
    }
  };

  const stop = async (pgid: number): Promise<boolean> => {
    const { lease, channel } = await open(stopLine(pgid, { sudo }), {
      signal: AbortSignal.timeout(5_000),
      urgent: true,
    });
    const started = adapt(channel, lease);
    started.stdin.end();
    started.stdout.resume();
    started.stderr.resume();
    try {
      return (await started.exit)?.code === 0;
    } finally {
      started.release();
    }
  };

  return {
    async run(command: Command, options: RunOptions): Promise<ExecResult> {
      const { line, nonce } = launch(command, { sudo });
      const { lease, channel } = await open(line, options);
      return await supervise({ started: adapt(channel, lease), command, nonce, stop, host }, options);
    },
    status: () => pool.status(),
    start: () => pool.connectSoon(),
    close: () => pool.close(),
  };
}

interface Opened {
  readonly lease: Lease;
  readonly channel: SshChannel;
}

function adapt({ stream, exit, gone, outputEnded }: SshChannel, lease: Lease): Started {
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
