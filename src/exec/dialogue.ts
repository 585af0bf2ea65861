/** Talks with a command while it runs: fields that end with NUL and raw bytes from it, lines and bytes to it. */
import { failure, GatewayError } from '../base/errors.ts';
import type { Command, ExecResult, Executor } from './executor.ts';

export interface Peer {
  /** The next field. Throws PeerGone, and FieldTooLong for one of more than 64 KiB. */
  field(): Promise<string>;
  /** The next `count` bytes as they come. Throws PeerGone where fewer come. */
  bytes(count: number): AsyncIterable<Buffer>;
  /** Resolves when the way to the peer can take more. Throws PeerGone. */
  send(data: string | Uint8Array): Promise<void>;
  /** From now on the signal is not heard: what follows is as good as done. */
  shield(): void;
}

/** The other side ended before it had said all: how the run ended. */
export class PeerGone extends Error {
  readonly ending: ExecResult | GatewayError;
  constructor(ending: ExecResult | GatewayError) {
    super('the command has ended');
    this.ending = ending;
  }
}

/** What came is no field. */
export class FieldTooLong extends Error {}

const maxFieldBytes = 64 * 1024;
/** What may wait here of what the command has said; more is left with the host. */
const maxWaitingBytes = 1024 * 1024;

/**
 * Runs the command for as long as `talk` lasts, timeoutMs at most; then its input is closed, and it ends by itself,
 * so that it can clean up. When the signal aborts or the time is up, what `talk` waits for throws
 * TRANSFER_CANCELLED or TRANSFER_TIMEOUT. Rejects as `talk` does, when the command has ended.
 */
export async function converse<T>(input: {
  executor: Executor;
  command: Omit<Command, 'stdin'>;
  signal: AbortSignal;
  /** Its signal aborts, with the error as its reason, when it can lead to nothing any more. */
  talk: (peer: Peer, signal: AbortSignal) => Promise<T>;
  /** How long the command may take to clean up when nobody talks with it any more; then it is killed. */
  farewellMs: number;
  /** Hears how the command ended, before this rejects. */
  onEnd?: ((ending: ExecResult | GatewayError) => void) | undefined;
}): Promise<T> {
  const { executor, command, signal, talk, farewellMs } = input;
  const incoming = createIncoming();
  const outgoing = createOutgoing();
  const over = new AbortController();
  const late = new AbortController();
  const timeoutMs = command.timeoutMs + farewellMs;
  const running = executor.run(
    { ...command, timeoutMs, stdin: outgoing.chunks },
    { signal: late.signal, onStdout: incoming.push },
  );
  const silence = (reason: Error) => {
    incoming.end(reason);
    outgoing.fail(reason);
  };
  const stop = (reason: Error) => {
    silence(reason);
    over.abort(reason);
  };
  const cancel = () => stop(failure('TRANSFER_CANCELLED', {}));
  const timeoutS = command.timeoutMs / 1000;
  const timer = setTimeout(() => stop(failure('TRANSFER_TIMEOUT', { timeoutS })), command.timeoutMs);
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  const ended = running.then(
    (result): ExecResult | GatewayError => result,
    (error: GatewayError) => error,
  );
  void ended.then((ending) => {
    input.onEnd?.(ending);
    const gone = new PeerGone(ending);
    // One that ended well has said all there was: that may still be on its way to where it goes.
    if ('exitCode' in ending && ending.exitCode === 0) silence(gone);
    else stop(gone);
  });
  const farewell = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
    outgoing.end();
    incoming.ignore();
    const killer = setTimeout(() => late.abort(), farewellMs).unref();
    return ended.finally(() => clearTimeout(killer));
  };
  const shield = () => signal.removeEventListener('abort', cancel);
  const { field, bytes } = incoming;
  try {
    const value = await talk({ field, bytes, send: outgoing.send, shield }, over.signal);
    void farewell();
    return value;
  } catch (error) {
    const reason: unknown = over.signal.aborted ? over.signal.reason : undefined;
    await farewell();
    throw reason !== undefined && isCancellation(error) ? reason : error;
  }
}

/** What was stopped only because all of it was to end tells nothing of the reason. */
function isCancellation(error: unknown): boolean {
  return error instanceof GatewayError && /CANCELLED/.test(error.code);
}

function createIncoming() {
  let chunks: Buffer[] = [];
  let waiting = 0;
  let gone: Error | undefined;
  let ignored = false;
  let wake: () => void = () => {};
  let resume: (() => void) | undefined;

  const more = async (): Promise<void> => {
    if (gone !== undefined) throw gone;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  };
  const taken = (bytes: number) => {
    waiting -= bytes;
    if (waiting > maxWaitingBytes / 2) return;
    resume?.();
    resume = undefined;
  };

  return {
    push(chunk: Buffer): Promise<void> | undefined {
      if (ignored) return undefined;
      chunks.push(chunk);
      waiting += chunk.length;
      wake();
      if (waiting < maxWaitingBytes) return undefined;
      return new Promise<void>((resolve) => {
        resume = resolve;
      });
    },
    end(reason: Error): void {
      gone ??= reason;
      wake();
    },
    /** Lets pass whatever still comes. */
    ignore(): void {
      ignored = true;
      chunks = [];
      resume?.();
    },
    async field(): Promise<string> {
      for (;;) {
        const all = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
        const end = all.indexOf(0);
        if (end > maxFieldBytes || (end < 0 && all.length > maxFieldBytes)) throw new FieldTooLong();
        if (end >= 0) {
          const rest = all.subarray(end + 1);
          chunks = rest.length === 0 ? [] : [rest];
          taken(end + 1);
          return all.toString('utf8', 0, end);
        }
        chunks = all.length === 0 ? [] : [all];
        await more();
      }
    },
    async *bytes(count: number): AsyncIterable<Buffer> {
      for (let left = count; left > 0; ) {
        const chunk = chunks.shift();
        if (chunk === undefined) {
          await more();
          continue;
        }
        const part = chunk.subarray(0, left);
        if (part.length < chunk.length) chunks.unshift(chunk.subarray(left));
        left -= part.length;
        yield part;
        taken(part.length);
      }
    },
  };
}

function createOutgoing() {
  let next: Uint8Array | undefined;
  let over = false;
  let gone: Error | undefined;
  let readers = 0;
  let wake: () => void = () => {};
  let accept: () => void = () => {};
  let refuse: (error: unknown) => void = () => {};

  const read = async function* (reader: number): AsyncGenerator<Uint8Array> {
    while (!over && reader === readers) {
      if (next === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const chunk = next;
      next = undefined;
      yield chunk;
      // Asked for the next one: the last was taken.
      accept();
    }
  };
  const chunks: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]() {
      // A shell that was dead before it took its order had a reader too; whatever comes is for the new one.
      readers++;
      wake();
      return read(readers);
    },
  };

  return {
    chunks,
    /** One at a time: the caller waits for each. */
    async send(data: string | Uint8Array): Promise<void> {
      if (gone !== undefined) throw gone;
      await new Promise<void>((resolve, reject) => {
        accept = resolve;
        refuse = reject;
        next = typeof data === 'string' ? Buffer.from(data) : data;
        wake();
      });
    },
    end(): void {
      over = true;
      wake();
    },
    fail(reason: Error): void {
      gone ??= reason;
      over = true;
      refuse(reason);
      wake();
    },
  };
}
