/** What a transfer leaves behind where it is not brought to its end; written down before it begins. */

export type Residue =
  /** A directory in the staging area of a node; of the first where none is named. */
  | { readonly kind: 'staged'; readonly node?: string | undefined; readonly path: string }
  /** A temporary file beside its destination; `vmid` undefined for the host. */
  | {
      readonly kind: 'part';
      readonly vmid: number | undefined;
      readonly directory: string;
      readonly name: string;
    };

export interface UnfinishedEntry {
  readonly residue: Residue;
  /** In ms since the epoch. */
  readonly addedAt: number;
  /** The residue is gone. */
  remove(): Promise<void>;
  /** Nobody looks after it any more: it is there to be swept. */
  release(): void;
}

/** Kept outside of this process, so that a new one can sweep what a crash has left. */
export interface Unfinished {
  add(residue: Residue): Promise<UnfinishedEntry>;
  /** What nobody looks after. */
  listStale(): Promise<readonly UnfinishedEntry[]>;
}
