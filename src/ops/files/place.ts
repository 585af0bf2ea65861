/** Where a file is: in a container or on the host, and how a script gets there. */
import { randomUUID } from 'node:crypto';
import { failure, GatewayError } from '../../base/errors.ts';
import { wholeText } from '../../exec/capture.ts';
import { converse, FieldTooLong, type Peer, PeerGone } from '../../exec/dialogue.ts';
import type { ExecResult, Executor } from '../../exec/executor.ts';
import type { Inventory } from '../inventory.ts';

export type Place = { readonly kind: 'container'; readonly vmid: number } | { readonly kind: 'host' };

/** For people: completes «there is no such file …». */
export function whereIs(place: Place): string {
  return place.kind === 'host' ? 'on the host' : `in container ${place.vmid}`;
}

/** For people: who answers there. */
export function shellAt(place: Place): string {
  return `The shell ${whereIs(place)}`;
}

/** Nothing that a script says besides its fields is of use, but for what went wrong. */
const maxStderrBytes = 16 * 1024;

export interface Scripts {
  /** Runs a script at the place for as long as `talk` lasts, timeoutMs at most. */
  converse<T>(input: {
    place: Place;
    script: string;
    args: readonly string[];
    signal: AbortSignal;
    talk: (peer: Peer, signal: AbortSignal) => Promise<T>;
    /** How long the script may take to clean up. */
    farewellMs: number;
    onEnd?: (ending: ExecResult | GatewayError) => void;
  }): Promise<T>;
  /** In the words of a transfer, what ended it. `committed`: the script had been told to finish. */
  explain(place: Place, error: unknown, committed: boolean): Promise<unknown>;
}

/** On one node, or undefined for whatever is the first. */
export function createScripts(input: {
  executor: Executor;
  node: string | undefined;
  inventory: Inventory;
  timeoutMs: number;
}): Scripts {
  const { executor, node, inventory, timeoutMs } = input;

  const explainContainer = async (vmid: number, { stderr, begun }: ExecResult): Promise<GatewayError> => {
    const signal = AbortSignal.timeout(timeoutMs);
    // What had begun is not begun again elsewhere.
    const guest =
      begun || node === undefined
        ? await inventory.get(vmid, signal)
        : await inventory.getOn(node, vmid, signal);
    if (guest.template) return failure('CONTAINER_IS_TEMPLATE', { vmid });
    if (guest.status !== 'running') return failure('CONTAINER_NOT_RUNNING', { vmid });
    const evidence = { stderr: wholeText(stderr) };
    return begun
      ? failure('TRANSFER_INTERRUPTED', { why: 'the shell in the container ended' }, { evidence })
      : failure('COMMAND_NOT_STARTED', { where: `in container ${vmid}` }, { evidence });
  };

  return {
    async converse({ place, script, args, ...rest }) {
      const mark = randomUUID();
      const shell: [string, ...string[]] = ['/bin/sh', '-c', script, 'sh', mark, ...args];
      const argv =
        place.kind === 'host' ? shell : (await inventory.driver(rest.signal)).attach(place.vmid, shell);
      const command = {
        argv: [...argv] as [string, ...string[]],
        timeoutMs,
        maxBytes: maxStderrBytes,
        announces: mark,
      };
      return await converse({ ...rest, executor, command });
    },
    async explain(place, error, committed) {
      if (committed) return uncertain(error instanceof PeerGone ? error.ending : error);
      if (error instanceof FieldTooLong)
        return failure('UNEXPECTED_ANSWER', { from: shellAt(place) }, { cause: error });
      if (!(error instanceof PeerGone)) return interrupted(error);
      const { ending } = error;
      if (ending instanceof GatewayError) return interrupted(ending);
      if (place.kind === 'container') return await explainContainer(place.vmid, ending);
      const evidence = { stderr: wholeText(ending.stderr) };
      return failure('COMMAND_NOT_STARTED', { where: 'on the host' }, { evidence });
    },
  };

  /** What the script itself has said stands; any other end of it leaves its last step in doubt. */
  function uncertain(ending: unknown): unknown {
    const why = doubt(ending);
    return why === undefined ? ending : failure('TRANSFER_UNCERTAIN', { why }, { cause: ending });
  }

  function doubt(ending: unknown): string | undefined {
    if (!(ending instanceof GatewayError)) return 'the shell that did it ended';
    switch (ending.code) {
      case 'CONNECTION_LOST':
        return 'the connection to the host was lost';
      case 'UNEXPECTED_ANSWER':
        return 'the shell that did it gave no answer that is understood';
      case 'COMMAND_TIMEOUT':
      case 'TRANSFER_TIMEOUT':
        return `the time was up (TRANSFER_TIMEOUT, ${timeoutMs / 1000} s)`;
      default:
        return undefined;
    }
  }

  /** Before it was told to finish, no end of a command leaves its effect in doubt. */
  function interrupted(error: unknown): unknown {
    if (!(error instanceof GatewayError)) return error;
    switch (error.code) {
      case 'COMMAND_TIMEOUT':
        return failure('TRANSFER_TIMEOUT', { timeoutS: timeoutMs / 1000 }, { cause: error });
      case 'CONNECTION_LOST':
        return failure(
          'TRANSFER_INTERRUPTED',
          { why: 'the connection to the host was lost' },
          { cause: error },
        );
      case 'CANCELLED':
      case 'CANCELLED_EARLY':
        return failure('TRANSFER_CANCELLED', {}, { cause: error });
      default:
        return error;
    }
  }
}
