/** The gateway's end of a transfer: where the bytes of an upload come from, where those of a download go. */

export interface Source {
  /** In bytes; undefined where it is known only at the end. */
  readonly size: number | undefined;
  /** Read once, and only as fast as the bytes are taken. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface Sink {
  /** Called once, before the first byte. `sha256`, in hexadecimal, where it is known by then. */
  begin(file: { readonly size: number; readonly sha256: string | undefined }): Promise<void>;
  /** Resolves when it can take more. The chunk is the sink's from then on. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Called once, when all bytes were written and proven to be right. What was not ended must not look whole. Rejects
   * with the signal's reason only where nothing has come into its place.
   */
  end(signal: AbortSignal): Promise<void>;
}

export type Transfer =
  | { readonly kind: 'source'; readonly source: Source }
  | { readonly kind: 'sink'; readonly sink: Sink };
