/** Runs commands over SSH. */
import type { ClientChannel } from 'ssh2';
import { failure } from '../base/errors.ts';
import { ChannelRefused, type SshTarget } from './connection.ts';
import type { Command, ExecResult, Executor, ExecutorEvents, RunOptions } from './executor.ts';
import { launch, stopLine } from './launch.ts';
import { type Lease, SshPool } from './pool.ts';
import { type Exit, type Started, supervise } from './supervise.ts';

/** A refused channel means that a closed session lingers on the host: wait a little, then longer. */
const refusalWaitsMs = [20, 50, 100, 200, 400, 800, 1600];

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
    for (const waitMs of [...refusalWaitsMs, undefined]) {
      const lease = await pool.acquire(options);
      try {
        return { lease, channel: await lease.connection.exec(line, host) };
      } catch (error) {
        lease.release();
        if (!(error instanceof ChannelRefused)) throw error;
        if (waitMs === undefined) break;
        await pause(waitMs);
      }
    }
    throw failure('BUSY', { what: `${host} opens no more SSH sessions`, retryInS: 5 });
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
  readonly channel: ClientChannel;
}

function adapt(channel: ClientChannel, lease: Lease): Started {
  const gone = new Promise<void>((resolve) => {
    channel.once('close', resolve);
    void lease.connection.closed.then(resolve);
  });
  channel.on('error', () => {});
  channel.stderr.on('error', () => {});
  const exit = new Promise<Exit | undefined>((resolve) => {
    channel.once('exit', (code: number | null, signal?: string) => resolve({ code, signal: signal ?? null }));
    void gone.then(() => resolve(undefined));
  });
  const outputEnded = Promise.all([ended(channel), ended(channel.stderr)]);
  const closed = Promise.race([outputEnded.then(() => undefined), lease.connection.closed]);
  let released = false;
  return {
    stdout: channel,
    stderr: channel.stderr,
    stdin: channel,
    exit,
    closed,
    release() {
      if (released) return;
      released = true;
      // Output still buffered would keep the channel from closing.
      channel.resume();
      channel.stderr.resume();
      channel.close();
      // The place is free when the server has let go of its session, not before.
      void Promise.race([gone, pause(5_000)]).then(() => lease.release());
    },
  };
}

function ended(stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('end', resolve);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
