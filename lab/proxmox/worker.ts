/** Who carries out what takes time on a node: a process at the command line, or a task of the API. */

export interface Worker {
  /** A byte string. */
  out(bytes: string): Promise<void>;
  err(bytes: string): Promise<void>;
  sleep(ms: number): Promise<void>;
  readonly signal: AbortSignal;
}
