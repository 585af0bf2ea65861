/** An exec channel's three streams as open files, at the pace of the client's window. */
import type { Writable } from 'node:stream';
import type { ServerChannel } from 'ssh2';
import { FsError } from '../files/fs-error.ts';
import { unlessAborted } from '../process/notice.ts';
import { counted, createPipe, type OpenFile } from '../process/open-file.ts';

export interface ChannelFiles {
  readonly stdin: OpenFile;
  readonly stdout: OpenFile;
  readonly stderr: OpenFile;
  /** Settles when no process holds stdout or stderr any more. */
  readonly released: Promise<void>;
}

/** `sending` is told of every piece before it goes out. */
export function createChannelFiles(channel: ServerChannel, sending: (bytes: number) => void): ChannelFiles {
  let lost = false;
  const whenLost: (() => void)[] = [];
  channel.on('close', () => {
    lost = true;
    for (const wake of whenLost.splice(0)) wake();
  });
  let open = 2;
  let announceReleased: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    announceReleased = resolve;
  });

  const output = (stream: Writable): OpenFile => ({
    get isLost() {
      return lost;
    },
    async read() {
      return Buffer.alloc(0);
    },
    async write(bytes, signal) {
      signal.throwIfAborted();
      if (lost) throw new FsError('EPIPE', '');
      sending(bytes.length);
      const taken = new Promise<void>((resolve) => {
        whenLost.push(resolve);
        stream.write(Buffer.from(bytes), () => {
          whenLost.splice(whenLost.indexOf(resolve), 1);
          resolve();
        });
      });
      await unlessAborted(taken, signal);
    },
    ...counted(() => {
      open -= 1;
      if (open === 0) announceReleased();
    }),
  });
  return { stdin: input(channel), stdout: output(channel), stderr: output(channel.stderr), released };
}

function input(channel: ServerChannel): OpenFile {
  const { reader, writer } = createPipe();
  const forever = new AbortController().signal;
  let ended = false;
  const end = () => {
    if (!ended) writer.release();
    ended = true;
  };
  channel.on('data', (chunk: Buffer) => {
    channel.pause();
    writer.write(chunk, forever).then(
      () => channel.resume(),
      // Nobody reads any more: the rest is thrown away.
      () => channel.resume(),
    );
  });
  channel.on('end', end);
  channel.on('close', end);
  return reader;
}
