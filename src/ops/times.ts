/** Moments as Proxmox VE gives them: seconds since 1970. */

/** Undefined for what no calendar has, and for 0, which stands for unknown. */
export function timeOf(seconds: number | undefined): Date | undefined {
  const date = new Date((seconds ?? Number.NaN) * 1000);
  return seconds === 0 || Number.isNaN(date.getTime()) ? undefined : date;
}
