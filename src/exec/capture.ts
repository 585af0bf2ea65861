/** Keeps the head and the tail of a stream of any length in bounded memory. */

export interface Captured {
  readonly head: Buffer;
  /** Empty when nothing was left out: then `head` is everything. */
  readonly tail: Buffer;
  readonly totalBytes: number;
  /** Code points of the whole stream, where it is UTF-8. */
  readonly totalChars: number;
}

export interface Capture {
  push(chunk: Buffer): void;
  result(): Captured;
}

/** maxBytes bounds what is kept, half for the head and half for the tail. */
export function createCapture({ maxBytes }: { maxBytes: number }): Capture {
  const headMax = Math.ceil(maxBytes / 2);
  const tailMax = Math.floor(maxBytes / 2);
  const head: Buffer[] = [];
  let tail: Buffer[] = [];
  let headBytes = 0;
  let tailBytes = 0;
  let totalBytes = 0;
  let totalChars = 0;

  const compact = () => {
    const joined = Buffer.concat(tail);
    tail = [Buffer.from(joined.subarray(Math.max(0, joined.length - tailMax)))];
    tailBytes = tail[0]?.length ?? 0;
  };

  return {
    push(chunk) {
      totalBytes += chunk.length;
      totalChars += countCodePoints(chunk);
      const room = Math.min(headMax - headBytes, chunk.length);
      if (room > 0) {
        head.push(chunk.subarray(0, room));
        headBytes += room;
      }
      if (room === chunk.length) return;
      const rest = chunk.subarray(room);
      // A copy, because the chunk's memory belongs to a larger buffer of the transport.
      tail.push(Buffer.from(rest.length > tailMax ? rest.subarray(rest.length - tailMax) : rest));
      tailBytes += Math.min(rest.length, tailMax);
      if (tailBytes > 2 * tailMax + 4096) compact();
    },
    result() {
      if (tailBytes > tailMax) compact();
      const kept = headBytes + tailBytes;
      const all = kept === totalBytes;
      return {
        head: Buffer.concat(all ? [...head, ...tail] : head),
        tail: all ? Buffer.alloc(0) : Buffer.concat(tail),
        totalBytes,
        totalChars,
      };
    },
  };
}

/** Every byte of UTF-8 that does not continue a character begins one. */
function countCodePoints(chunk: Buffer): number {
  let count = 0;
  for (let index = 0; index < chunk.length; index++) if (((chunk[index] ?? 0) & 0xc0) !== 0x80) count++;
  return count;
}

/** Everything that was kept, as UTF-8 text. Use it where the output is known to be small. */
export function wholeText(captured: Captured): string {
  return Buffer.concat([captured.head, captured.tail]).toString('utf8');
}
