/** What the suite of file transfers runs on: a gateway, and behind it a host with containers. */
import type { AuditLine, connectLegacy, connectModern } from '../gateway/harness.ts';

export type Where = 'container' | 'host';

/** The containers that every site has. */
export const vmids = {
  usual: 100,
  stopped: 101,
  /** Has no sha256sum. */
  bare: 120,
  /** Is stopped and started by tests. */
  mortal: 121,
} as const;

export type Oddity =
  | 'socket'
  | 'device'
  /** A regular file that says that it is empty and is not. */
  | 'pseudo';

export interface Site {
  readonly url: URL;
  readonly metricsUrl: string;
  readonly stateDir: string;
  /** A file of so many zeros can be made there, and takes more than two seconds to be streamed. */
  readonly longBytes: number;
  modern(bearer?: string): ReturnType<typeof connectModern>;
  legacy(bearer?: string): ReturnType<typeof connectLegacy>;
  audit(): Promise<AuditLine[]>;
  /** A file system of its own with so much room, on the host or in container 100. */
  mount(where: Where, path: string, freeBytes: number): Promise<void>;
  /** Nothing can be written to it from now on. */
  freeze(where: Where, path: string): Promise<void>;
  /** Puts it there; false where this site has no such thing. */
  plant(where: Where, kind: Oddity, path: string): Promise<boolean>;
  /** How long pct push and pull take at least. */
  slowPct(ms: number): void;
  /** Command lines of all processes, on the host and in its containers. */
  processes(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export type StartSite = (env: Record<string, string>) => Promise<Site>;
