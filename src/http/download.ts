/** The answer to a request as the sink of a transfer, which looks whole only when it is. */
import type { Response } from 'express';
import { failure } from '../base/errors.ts';
import type { Call } from '../mcp/call.ts';

type Sink = Extract<NonNullable<Call['transfer']>, { kind: 'sink' }>['sink'];

export interface Download {
  readonly sink: Sink;
  /** Whether all of it has gone to the client. */
  readonly ended: boolean;
}

/** What is sent last, when the file is known to be right. */
const heldBytes = 64 * 1024;
const maxNameChars = 100;

/** `path` names the file; a client that takes nothing for `stallMs` is cut off. */
export function createDownload(input: { response: Response; path: string; stallMs: number }): Download {
  const { response, path, stallMs } = input;
  let file: { readonly size: number; readonly sha256: string | undefined } | undefined;
  let taken = 0;
  let ended = false;
  const held: Uint8Array[] = [];
  let heldTotal = 0;

  response.on('error', () => {});
  let stalled = false;
  response.setTimeout(stallMs, () => {
    if (response.writableLength === 0) return;
    stalled = true;
    response.destroy();
  });
  const gone = () =>
    stalled
      ? failure('TRANSFER_INTERRUPTED', { why: `the client took nothing for ${stallMs / 1000} s` })
      : failure('TRANSFER_CANCELLED', {});
  const send = async (chunk: Uint8Array) => {
    if (!response.headersSent && file !== undefined) writeHeaders(response, { ...file, path });
    if (response.destroyed) throw gone();
    if (!response.write(chunk)) await happens(response, 'drain', gone);
  };

  const sink: Sink = {
    async begin(begun) {
      file = begun;
    },
    async write(chunk) {
      taken += chunk.length;
      if (file === undefined || taken > file.size) throw new RangeError('more bytes than were announced');
      held.push(chunk);
      heldTotal += chunk.length;
      // SECURITY: without its end, nobody takes for the file what turns out to be something else.
      for (;;) {
        const [first] = held;
        if (first === undefined || heldTotal - first.length < heldBytes) return;
        held.shift();
        heldTotal -= first.length;
        await send(first);
      }
    },
    async end(signal) {
      // Who waits for it has no more time: what is not complete must not become it.
      signal.addEventListener('abort', () => response.destroy(), { once: true });
      if (signal.aborted) throw signal.reason;
      if (file === undefined || taken !== file.size) throw new RangeError('fewer bytes than were announced');
      for (const chunk of held) if (chunk.length > 0) await send(chunk);
      if (!response.headersSent) writeHeaders(response, { ...file, path });
      if (response.destroyed) throw gone();
      response.end();
      await happens(response, 'finish', gone);
      ended = true;
    },
  };
  return {
    sink,
    get ended() {
      return ended;
    },
  };
}

async function happens(response: Response, event: 'drain' | 'finish', gone: () => Error): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const settle = () => {
      response.off(event, settle).off('close', settle);
      if (event === 'finish' ? response.writableFinished : !response.destroyed) resolve();
      else reject(gone());
    };
    response.on(event, settle).on('close', settle);
  });
}

function writeHeaders(
  response: Response,
  { path, size, sha256 }: { path: string; size: number; sha256: string | undefined },
): void {
  response.attachment(fileName(path));
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': size,
    'accept-ranges': 'none',
    'cache-control': 'no-store',
    ...(sha256 !== undefined && {
      'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
    }),
  });
}

/**
 * SECURITY: only a suggestion, so it is kept plain: no mark that a client could read as the end of the name, and
 * none that shows the name as another.
 */
function fileName(path: string): string {
  const last = path.split('/').findLast((segment) => segment !== '') ?? '';
  const plain = last
    .toWellFormed()
    .replace(/[\p{C}\p{Z}"'\\;:%*?<>|=,\ufffd]/gu, (mark) => (mark === ' ' ? ' ' : '_'));
  return [...plain].slice(0, maxNameChars).join('') || 'download';
}
