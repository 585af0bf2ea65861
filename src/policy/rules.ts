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
  /** Whether the tool is offered where TOOLSETS says nothing. */
  readonly everyday?: boolean | undefined;
  readonly vmid?: number | undefined;
  readonly guest?: LocatedGuest | undefined;
  /** Ids of further guests that the call would touch or make; `every` where it does not say which. */
  readonly reaches?: readonly number[] | 'every' | undefined;
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
  /** Names of toolsets, and `all` and `default`; empty means default. */
  readonly toolsets: readonly string[];
  readonly readOnly: boolean;
  readonly hostExec: boolean;
  /** Whether what cannot be undone is carried out at all. */
  readonly destructive: boolean;
  /** Whether what cannot be undone is refused to clients that cannot ask a person. */
  readonly requireConfirmation: boolean;
  /** Empty means all. */
  readonly allowedVmids: readonly VmidRange[];
  readonly deniedVmids: readonly VmidRange[];
  readonly dangerousCommands: boolean;
  /** Whether files may be made setuid or setgid. */
  readonly setuid: boolean;
}
