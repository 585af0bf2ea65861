/** Upload: into a temporary file beside the destination, by either route, then in one step into its place. */
import { randomUUID } from 'node:crypto';
import { failure, GatewayError } from '../../base/errors.ts';
import { type FilePath, isFilePath } from '../../base/paths.ts';
import { inBlocks } from '../../exec/blocks.ts';
import { type Peer, PeerGone } from '../../exec/dialogue.ts';
import { type StagedFile, StorageFailed } from '../../exec/executor.ts';
import type { Source } from './ends.ts';
import { type Measured, measure, type OnProgress } from './measure.ts';
import { type Place, type Scripts, shellAt, whereIs } from './place.ts';
import { putScript } from './put-script.ts';
import { type Staging, saysFull } from './staging.ts';
import type { Unfinished, UnfinishedEntry } from './unfinished.ts';

export interface UploadRequest {
  readonly place: Place;
  readonly file: FilePath;
  readonly source: Source;
  readonly mode: number;
  readonly overwrite: boolean;
  readonly createDirectories: boolean;
  /** Names or numbers, as the place knows them. Without them a replaced file's are kept. */
  readonly owner: string | undefined;
  readonly group: string | undefined;
  /** What the bytes must add up to, in hexadecimal. */
  readonly sha256: string | undefined;
  readonly maxBytes: number;
  readonly route: Route;
  /** Throws where the real path may not be written. */
  readonly judge: (realPath: string) => void;
}

export type Route = 'staging' | 'stream';

export interface Uploaded {
  readonly bytes: number;
  readonly sha256: string;
  readonly route: Route;
}

