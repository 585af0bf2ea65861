/** Joins and cuts chunks of any size into blocks of one size, the last one shorter. */

export async function* inBlocks(
  chunks: AsyncIterable<Uint8Array>,
  blockBytes: number,
): AsyncIterable<Buffer<ArrayBufferLike>> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + blockBytes - bytes);
      waiting.push(part);
      bytes += part.length;
      at += part.length;
      if (bytes < blockBytes) break;
      yield joined(waiting);
      waiting = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield joined(waiting);
}

function joined([first, ...others]: readonly Uint8Array[]): Buffer<ArrayBufferLike> {
  if (first === undefined || others.length > 0)
    return Buffer.concat(first === undefined ? [] : [first, ...others]);
  return Buffer.from(first.buffer, first.byteOffset, first.length);
}
