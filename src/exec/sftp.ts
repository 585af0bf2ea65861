/** Files in a private place on the host over SFTP, many requests under way at a time. */
import { posix } from 'node:path';
import ssh2, { type SFTPWrapper } from 'ssh2';
import { failure } from '../base/errors.ts';
import { interruption } from '../base/interruption.ts';
import { inBlocks } from './blocks.ts';
import { type StagedFile, StorageFailed } from './executor.ts';
import type { Lease } from './pool.ts';
import type { Shells } from './shells.ts';

/** What OpenSSH's server takes in one request. */
const blockBytes = 255 * 1024;
/** One request at a time would move one block a round trip. */
const maxInFlight = 4;
/** Blocks that come are memory that is waiting for a reader: fewer of them. */
const maxReads = 2;
const endOfFile = 1;
/** How long a session that the server does not let go of keeps its place. */
const lingerMs = 5_000;
/** How long the host may take to remove what was staged. */
const removeMs = 10_000;

const { READ, WRITE, CREAT, EXCL } = ssh2.utils.sftp.OPEN_MODE;

type Callback<T> = (error: (Error & { code?: unknown }) | null | undefined, value: T) => void;

/** Takes a place on a connection for as long as the file is there. */
export async function stageOverSftp(input: {
  openChannel: Shells['openChannel'];
  host: string;
  path: string;
  signal: AbortSignal;
}): Promise<StagedFile> {
  const { host, path, signal } = input;
  const directory = posix.dirname(path);
  const { sftp, call, lease } = await input.openChannel({ signal }, (place) => openSession(place, host));
  const close = () => {
    setTimeout(lease.release, lingerMs).unref();
    sftp.once('close', lease.release);
    sftp.end();
  };
  const { race } = interruption(signal);
  const remove = () => race(call<void>((done) => sftp.rmdir(directory, (error) => done(error, undefined))));
  let handle: Buffer;
  try {
    await race(
      call<void>((done) => sftp.mkdir(directory, { mode: 0o700 }, (error) => done(error, undefined))),
    );
    handle = await race(
      call<Buffer>((done) => sftp.open(path, READ | WRITE | CREAT | EXCL, { mode: 0o600 }, done)),
    ).catch(async (error: unknown) => {
      // Only what was refused is known not to be there; what was given up is swept later.
      if (error instanceof StorageFailed) await remove().catch(() => {});
      throw error;
    });
  } catch (error) {
    close();
    throw error;
  }
  const read = async (at: number, length: number): Promise<Buffer> => {
    const block = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const got = await call<number>((done) =>
        sftp.read(handle, block, filled, length - filled, at + filled, (error, bytes) =>
          isEnd(error) ? done(undefined, 0) : done(error, bytes),
        ),
      );
      if (got === 0) break;
      filled += got;
    }
    return block.subarray(0, filled);
  };
  return {
    path,
    write: (chunks, abort) =>
      writeAll(chunks, abort, (block, at) =>
        call<void>((done) =>
          sftp.write(handle, block, 0, block.length, at, (error) => done(error, undefined)),
        ),
      ),
    read: (size, abort) => readAll(size, abort, read),
    async remove() {
      const removing = async () => {
        await call<void>((done) => sftp.close(handle, (error) => done(error, undefined))).catch(() => {});
        await call<void>((done) => sftp.unlink(path, (error) => done(error, undefined)));
        await call<void>((done) => sftp.rmdir(directory, (error) => done(error, undefined)));
      };
      try {
        await interruption(AbortSignal.timeout(removeMs)).race(removing());
      } finally {
        close();
      }
    },
  };
}

function isEnd(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === endOfFile;
}

type Call = <T>(start: (done: Callback<T>) => void) => Promise<T>;

interface Session {
  readonly sftp: SFTPWrapper;
  readonly call: Call;
  readonly lease: Lease;
}

/** What is under way when the session ends, or is asked after that, is never answered: it is given up. */
async function openSession(lease: Lease, host: string): Promise<Session> {
  const { connection } = lease;
  const sftp = await connection.sftp(host);
  const givenUp = new Set<() => void>();
  let over = false;
  let unwatch = () => {};
  const end = () => {
    over = true;
    unwatch();
    for (const giveUp of givenUp) giveUp();
  };
  sftp.once('close', end).once('end', end);
  unwatch = connection.whenClosed(end);
  const call: Call = (start) =>
    new Promise((resolve, reject) => {
      const giveUp = () =>
        reject(
          connection.open
            ? new StorageFailed('the SFTP session has ended')
            : failure('CONNECTION_LOST', { host }),
        );
      if (over) return giveUp();
      givenUp.add(giveUp);
      start((error, value) => {
        givenUp.delete(giveUp);
        if (error) reject(new StorageFailed(error.message, { cause: error }));
        else resolve(value);
      });
    });
  return { sftp, call, lease };
}

async function writeAll(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  write: (block: Uint8Array & Buffer, at: number) => Promise<void>,
): Promise<number> {
  const { race } = interruption(signal);
  const inFlight = new Set<Promise<void>>();
  let position = 0;
  let failed: unknown;
  for await (const block of inBlocks(chunks, blockBytes)) {
    const writing = write(block, position)
      .catch((error: unknown) => {
        failed ??= error;
      })
      .finally(() => inFlight.delete(writing));
    inFlight.add(writing);
    position += block.length;
    while (inFlight.size >= maxInFlight) await race(Promise.race(inFlight));
    if (failed !== undefined) throw failed;
  }
  await race(Promise.all(inFlight));
  if (failed !== undefined) throw failed;
  return position;
}

async function* readAll(
  size: number,
  signal: AbortSignal,
  read: (at: number, length: number) => Promise<Buffer>,
): AsyncIterable<Buffer> {
  const { race } = interruption(signal);
  const asked: { readonly length: number; readonly block: Promise<Buffer> }[] = [];
  for (let at = 0; at < size || asked.length > 0; ) {
    while (at < size && asked.length < maxReads) {
      const length = Math.min(blockBytes, size - at);
      const block = read(at, length);
      // Heard of where it is its turn; until then nobody waits for it.
      block.catch(() => {});
      asked.push({ length, block });
      at += length;
    }
    const first = asked.shift();
    if (first === undefined) return;
    // A server may leave any request unanswered for as long as it likes.
    const block = await race(first.block);
    if (block.length > 0) yield block;
    if (block.length < first.length) return;
  }
}
