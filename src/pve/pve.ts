/** What it means to use Proxmox VE's REST API, whichever node answers. */
import type { z } from 'zod';
import type { ApiPath } from './api-path.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Undefined values are left out, booleans become 0 and 1, arrays repeat their key. */
export type Params = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface PveRequest {
  readonly method: Method;
  readonly path: ApiPath;
  /** In the query of GET and DELETE, in the body of the others. */
  readonly params?: Params;
  readonly signal: AbortSignal;
  /** Completes «Proxmox VE could not …» and «was asked to …», for people. */
  readonly action: string;
  /** Of the answer's body; 8 MiB where nothing is said. */
  readonly maxBytes?: number;
  /** Of the whole call, all attempts of a GET included; 30 s where nothing is said. */
  readonly timeoutMs?: number;
  /** `answer` reads the whole answer, so also what stands beside its `data`, such as the `total` of a log. */
  readonly whole?: boolean;
  /** The work is a task's, so that a refusal has changed nothing. */
  readonly startsTask?: boolean;
}

export interface PveStatus {
  /** Whether the latest call that went out was answered, whatever the answer, by somebody who accepts the token. */
  readonly reachable: boolean;
  /** The code of what keeps the API out of reach. */
  readonly problem?: string;
}

export interface Pve {
  /**
   * One call; the answer's `data`, read by `answer`. GET is tried again where that can help, everything else
   * is sent once. Throws API_* errors of the table, UNEXPECTED_ANSWER where `answer` does not fit, CANCELLED_EARLY.
   */
  request<T>(request: PveRequest, answer: z.ZodType<T>): Promise<T>;
  /** A static file of the node outside /api2, such as its API schema, as text; at most maxBytes. */
  file(path: string, options: { signal: AbortSignal; maxBytes: number }): Promise<string>;
  status(): PveStatus;
  close(): Promise<void>;
}
