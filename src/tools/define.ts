/** What a tool is: a value, checked once where it is written down. */
import type { z } from 'zod';
import type { Toolset } from '../base/toolsets.ts';
import type { Ops } from '../ops/ops.ts';
import type { Effect } from '../policy/rules.ts';

export interface ToolContext {
  readonly ops: Ops;
  readonly signal: AbortSignal;
  readonly limits: ToolLimits;
  /** Whether policy lets this caller see the guest: lists leave the others out. */
  readonly mayReach: (vmid: number) => boolean;
  /** Hears what a command prints while it runs; undefined where nobody listens. */
  readonly onOutput: ((text: string) => void) | undefined;
}

export interface ToolLimits {
  /** Code points kept of each output stream. */
  readonly maxChars: number;
  readonly maxTimeoutS: number;
}

interface Definition<I extends z.ZodObject, O extends z.ZodObject> {
  /** At most 64 of A–Z a–z 0–9 _ */
  readonly name: string;
  readonly title: string;
  /** What a model reads before it chooses: one or two sentences. */
  readonly about: string;
  readonly toolset: Toolset;
  readonly effect: Effect;
  /** What the gate must locate before it decides. */
  readonly target: 'container' | 'host';
  /** Whether calling it again with the same arguments changes nothing more. */
  readonly idempotent?: boolean;
  /** Whether it can reach beyond Proxmox VE: a shell can. */
  readonly openWorld?: boolean;
  readonly input: I;
  readonly output: O;
  /** What the arguments would run, for policy to judge. */
  readonly runs?: (args: z.output<I>) => { command: string; variables: readonly string[] };
  readonly run: (args: z.output<I>, context: ToolContext) => Promise<z.output<O>>;
  /** The words for a person or a model; the data goes beside them. */
  readonly show: (data: z.output<O>, args: z.output<I>) => string;
  /** For the audit log, where the call ran a command. */
  readonly exitCode?: (data: z.output<O>) => number;
}

type AnyArguments = Readonly<Record<string, unknown>>;
type AnyData = Record<string, unknown>;

/** A tool of any arguments, as the gate handles it: what goes into its functions came out of its schemas. */
export interface Tool
  extends Omit<Definition<z.ZodObject, z.ZodObject>, 'runs' | 'run' | 'show' | 'exitCode'> {
  readonly runs?: (args: AnyArguments) => { command: string; variables: readonly string[] };
  readonly run: (args: AnyArguments, context: ToolContext) => Promise<AnyData>;
  readonly show: (data: AnyData, args: AnyArguments) => string;
  readonly exitCode?: (data: AnyData) => number;
}

/** Forgets the types of one tool's arguments so that it can stand in a list with others. */
export function defineTool<I extends z.ZodObject, O extends z.ZodObject>(definition: Definition<I, O>): Tool {
  return definition as unknown as Tool;
}
