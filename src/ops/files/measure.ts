/** Watches bytes pass: counts them, adds them up, keeps them within what was announced and allowed. */
import { createHash } from 'node:crypto';
import { failure } from '../../base/errors.ts';
import { type Interruption, interruption } from '../../base/interruption.ts';
import type { Source } from './ends.ts';

export interface Measured {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** So far. */
  readonly bytes: number;
  /** Of all bytes, in hexadecimal; asked for once, at the end. */
  sha256(): string;
}

/** Heard as bytes pass; the total is undefined where it is not known. */
export type OnProgress = (bytes: number, total: number | undefined) => void;

/** Iterating throws TOO_LARGE, SIZE_MISMATCH, the reason of the signal and whatever the source throws. */
export function measure(
  source: Source,
  options: { maxBytes: number; signal: AbortSignal; onProgress: OnProgress },
): Measured {
  const hash = createHash('sha256');
  const { maxBytes, signal, onProgress } = options;
  let bytes = 0;
  const { race } = interruption(signal);
  const chunks = async function* () {
    for await (const chunk of interruptible(source.chunks, race)) {
      bytes += chunk.length;
      if (bytes > maxBytes)
        throw failure('TOO_LARGE', { what: 'The file', maxBytes, setting: 'MAX_FILE_SIZE' });
      if (source.size !== undefined && bytes > source.size)
        throw failure('SIZE_MISMATCH', { announced: source.size, sent: bytes });
      hash.update(chunk);
      yield chunk;
      onProgress(bytes, source.size);
    }
    if (source.size !== undefined && bytes < source.size)
      throw failure('SIZE_MISMATCH', { announced: source.size, sent: bytes });
  };
  return {
    chunks: chunks(),
    get bytes() {
      return bytes;
    },
    sha256: () => hash.digest('hex'),
  };
}

/** The source may take as long as it likes for its next bytes; who waits for them may not. */
async function* interruptible(
  chunks: AsyncIterable<Uint8Array>,
  race: Interruption['race'],
): AsyncIterable<Uint8Array> {
  const reader = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await race(reader.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    void reader.return?.();
  }
}
