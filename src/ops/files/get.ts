/** Download: a regular file, opened with the rights of where it is; nothing counts that was not proven. */
import { createHash } from 'node:crypto';
import { failure, type GatewayError } from '../../base/errors.ts';
import { interruption } from '../../base/interruption.ts';
import { type FilePath, isFilePath } from '../../base/paths.ts';
import { FieldTooLong, type Peer, PeerGone } from '../../exec/dialogue.ts';
import { StorageFailed } from '../../exec/executor.ts';
import type { Sink } from './ends.ts';
import { getScript } from './get-script.ts';
import { type Place, type Scripts, shellAt, whereIs } from './place.ts';
import type { Route, TransferOptions } from './put.ts';
import type { Staging } from './staging.ts';

export interface DownloadRequest {
  readonly place: Place;
  readonly file: FilePath;
  readonly sink: Sink;
  /** A part of the file; the whole without it. */
  readonly range?: { readonly offset: number; readonly length: number } | undefined;
  /** Of what is transferred. */
  readonly maxBytes: number;
  /** What to say where it is more. */
  readonly tooLarge: (bytes: number) => GatewayError;
  readonly route: Route;
  /** Whether the sink wants to know the SHA-256 before the first byte. */
  readonly sumFirst: boolean;
  /** Throws where the real path may not be read. */
  readonly judge: (realPath: string) => void;
}

export interface Downloaded {
  /** Transferred. */
  readonly bytes: number;
  /** Of what was transferred. */
  readonly sha256: string;
  /** Of the whole file. */
  readonly size: number;
  readonly route: Route;
}

/** The script has nothing to clean up, and a file that nobody wants may be long. */
const farewellMs = 500;

/** An open file, as the script has found it. */
interface Opened {
  readonly size: number;
  readonly sums: boolean;
  /** Where it stands open, for other processes of the container. */
  readonly descriptor: string;
}

interface Part {
  readonly offset: number;
  readonly length: number;
}

export function createDownload({ scripts, staging }: { scripts: Scripts; staging: Staging }) {
  return async (request: DownloadRequest, options: TransferOptions): Promise<Downloaded> => {
    const { place, file } = request;
    const talk = async (peer: Peer, signal: AbortSignal): Promise<Downloaded> => {
      const opened = await open(peer, request);
      const part = partOf(opened.size, request);
      const staged =
        request.route === 'staging' &&
        request.range === undefined &&
        opened.sums &&
        place.kind === 'container';
      if (staged) {
        const pulled = await throughStaging(peer, opened, place.vmid, request, { ...options, signal });
        if (pulled !== undefined) return pulled;
      }
      return await throughPeer(peer, opened, part, request, { ...options, signal });
    };
    try {
      const { signal } = options;
      return await scripts.converse({
        place,
        script: getScript,
        args: [file.path],
        signal,
        talk,
        farewellMs,
      });
    } catch (error) {
      throw await scripts.explain(place, error, false);
    }
  };

  /** Undefined where nothing can be staged on the host, or pct cannot get to the file. */
  async function throughStaging(
    peer: Peer,
    opened: Opened,
    vmid: number,
    request: DownloadRequest,
    { signal, onProgress }: TransferOptions,
  ): Promise<Downloaded | undefined> {
    const { size, descriptor } = opened;
    const sha256 = await sumOf(peer, request);
    let begun = false;
    try {
      return await staging.withFile(signal, async (staged) => {
        const pulled = await staging.pull({ vmid, from: descriptor, to: staged.path, size, signal });
        if (pulled === undefined) return undefined;
        // SECURITY: pct reads as root of the host. Only what the container could read itself may leave.
        if (pulled.size !== size || pulled.sha256 !== sha256) throw await unproven(request, pulled.said);
        begun = true;
        await request.sink.begin({ size, sha256 });
        await deliver(staged.read(size, signal), { size, sha256 }, request, { signal, onProgress });
        await request.sink.end(signal);
        return { bytes: size, sha256, size, route: 'staging' as const };
      });
    } catch (error) {
      if (!(error instanceof StorageFailed)) throw error;
      const reason = await staging.explainStorage(error);
      if (begun || reason.code === 'NO_SPACE') throw reason;
      return undefined;
    }
  }

  /** What was pulled is not the file: it has changed, or the host could not hold it. */
  async function unproven(request: DownloadRequest, said: string): Promise<GatewayError> {
    const room = await staging.explainStorage(undefined);
    if (room.code === 'NO_SPACE') return room;
    return failure('FILE_CHANGED', { path: request.file.path }, { evidence: { stderr: said } });
  }
}

