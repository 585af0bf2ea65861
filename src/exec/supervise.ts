/** Watches one started command to its end: output, deadline, cancellation, lost connection. */
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as pause } from 'node:timers/promises';
import { failure, type GatewayError } from '../base/errors.ts';
import { createCapture, wholeText } from './capture.ts';
import type { Command, ExecResult, RunOptions } from './executor.ts';
import { createStartReader } from './start-reader.ts';

/** A waiting shell, over SSH or here. */
export interface Started {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly stdin: Writable;
  /** Settles with the exit, or with undefined where the way to the command was lost before it. */
  readonly exit: Promise<Exit | undefined>;
  /** Settles when all output has been read, or, with false, no more can come although there may have been more. */
  readonly outputEnded: Promise<boolean>;
  /** Lets go of the streams; this alone stops nothing on the other side. */
  release(): void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface Supervision {
  readonly started: Started;
  readonly command: Command;
  /** The line that the shell waits for, asked for when its process group is known. */
  readonly order: (pgid: number) => string;
  readonly nonce: string;
  /** Ends the process group; resolves to whether the host confirmed it. */
  readonly stop: (pgid: number) => Promise<boolean>;
  /** Called where the shell does not take its order in time. */
  readonly onDeaf: () => void;
  readonly host: string;
}

const unreferenced = { ref: false };

/** How long a shell that stands may take to say that it took its order. */
const startMs = 10_000;
/** How long output may still come after the exit of a command whose children hold it open. */
const drainMs = 250;
/** The same, for children that keep writing. */
const drainMaxMs = 10_000;
/** How long the rest of a stdout that is handed on may take to come. */
const handedOnMs = 5_000;
/** How long a stopped command may take to be gone before the call is answered without it. */
const stopWaitMs = 2_000;

type Ending =
  | { readonly kind: 'exit'; readonly exit: Exit }
  | { readonly kind: 'lost' | 'timeout' | 'cancel' };

export async function supervise(supervision: Supervision, options: RunOptions): Promise<ExecResult> {
  const { started, command, host } = supervision;
  const output = collect(supervision, options);
  const feeding = feed(supervision, output);
  const ending = await firstEnding(started, command.timeoutMs, options.signal);
  try {
    if (ending.kind !== 'exit' && feeding.giveUp()) throw neverBegun(ending.kind, host);
    switch (ending.kind) {
      case 'exit':
        return result(ending.exit, await drain(started, output), supervision, output);
      case 'lost':
        throw failure('CONNECTION_LOST', { host }, { evidence: output.evidence() });
      case 'timeout': {
        const stopped = await stop(supervision, output);
        throw failure(
          'COMMAND_TIMEOUT',
          { timeoutS: command.timeoutMs / 1000, stopped },
          { evidence: output.evidence() },
        );
      }
      case 'cancel': {
        const stopped = await stop(supervision, output);
        throw failure('CANCELLED', { stopped }, { evidence: output.evidence() });
      }
    }
  } finally {
    feeding.end();
    started.release();
  }
}

/** The order was still here. */
function neverBegun(kind: 'lost' | 'timeout' | 'cancel', host: string): GatewayError {
  switch (kind) {
    case 'cancel':
      return failure('CANCELLED_EARLY', {});
    case 'timeout':
      return failure('BUSY', { what: `${host} has started no shell in time`, retryInS: 10 });
    case 'lost':
      return failure('HOST_UNREACHABLE', { host, problem: 'the connection ended before the command began' });
  }
}

type Output = ReturnType<typeof collect>;

function collect({ started, command, nonce }: Supervision, { onOutput, onStdout }: RunOptions) {
  const start = createStartReader(nonce, command.announces);
  const stdout = createCapture(command);
  const stderr = createCapture(command);
  const heard = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  let lastDataAt = performance.now();
  let paused = false;
  let announceGroup: (pgid: number) => void = () => {};
  const group = new Promise<number>((resolve) => {
    announceGroup = resolve;
  });

  const take = (capture: typeof stdout, decoder: StringDecoder, chunk: Buffer) => {
    lastDataAt = performance.now();
    if (chunk.length === 0) return;
    capture.push(chunk);
    onOutput?.(decoder.write(chunk));
  };
  const hand = (chunk: Buffer, receive: NonNullable<RunOptions['onStdout']>) => {
    const taken = receive(chunk);
    if (taken === undefined) return;
    paused = true;
    started.stdout.pause();
    void taken.then(() => {
      paused = false;
      lastDataAt = performance.now();
      started.stdout.resume();
    });
  };
  started.stdout.on('data', (chunk: Buffer) => {
    const own = start.push(chunk);
    if (onStdout === undefined || !start.begun) take(stdout, heard.stdout, own);
    else if (own.length > 0) hand(own, onStdout);
    if (start.pgid !== undefined) announceGroup(start.pgid);
  });
  started.stderr.on('data', (chunk: Buffer) => take(stderr, heard.stderr, chunk));
  return {
    start,
    group,
    stdout,
    stderr,
    /** Somebody takes stdout at a pace of their own: what is left of it can be much. */
    handedOn: onStdout !== undefined,
    quietForMs: () => (paused ? 0 : performance.now() - lastDataAt),
    evidence: () => ({ stdout: wholeText(stdout.result()), stderr: wholeText(stderr.result()) }),
  };
}

/** Sends order and input when the group is known: a command must never run unseen. */
function feed({ started: { stdin }, command, order, onDeaf }: Supervision, output: Output) {
  // A command may exit without reading: a broken pipe is no fault of the call.
  stdin.on('error', () => {});
  let state: 'waiting' | 'fed' | 'given up' = 'waiting';
  let deaf: NodeJS.Timeout | undefined;
  void output.group.then((pgid) => {
    if (state !== 'waiting') return;
    state = 'fed';
    if (typeof command.stdin === 'object') {
      stdin.write(order(pgid));
      void pump(command.stdin, stdin);
    } else stdin.end(order(pgid) + (command.stdin ?? ''));
    deaf = setTimeout(() => output.start.started || onDeaf(), startMs);
  });
  return {
    /** Whether the order was still here: then nothing has begun, and nothing will. */
    giveUp(): boolean {
      if (state === 'waiting') {
        state = 'given up';
        stdin.end();
      }
      return state === 'given up';
    },
    end: () => clearTimeout(deaf),
  };
}

/** Whoever provides the input must stop when the command has ended: what is not taken any more is not asked for. */
async function pump(chunks: AsyncIterable<Uint8Array>, stdin: Writable): Promise<void> {
  const closed = new Promise<'closed'>((resolve) => stdin.once('close', () => resolve('closed')));
  try {
    for await (const chunk of chunks) {
      if (stdin.writableEnded || stdin.destroyed) return;
      if (stdin.write(chunk)) continue;
      const drained = new Promise<void>((resolve) => stdin.once('drain', resolve));
      if ((await Promise.race([drained, closed])) === 'closed') return;
    }
  } finally {
    stdin.end();
  }
}

/** Whatever comes first: the exit, the loss of the way to it, the deadline, the caller's wish. */
async function firstEnding(started: Started, timeoutMs: number, signal: AbortSignal): Promise<Ending> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const interrupted = new Promise<Ending>((resolve) => {
    timer = setTimeout(() => resolve({ kind: 'timeout' }), timeoutMs);
    onAbort = () => resolve({ kind: 'cancel' });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  const ended = started.exit.then(
    (exit): Ending => (exit === undefined ? { kind: 'lost' } : { kind: 'exit', exit }),
  );
  try {
    return await Promise.race([interrupted, ended]);
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

interface Drained {
  /** Every byte was read. */
  readonly complete: boolean;
  /** Something still holds the output open. */
  readonly background: boolean;
}

/**
 * Reads what still comes after the exit; exit and end of output come in either order. A child left in the
 * background keeps the output open for as long as it lives, so a short silence is the end then. Where it is
 * not yet known whether the command began, silence proves nothing.
 */
async function drain(started: Started, output: Output): Promise<Drained> {
  const ended = started.outputEnded.then((complete): Drained => ({ complete, background: false }));
  const exitedAt = performance.now();
  for (;;) {
    const drained = await Promise.race([ended, pause(drainMs, undefined, unreferenced)]);
    if (drained !== undefined) return drained;
    const quietMs = output.handedOn ? handedOnMs : drainMs;
    const silent = output.start.begun && output.quietForMs() >= quietMs;
    const tooLong = !output.handedOn && performance.now() - exitedAt >= drainMaxMs;
    if (silent || tooLong) return { complete: false, background: true };
  }
}

function result(
  exit: Exit,
  drained: Drained,
  { host }: Supervision,
  { start, ...output }: Output,
): ExecResult {
  // SECURITY: «not started» invites to try again, so it takes the whole output to say so.
  if (!start.begun && !drained.complete)
    throw failure('CONNECTION_LOST', { host }, { evidence: output.evidence() });
  if (!start.started)
    throw failure('COMMAND_NOT_STARTED', { where: `on ${host}` }, { evidence: output.evidence() });
  return {
    exitCode: exit.code ?? 128 + signalNumber(exit.signal),
    stdout: output.stdout.result(),
    stderr: output.stderr.result(),
    begun: start.begun,
    background: drained.background,
  };
}

function signalNumber(name: string | null): number {
  const numbers: Record<string, number | undefined> = constants.signals;
  return (name === null ? undefined : numbers[name.startsWith('SIG') ? name : `SIG${name}`]) ?? 0;
}

/** Whether the host confirmed, within the time a caller will wait, that nothing of the process group is left. */
async function stop({ started, stop: stopGroup }: Supervision, output: Output): Promise<boolean> {
  await Promise.race([output.group, started.exit, pause(stopWaitMs, undefined, unreferenced)]);
  const pgid = output.start.pgid;
  if (pgid === undefined) return false;
  const confirmed = await Promise.race([
    stopGroup(pgid).catch(() => false),
    pause(stopWaitMs + drainMs, false, unreferenced),
  ]);
  await Promise.race([started.outputEnded, pause(drainMs, undefined, unreferenced)]);
  return confirmed;
}
