/** Reads the start of a waiting shell's output: noise, «nonce pgid», «nonce go», then the announcement where one is due. */

/** How much of what a login script prints before the command is kept to look for the shell's own line. */
const maxNoiseBytes = 64 * 1024;

export interface StartReader {
  /** Gives back what belongs to the command's own output. */
  push(chunk: Buffer): Buffer;
  readonly pgid: number | undefined;
  /** The shell has taken the order. */
  readonly started: boolean;
  /** The announcement came, or none is due. */
  readonly begun: boolean;
}

export function createStartReader(nonce: string, announces: string | undefined): StartReader {
  const marker = Buffer.from(`${nonce} `);
  const go = Buffer.from(`${nonce} go\n`);
  const announcement = announces === undefined ? undefined : Buffer.from(`${announces}\n`);
  let pending: Buffer = Buffer.alloc(0);
  let pgid: number | undefined;
  let started = false;
  let begun = false;
  let settled = false;

  /** Login noise may hold the nonce too, when it lists processes: only a number behind it counts. */
  const readGroup = (): boolean => {
    for (let at = pending.indexOf(marker); at >= 0; at = pending.indexOf(marker, at + 1)) {
      const end = pending.indexOf(0x0a, at);
      if (end < 0) return false;
      const digits = pending.subarray(at + marker.length, end).toString('latin1');
      if (!/^[1-9]\d{0,9}$/.test(digits)) continue;
      pgid = Number(digits);
      pending = pending.subarray(end + 1);
      return true;
    }
    if (pending.length > maxNoiseBytes) pending = pending.subarray(pending.length - marker.length - 16);
    return false;
  };

  /** Nothing of the command can come before it: whatever does is a start-up file's. */
  const readGo = (): boolean => {
    const at = pending.indexOf(go);
    if (at >= 0) pending = pending.subarray(at + go.length);
    else if (pending.length > maxNoiseBytes) pending = pending.subarray(pending.length - go.length);
    return at >= 0;
  };

  /** Whether the announcement is next; undefined while that cannot be told. */
  const readAnnouncement = (line: Buffer): boolean | undefined => {
    if (pending.length < line.length && line.subarray(0, pending.length).equals(pending)) return undefined;
    if (!pending.subarray(0, line.length).equals(line)) return false;
    pending = pending.subarray(line.length);
    return true;
  };

  return {
    get pgid() {
      return pgid;
    },
    get started() {
      return started;
    },
    get begun() {
      return begun;
    },
    push(chunk) {
      if (settled) return chunk;
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      if (pgid === undefined && !readGroup()) return Buffer.alloc(0);
      if (!started && !readGo()) return Buffer.alloc(0);
      started = true;
      const announced = announcement === undefined ? true : readAnnouncement(announcement);
      if (announced === undefined) return Buffer.alloc(0);
      begun = announced;
      settled = true;
      const rest = pending;
      pending = Buffer.alloc(0);
      return rest;
    },
  };
}
