/** What policy speaks of: who calls, what the call would do, and what the operator allows. */
import type { Toolset } from '../base/toolsets.ts';
import type { VmidRange } from '../base/vmids.ts';
import type { PathRules, Touched } from './paths.ts';

/** How far a tool can reach, from harmless to irreversible. One tool, one effect. */
export const effects = ['read', 'change', 'disrupt', 'destroy'] as const;
export type Effect = (typeof effects)[number];

/** Who calls: the name that belongs to the token, never the token. */
export interface Principal {
  readonly name: string;
}

/** A guest as the host knows it, not as the caller claims it. */
export interface LocatedGuest {
  readonly vmid: number;
  readonly node: string;
  readonly kind: 'container' | 'vm';
  readonly name: string | undefined;
  readonly tags: readonly string[];
}

/** A call, before it is carried out. */
export interface Intent {
  readonly tool: string;
  readonly toolset: Toolset;
  readonly effect: Effect;
  readonly vmid?: number | undefined;
  readonly guest?: LocatedGuest | undefined;
  /** Shell text that the call would run, wherever it runs. */
  readonly command?: string | undefined;
  /** Names of environment variables that the call would set. */
  readonly variables?: readonly string[];
  /** A file that the call would read or write: as the caller named it, then as it really is. */
  readonly touches?: Touched | undefined;
  /** Permission bits that the call would set. */
  readonly mode?: number | undefined;
}

export interface Rules extends PathRules {
  /** Empty means all. */
  readonly toolsets: readonly string[];
  readonly readOnly: boolean;
  readonly hostExec: boolean;
  /** Empty means all. */
  readonly allowedVmids: readonly VmidRange[];
  readonly deniedVmids: readonly VmidRange[];
  readonly dangerousCommands: boolean;
  /** Whether files may be made setuid or setgid. */
  readonly setuid: boolean;
}