export interface TransferOptions {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

/** The script takes its temporary file away; what is under way may have to end before. */
const farewellMs = 5_000;
/** Of one frame, where the size of the whole is not known before its end. */
const frameBytes = 1024 * 1024;

export function createUpload(parts: { scripts: Scripts; staging: Staging; unfinished: Unfinished }) {
  const { scripts, staging, unfinished } = parts;

  return async (request: UploadRequest, { signal, onProgress }: TransferOptions): Promise<Uploaded> => {
    const { place, file, source, maxBytes } = request;
    if (source.size !== undefined && source.size > maxBytes)
      throw failure('TOO_LARGE', {
        what: 'The file',
        maxBytes,
        setting: 'MAX_FILE_SIZE',
        bytes: source.size,
      });
    const temp = `.proxmox-mcp-${randomUUID()}.part`;
    let entry: UnfinishedEntry | undefined;
    let committed = false;
    let cleanedUp = false;

    const talk = async (peer: Peer, over: AbortSignal): Promise<Uploaded> => {
      const measured = measure(source, { maxBytes, signal: over, onProgress });
      const { directory, pid } = await enter(peer, request);
      entry = await unfinished.add({
        kind: 'part',
        vmid: place.kind === 'container' ? place.vmid : undefined,
        directory,
        name: temp,
      });
      await peer.send('go\n');
      await expect(peer, 'ready', request);
      const { route, said } = await fill(peer, `/proc/${pid}/fd/4`, measured, request, over);
      const sha256 = measured.sha256();
      if (request.sha256 !== undefined && request.sha256 !== sha256)
        throw failure('CHECKSUM_MISMATCH', { sha256 });
      committed = true;
      peer.shield();
      await peer.send(commitLine(request, measured.bytes, sha256));
      await expect(peer, 'done', request, said);
      return { bytes: measured.bytes, sha256, route };
    };

    try {
      const uploaded = await scripts.converse({
        place,
        script: putScript,
        args: [file.directory, file.name, temp],
        signal,
        talk,
        farewellMs,
        onEnd(ending) {
          // One that was killed had no time to.
          cleanedUp = !(ending instanceof GatewayError) && ending.exitCode < 128;
        },
      });
      await entry?.remove();
      return uploaded;
    } catch (error) {
      if (cleanedUp) await entry?.remove();
      else entry?.release();
      throw await scripts.explain(place, error, committed);
    }
  };

  async function fill(
    peer: Peer,
    descriptor: string,
    measured: Measured,
    request: UploadRequest,
    signal: AbortSignal,
  ): Promise<Filled> {
    const { place } = request;
    if (request.route === 'staging' && place.kind === 'container') {
      const filled = await throughStaging(peer, measured, request, { vmid: place.vmid, descriptor, signal });
      if (filled !== undefined) return filled;
    }
    await throughPeer(peer, measured, request);
    return { route: 'stream', said: '' };
  }

  /** Undefined where nothing can be staged on the host, and nothing of the source was read. */
  async function throughStaging(
    peer: Peer,
    measured: Measured,
    request: UploadRequest,
    { vmid, descriptor, signal }: { vmid: number; descriptor: string; signal: AbortSignal },
  ): Promise<Filled | undefined> {
    const use = async (staged: StagedFile): Promise<Filled> => {
      try {
        await staged.write(measured.chunks, signal);
      } catch (error) {
        // Asked while the file is still there: without it there may be space again.
        throw error instanceof StorageFailed ? await staging.explainStorage(error) : error;
      }
      const said = await staging.push({ vmid, from: staged.path, to: descriptor, signal });
      if (said !== undefined) return { route: 'staging', said };
      // SECURITY: never by its name, which whoever owns the directory may have made a link.
      await send(peer, measured.bytes, staged.read(measured.bytes, signal), request);
      return { route: 'stream', said: '' };
    };
    try {
      return await staging.withFile(signal, use);
    } catch (error) {
      if (!(error instanceof StorageFailed)) throw error;
      const reason = await staging.explainStorage(error);
      if (measured.bytes > 0 || reason.code === 'NO_SPACE') throw reason;
      return undefined;
    }
  }
}

interface Filled {
  readonly route: Route;
  /** By pct, about what it did. */
  readonly said: string;
}

/** Where the script stands: its directory, by its real path, and its process in the container. */
interface Standing {
  readonly directory: string;
  readonly pid: string;
}

async function enter(peer: Peer, request: UploadRequest): Promise<Standing> {
  const { place, file } = request;
  const where = whereIs(place);
  await expect(peer, 'at', request);
  const [real, rest, kind] = [await peer.field(), await peer.field(), await peer.field()];
  const pid = await peer.field();
  const directory = `${real === '/' ? '' : real}${rest}` || '/';
  const target = within(directory, file.name);
  // SECURITY: a path with a .. in it would be judged by its words and lead elsewhere.
  if (!isFilePath(target) || !/^\d{1,10}$/.test(pid))
    throw failure('UNEXPECTED_ANSWER', { from: shellAt(place) });
  request.judge(target);
  if (rest !== '' && !request.createDirectories) throw failure('DIRECTORY_NOT_FOUND', { where });
  if (kind === 'directory') throw failure('IS_DIRECTORY', { where: file.path });
  if (kind === 'other') throw failure('PERMISSION_DENIED', { reason: 'what is there is not a regular file' });
  // Only a look: what decides is the last step.
  if (kind !== 'missing' && !request.overwrite) throw failure('FILE_EXISTS', { where });
  return { directory, pid };
}

function within(directory: string, name: string): string {
  return `${directory === '/' ? '' : directory}/${name}`;
}

async function throughPeer(peer: Peer, measured: Measured, request: UploadRequest): Promise<void> {
  const { size } = request.source;
  if (size !== undefined) return await send(peer, size, measured.chunks, request);
  for await (const block of inBlocks(measured.chunks, frameBytes))
    await send(peer, block.length, only(block), request);
}

/** The script reads exactly as much as it was told, so that nothing of the rest is taken for data or for an order. */
async function send(
  peer: Peer,
  bytes: number,
  chunks: AsyncIterable<Uint8Array>,
  request: UploadRequest,
): Promise<void> {
  try {
    await peer.send(`data ${bytes}\n`);
    for await (const chunk of chunks) await peer.send(chunk);
  } catch (error) {
    // Where it ended because it could not write, it has said so.
    if (!(error instanceof PeerGone)) throw error;
  }
  await expect(peer, 'taken', request);
}

async function* only(block: Uint8Array): AsyncIterable<Uint8Array> {
  yield block;
}

function commitLine(request: UploadRequest, bytes: number, sha256: string): string {
  const { mode, overwrite, owner = '-', group = '-' } = request;
  const place = overwrite ? 'replace' : 'keep';
  return `commit ${bytes} ${sha256} ${mode.toString(8)} ${place} ${owner} ${group}\n`;
}

async function expect(peer: Peer, word: string, request: UploadRequest, pctSaid = ''): Promise<void> {
  const heard = await peer.field();
  if (heard === word) return;
  if (heard !== 'failed') throw failure('UNEXPECTED_ANSWER', { from: shellAt(request.place) });
  const [what, said] = [await peer.field(), await peer.field()];
  throw refusal(what, said, request, pctSaid);
}

function refusal(what: string, said: string, request: UploadRequest, pctSaid: string): GatewayError {
  const where = whereIs(request.place);
  const evidence = { stderr: `${pctSaid}${said}` };
  if (saysFull(said)) return failure('NO_SPACE', { where });
  switch (what) {
    case 'directory-missing':
      return failure('DIRECTORY_NOT_FOUND', { where });
    case 'directory':
      return failure('IS_DIRECTORY', { where: request.file.path });
    case 'exists':
      return failure('FILE_EXISTS', { where });
    case 'owner':
      return ownerRefused(request, where, evidence);
    case 'size':
    case 'sum':
      return failure(
        'TRANSFER_UNPROVEN',
        { why: `the ${what === 'sum' ? 'SHA-256' : what} differs` },
        { evidence },
      );
    case 'exchanged':
      return failure('TRANSFER_UNCERTAIN', { why: 'something else took that place at once' });
    case 'moved':
      return failure('TRANSFER_UNPROVEN', { why: 'a directory on the way was exchanged meanwhile' });
    default:
      return failure('NOT_WRITABLE', { where, problem: problemIn(said) }, { evidence });
  }
}

function ownerRefused(
  { owner, group }: UploadRequest,
  where: string,
  evidence: { stderr: string },
): GatewayError {
  const asked = [owner !== undefined && 'owner', group !== undefined && 'group'].filter(Boolean);
  if (asked.length === 0)
    return failure(
      'NOT_WRITABLE',
      { where, problem: 'it cannot be given to the owner of the old file' },
      { evidence },
    );
  const problem = `${asked.join(', ')}: the file could not be given to them`;
  return failure('INVALID_ARGUMENT', { problem }, { evidence });
}

function problemIn(said: string): string {
  if (/Read-only file system/.test(said)) return 'its file system is read-only';
  if (/Permission denied|Operation not permitted/.test(said)) return 'writing there is not permitted';
  return 'what the system said is included';
}
