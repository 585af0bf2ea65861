/** Moments as people read them. */

/** From ISO 8601: `2026-11-21 00:50:36 UTC`. */
export function momentText(iso: string | undefined): string {
  return iso === undefined ? 'unknown time' : `${iso.slice(0, 19).replace('T', ' ')} UTC`;
}
