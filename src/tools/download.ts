/** What the download tools do, wherever the file comes from. */
import { isUtf8 } from 'node:buffer';
import { failure, type GatewayError } from '../base/errors.ts';
import type { FilePath } from '../base/paths.ts';
import type { Sink } from '../ops/files/ends.ts';
import type { Downloaded } from '../ops/files/get.ts';
import type { Place } from '../ops/files/place.ts';
import type { IssuedUrl, ToolContext } from './define.ts';
import { type DownloadArgs, onlyOne } from './file-params.ts';
import { progressOf } from './transfer-progress.ts';

interface DownloadedData {
  readonly message: string;
  readonly local_path?: string;
  readonly bytes_transferred?: number;
  readonly sha256?: string;
  readonly route?: 'staging' | 'stream';
  readonly url?: string;
  readonly method?: 'GET';
  readonly expires_at?: string;
  readonly max_bytes?: number;
  readonly content?: string;
  readonly encoding?: 'utf-8' | 'base64';
  readonly offset?: number;
  readonly size?: number;
}

export interface DownloadFrom {
  readonly place: Place;
  readonly file: FilePath;
  /** For people. */
  readonly target: string;
}

export async function downloadWith(
  args: DownloadArgs,
  from: DownloadFrom,
  context: ToolContext,
): Promise<DownloadedData> {
  onlyOne(args, ['local_path', 'transfer', 'offset']);
  onlyOne(args, ['local_path', 'transfer', 'length']);
  const { maxFileBytes } = context.limits;
  if (context.transfer?.kind === 'sink') return await toUrl(context.transfer.sink, from, context);
  if (args.transfer === 'url')
    return issued(context.issueUrl({ method: 'GET', maxBytes: maxFileBytes }), from, maxFileBytes);
  if (args.local_path !== undefined) return await toFolder(args.local_path, args.overwrite, from, context);
  return await inline(args, from, context);
}

async function receive(
  sink: Sink,
  { place, file }: DownloadFrom,
  context: ToolContext,
  options: {
    range?: { offset: number; length: number };
    maxBytes?: number;
    tooLarge?: (bytes: number) => GatewayError;
    sumFirst?: boolean;
  } = {},
): Promise<Downloaded> {
  const { ops, limits, signal, judge } = context;
  const maxBytes = limits.maxFileBytes;
  return await ops.files.download(
    {
      place,
      file,
      sink,
      range: options.range,
      maxBytes: options.maxBytes ?? maxBytes,
      tooLarge: options.tooLarge ?? ((bytes) => tooLarge(bytes, maxBytes)),
      sumFirst: options.sumFirst ?? false,
      judge: (path) => judge({ place: place.kind, path }),
    },
    { signal, onProgress: progressOf(context, 'received') },
  );
}

async function toUrl(sink: Sink, from: DownloadFrom, context: ToolContext): Promise<DownloadedData> {
  const done = await receive(sink, from, context, { sumFirst: true });
  return { message: `${done.bytes} bytes of ${from.target} were downloaded.`, ...factsOf(done) };
}

async function toFolder(
  localPath: string,
  overwrite: boolean,
  from: DownloadFrom,
  context: ToolContext,
): Promise<DownloadedData> {
  const sink = context.ops.files.folder.createSink(localPath, { overwrite });
  try {
    const done = await receive(sink, from, context);
    return {
      message: `${done.bytes} bytes of ${from.target} were downloaded to ${localPath} in the transfer folder.`,
      local_path: localPath,
      ...factsOf(done),
    };
  } finally {
    await sink.abort();
  }
}

async function inline(args: DownloadArgs, from: DownloadFrom, context: ToolContext): Promise<DownloadedData> {
  const { maxInlineBytes, maxFileBytes } = context.limits;
  const { offset, length } = args;
  const chunks: Uint8Array[] = [];
  const sink: Sink = {
    begin: async () => {},
    write: async (chunk) => void chunks.push(Buffer.from(chunk)),
    end: async () => {},
  };
  const ranged = offset !== undefined || length !== undefined;
  const maxBytes = Math.min(maxInlineBytes, maxFileBytes);
  const done = await receive(sink, from, context, {
    ...(ranged && { range: { offset: offset ?? 0, length: length ?? Number.MAX_SAFE_INTEGER } }),
    maxBytes,
    tooLarge: (bytes) => failure('TOO_LARGE_INLINE', { bytes, maxBytes }),
  });
  const bytes = Buffer.concat(chunks);
  const text = isUtf8(bytes) && !bytes.includes(0);
  return {
    message: `${done.bytes} of ${done.size} bytes of ${from.target}${ranged ? `, from byte ${offset ?? 0} on` : ''}.`,
    ...factsOf(done),
    content: bytes.toString(text ? 'utf8' : 'base64'),
    encoding: text ? 'utf-8' : 'base64',
    offset: offset ?? 0,
  };
}

function factsOf({ bytes, sha256, route, size }: Downloaded) {
  return { bytes_transferred: bytes, sha256, route, size };
}

function issued({ url, expiresAt }: IssuedUrl, { target }: DownloadFrom, maxBytes: number): DownloadedData {
  return {
    message: `Fetch ${target} with GET from this URL, once, for example curl -fO '${url}'.`,
    url,
    method: 'GET',
    expires_at: expiresAt.toISOString(),
    max_bytes: maxBytes,
  };
}

function tooLarge(bytes: number, maxBytes: number): GatewayError {
  return failure('TOO_LARGE', { what: 'The file', maxBytes, setting: 'MAX_FILE_SIZE', bytes });
}
