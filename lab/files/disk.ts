/** What the bytes of files lie on: a bound, and whether anything may be written. */

export interface Disk {
  /** Bound on the bytes of all files together. */
  maxBytes: number;
  usedBytes: number;
  isReadOnly: boolean;
}

export function createDisk(maxBytes: number): Disk {
  return { maxBytes, usedBytes: 0, isReadOnly: false };
}
