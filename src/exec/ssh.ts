/** Runs commands over SSH. */
import { GatewayError } from '../base/errors.ts';
import type { Command, ExecResult, Executor, RunOptions } from './executor.ts';
import { backstopS, order } from './launch.ts';
import { stageOverSftp } from './sftp.ts';
import { asStarted, createShells, type ShellsInput } from './shells.ts';
import type { WaitingShell } from './spares.ts';
import { createStop } from './stop.ts';
import { supervise } from './supervise.ts';

export interface SshExecutor extends Executor {
  /** Opens the first connection in the background. */
  start(): void;
}

interface Orders {
  readonly command: Command;
  /** The longer of the two: what cannot be carried is found before anything is opened. */
  readonly unguarded: string;
}

export function createSshExecutor(input: ShellsInput): SshExecutor {
  const { target, texts } = input;
  const shells = createShells(input);
  const stop = createStop({ shells });

  const carryOut = async (shell: WaitingShell, { command, unguarded }: Orders, options: RunOptions) => {
    const { nonce, lease } = shell;
    const { connection } = lease;
    const started = asStarted(shell);
    let forget = () => {};
    let heardBefore = 0;
    const give = (pgid: number): string => {
      const { guard } = connection;
      heardBefore = connection.bytesRead;
      if (guard?.standing !== true) return unguarded;
      guard.watch(pgid, backstopS(command));
      forget = () => guard.forget(pgid);
      return order(command, { texts, guarded: true });
    };
    // The guard watches over a command, not over what it leaves behind.
    void started.exit.then(() => forget());
    // A shell may hang by itself; a connection on which nothing comes any more is dead.
    const onDeaf = () => connection.bytesRead === heardBefore && connection.abandon();
    const watched = { started, command, order: give, nonce, stop, onDeaf, host: target.host };
    // Spares are replaced when a command has ended: earlier they would take its time on a small host.
    return await supervise(watched, options).finally(shells.refill);
  };

  return {
    async run(command: Command, options: RunOptions): Promise<ExecResult> {
      const orders = { command, unguarded: order(command, { texts, guarded: false }) };
      const spare = options.signal.aborted ? undefined : shells.takeSpare();
      if (spare !== undefined) {
        try {
          return await carryOut(spare, orders, options);
        } catch (error) {
          // The host had ended it before it took the order: nothing has happened.
          if (!(error instanceof GatewayError && error.code === 'COMMAND_NOT_STARTED')) throw error;
        }
      }
      return await carryOut(await shells.open(options), orders, options);
    },
    stage: (path, signal) =>
      stageOverSftp({ openChannel: shells.openChannel, host: target.host, path, signal }),
    status: shells.status,
    start: shells.start,
    close: shells.close,
  };
}
