/** What the upload tools do, wherever the file goes. */
import { failure } from '../base/errors.ts';
import type { FilePath } from '../base/paths.ts';
import type { Source } from '../ops/files/ends.ts';
import type { Place } from '../ops/files/place.ts';
import type { IssuedUrl, ToolContext } from './define.ts';
import { decodeContent, onlyOne, type UploadArgs } from './file-params.ts';
import { progressOf } from './transfer-progress.ts';

interface UploadedData {
  readonly message: string;
  readonly local_path?: string;
  readonly permissions: string;
  readonly bytes_transferred?: number;
  readonly sha256?: string;
  readonly route?: 'staging' | 'stream';
  readonly url?: string;
  readonly method?: 'PUT';
  readonly expires_at?: string;
  readonly max_bytes?: number;
}

/** `target` says where the file goes, for people. */
export async function uploadWith(
  args: UploadArgs,
  { place, file, target }: { place: Place; file: FilePath; target: string },
  context: ToolContext,
): Promise<UploadedData> {
  const { ops, limits, signal, judge, transfer } = context;
  const { permissions, size } = args;
  onlyOne(args, ['local_path', 'content', 'transfer']);
  if (args.encoding !== undefined && args.content === undefined)
    throw failure('INVALID_ARGUMENT', { problem: 'encoding: belongs to content' });
  const maxBytes = Math.min(limits.maxFileBytes, size ?? limits.maxFileBytes);
  if (size !== undefined && size > limits.maxFileBytes)
    throw failure('TOO_LARGE', { what: 'The file', maxBytes, setting: 'MAX_FILE_SIZE', bytes: size });
  if (args.transfer === 'url' && transfer === undefined)
    return issued(context.issueUrl({ method: 'PUT', maxBytes }), { target, permissions, maxBytes });
  const { source, close } = await openSource(args, context);
  try {
    const { bytes, sha256, route } = await ops.files.upload(
      {
        place,
        file,
        source: announced(source, size),
        mode: Number.parseInt(permissions, 8),
        overwrite: args.overwrite,
        createDirectories: args.create_directories,
        owner: args.owner,
        group: args.group,
        sha256: args.sha256?.toLowerCase(),
        maxBytes: limits.maxFileBytes,
        judge: (path) => judge({ place: place.kind, path }),
      },
      { signal, onProgress: progressOf(context, 'sent') },
    );
    return {
      message: `${bytes} bytes were uploaded to ${target}.`,
      ...(args.local_path !== undefined && { local_path: args.local_path }),
      permissions,
      bytes_transferred: bytes,
      sha256,
      route,
    };
  } finally {
    await close();
  }
}

function issued(
  { url, expiresAt }: IssuedUrl,
  { target, permissions, maxBytes }: { target: string; permissions: string; maxBytes: number },
): UploadedData {
  return {
    message: `Send the file with PUT to this URL, once, for example curl -T FILE '${url}'. It then becomes ${target}.`,
    permissions,
    url,
    method: 'PUT',
    expires_at: expiresAt.toISOString(),
    max_bytes: maxBytes,
  };
}

interface OpenSource {
  readonly source: Source;
  readonly close: () => Promise<void>;
}

async function openSource(args: UploadArgs, { ops, limits, transfer }: ToolContext): Promise<OpenSource> {
  const nothing = async () => {};
  if (transfer?.kind === 'source') return { source: transfer.source, close: nothing };
  if (args.local_path !== undefined) {
    const source = await ops.files.folder.openSource(args.local_path);
    return { source, close: () => source.close() };
  }
  if (args.content === undefined)
    throw failure('INVALID_ARGUMENT', {
      problem: 'give the file as content, as local_path, or ask with transfer: "url" for a URL to send it to',
    });
  const { maxInlineBytes } = limits;
  // Too long however it is encoded: not even decoded.
  if (args.content.length > maxInlineBytes * 4) throw tooLong(args.content.length, maxInlineBytes);
  const bytes = decodeContent(args.content, args.encoding ?? 'utf-8');
  if (bytes.length > maxInlineBytes) throw tooLong(bytes.length, maxInlineBytes);
  return { source: { size: bytes.length, chunks: only(bytes) }, close: nothing };
}

function tooLong(bytes: number, maxBytes: number) {
  return failure('TOO_LARGE_INLINE', { bytes, maxBytes });
}

async function* only(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** What the caller has announced counts, whatever the way by which the bytes come says. */
function announced(source: Source, size: number | undefined): Source {
  if (size === undefined) return source;
  if (source.size !== undefined && source.size !== size)
    throw failure('SIZE_MISMATCH', { announced: size, sent: source.size });
  return { size, chunks: source.chunks };
}
