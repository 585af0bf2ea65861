/** Guest ids from `first` to `last`, both included. */
export interface VmidRange {
  readonly first: number;
  readonly last: number;
}

export function includes(ranges: readonly VmidRange[], vmid: number): boolean {
  return ranges.some(({ first, last }) => vmid >= first && vmid <= last);
}
