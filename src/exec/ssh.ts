/** Runs commands over SSH. */
import { setTimeout as pause } from 'node:timers/promises';
import { failure, GatewayError } from '../base/errors.ts';
import type { SshTarget } from './connect.ts';
import { ChannelRefused } from './connection.ts';
import type { Command, ExecResult, Executor, ExecutorEvents, RunOptions } from './executor.ts';
import { openGuard } from './guard.ts';
import { backstopS, oneLine, opening, order } from './launch.ts';
import { type Lease, SshPool } from './pool.ts';
import { createSpares, type WaitingShell } from './spares.ts';
import { stopScript } from './stop-script.ts';
import { type Started, supervise } from './supervise.ts';

/** A refused channel was not started: it is tried again, elsewhere or when a place is free. */
const refusalWaitMs = 20;
const refusedForMs = 30_000;
/** How long a session that the server does not let go of keeps its place. */
const lingerMs = 5_000;
const stopTimeoutMs = 5_000;

export interface SshExecutor extends Executor {
  /** Opens the first connection in the background. */
  start(): void;
}

/** `texts` are long arguments that many commands share: the host is sent them ahead. */
export function createSshExecutor(input: {
  target: SshTarget;
  sudo: boolean;
  texts: readonly string[];
  events: ExecutorEvents;
}): SshExecutor {
  const { target, sudo, texts } = input;
  const { host } = target;

  const openOn = async (lease: Lease): Promise<WaitingShell> => {
    try {
      const { line, nonce } = opening({ texts, sudo });
      return { lease, channel: await lease.connection.exec(line, host), nonce };
    } catch (error) {
      if (error instanceof ChannelRefused) lease.refused();
      else lease.release();
      throw error;
    }
  };

  /** A shell on a place of its own. Tries again while the host refuses it unstarted. */
  const open = async (options: { signal: AbortSignal; urgent?: boolean }): Promise<WaitingShell> => {
    const until = performance.now() + refusedForMs;
    for (;;) {
      try {
        return await openOn(await pool.acquire(options));
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
      return lease === undefined ? undefined : await openOn(lease);
    },
    discard: (shell) => adapt(shell).release(),
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

  const stop = async (pgid: number): Promise<boolean> => {
    const signal = AbortSignal.timeout(stopTimeoutMs);
    const started = adapt(spares.take() ?? (await open({ signal, urgent: true })));
    started.stdin.end(oneLine(stopScript(pgid)));
    started.stdout.resume();
    started.stderr.resume();
    try {
      return (await started.exit)?.code === 0;
    } finally {
      started.release();
    }
  };

  const carryOut = async (shell: WaitingShell, { command, unguarded }: Orders, options: RunOptions) => {
    const { nonce, lease } = shell;
    const { connection } = lease;
    let forget = () => {};
    const give = (pgid: number): string => {
      const { guard } = connection;
      if (guard?.standing !== true) return unguarded;
      guard.watch(pgid, backstopS(command));
      forget = () => guard.forget(pgid);
      return order(command, { texts, guarded: true });
    };
    const onDeaf = () => connection.abandon();
    const started = adapt(shell);
    const running = supervise({ started, command, order: give, nonce, stop, onDeaf, host }, options);
    // What is still there when a stop was not confirmed stays watched over.
    void started.exit.then(() => forget());
    // Not before its end: on a small host opening a spare would take its time from the command.
    return await running.finally(spares.refill);
  };

  return {
    async run(command: Command, options: RunOptions): Promise<ExecResult> {
      if (options.signal.aborted) throw failure('CANCELLED_EARLY', {});
      const orders = { command, unguarded: order(command, { texts, guarded: false }) };
      const spare = spares.take();
      if (spare !== undefined) {
        try {
          return await carryOut(spare, orders, options);
        } catch (error) {
          // The host had ended it before it took the order: nothing has happened.
          if (!(error instanceof GatewayError && error.code === 'COMMAND_NOT_STARTED')) throw error;
        }
      }
      return await carryOut(await open(options), orders, options);
    },
    status: () => pool.status(),
    start: () => pool.connectSoon(),
    close: () => pool.close(),
  };
}

interface Orders {
  readonly command: Command;
  /** The longer of the two: what cannot be carried is found before anything is opened. */
  readonly unguarded: string;
}

function adapt({ lease, channel }: WaitingShell): Started {
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