async function open(peer: Peer, request: DownloadRequest): Promise<Opened> {
  const { place } = request;
  await expect(peer, 'at', request);
  const [real, digits] = [await peer.field(), await peer.field()];
  const [sums, pid] = [await peer.field(), await peer.field()];
  // SECURITY: a path with a .. in it would be judged by its words; and what is no number may be one to Number().
  if (!/^\d{1,15}$/.test(digits) || !/^\d{1,10}$/.test(pid) || !isFilePath(real))
    throw failure('UNEXPECTED_ANSWER', { from: shellAt(place) });
  const size = Number(digits);
  request.judge(real);
  return { size, sums: sums === 'yes', descriptor: `/proc/${pid}/fd/3` };
}

/** Throws what the request says of too much. */
function partOf(size: number, { range, maxBytes, tooLarge }: DownloadRequest): Part {
  const offset = range?.offset ?? 0;
  const length = Math.max(0, Math.min(range?.length ?? size, size - offset));
  if (length > maxBytes) throw tooLarge(length);
  return { offset, length };
}

async function throughPeer(
  peer: Peer,
  opened: Opened,
  { offset, length }: Part,
  request: DownloadRequest,
  { signal, onProgress }: TransferOptions,
): Promise<Downloaded> {
  const whole = length === opened.size;
  const announced = request.sumFirst && whole && opened.sums ? await sumOf(peer, request) : undefined;
  await request.sink.begin({ size: length, sha256: announced });
  await peer.send(`send ${offset} ${length}\n`);
  const changed = failure('FILE_CHANGED', { path: request.file.path });
  try {
    const expected = { size: length, sha256: announced };
    const sha256 = await deliver(peer.bytes(length), expected, request, { signal, onProgress });
    if ((await peer.field()) !== 'same') throw changed;
    await request.sink.end(signal);
    return { bytes: length, sha256, size: opened.size, route: 'stream' };
  } catch (error) {
    // It said less, or more, than the file had when it was opened.
    throw error instanceof FieldTooLong || endedWell(error) ? changed : error;
  }
}

function endedWell(error: unknown): boolean {
  return error instanceof PeerGone && 'exitCode' in error.ending && error.ending.exitCode === 0;
}

/** Throws FILE_CHANGED where the bytes are not as many, or do not add up to what is expected. */
async function deliver(
  chunks: AsyncIterable<Uint8Array>,
  expected: { readonly size: number; readonly sha256: string | undefined },
  { sink, file }: DownloadRequest,
  { signal, onProgress }: TransferOptions,
): Promise<string> {
  const { race } = interruption(signal);
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    bytes += chunk.length;
    await race(sink.write(chunk));
    onProgress(bytes, expected.size);
  }
  const sha256 = hash.digest('hex');
  if (bytes !== expected.size || (expected.sha256 ?? sha256) !== sha256)
    throw failure('FILE_CHANGED', { path: file.path });
  return sha256;
}

async function sumOf(peer: Peer, request: DownloadRequest): Promise<string> {
  await peer.send('sum\n');
  await expect(peer, 'sum', request);
  return await peer.field();
}

async function expect(peer: Peer, word: string, request: DownloadRequest): Promise<void> {
  const heard = await peer.field();
  if (heard === word) return;
  if (heard !== 'failed') throw failure('UNEXPECTED_ANSWER', { from: shellAt(request.place) });
  const [what] = [await peer.field(), await peer.field()];
  throw refusal(what, request);
}

function refusal(what: string, { place, file }: DownloadRequest): GatewayError {
  const where = whereIs(place);
  switch (what) {
    case 'missing':
    case 'dangling':
      return failure('FILE_NOT_FOUND', { where });
    case 'directory':
      return failure('IS_DIRECTORY', { where: file.path });
    case 'irregular':
      return failure('PERMISSION_DENIED', { reason: 'only regular files are read' });
    case 'moved':
      return failure('FILE_CHANGED', { path: file.path });
    default:
      return failure('NOT_READABLE', { where, problem: 'it cannot be opened' });
  }
}
