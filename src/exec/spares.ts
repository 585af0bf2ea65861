/** Shells opened ahead, so that a command need not wait until sshd has started one. */
import type { SshChannel } from './connection.ts';
import type { Lease } from './pool.ts';

/** A shell that waits for its order. */
export interface WaitingShell {
  readonly lease: Lease;
  readonly channel: SshChannel;
  readonly nonce: string;
}

/** Enough for a few calls at once. Each is one idle shell on the host. */
const maxSpares = 3;

export interface Spares {
  take(): WaitingShell | undefined;
  /** Opens what is missing, in the background, where places are free and nobody waits for one. */
  refill(): void;
}

/** `open` gives undefined where there is no place for a spare now; `discard` lets go of one that has ended. */
export function createSpares(input: {
  open: () => Promise<WaitingShell | undefined>;
  discard: (shell: WaitingShell) => void;
}): Spares {
  const idle = new Set<WaitingShell>();
  let opening = 0;

  const add = async (): Promise<void> => {
    const shell = await input.open().catch(() => undefined);
    if (shell === undefined) return;
    idle.add(shell);
    // The host may end it at any time. It is not replaced before the next command: a host that ends idle
    // shells would otherwise be kept busy with new ones.
    void shell.channel.exit.then(() => {
      if (idle.delete(shell)) input.discard(shell);
    });
  };

  return {
    take() {
      const [shell] = idle;
      if (shell !== undefined) idle.delete(shell);
      return shell;
    },
    refill() {
      while (idle.size + opening < maxSpares) {
        opening++;
        void add().finally(() => opening--);
      }
    },
  };
}
