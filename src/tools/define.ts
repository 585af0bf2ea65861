/** What a tool is: a value, checked once where it is written down. */
import type { z } from 'zod';
import type { Toolset } from '../base/toolsets.ts';
import type { Transfer } from '../ops/files/ends.ts';
import type { Route } from '../ops/files/put.ts';
import type { Ops } from '../ops/ops.ts';
import type { Touched } from '../policy/paths.ts';
import type { Effect } from '../policy/rules.ts';

export interface ToolContext {
  readonly ops: Ops;
  readonly signal: AbortSignal;
  readonly limits: ToolLimits;
  /** Whether policy lets this caller see the guest: lists leave the others out. `every`: whether none is out of reach. */
  readonly mayReach: (vmid: number | 'every') => boolean;
  /** Hears what a command prints while it runs; undefined where nobody listens. */
  readonly onOutput: ((text: string) => void) | undefined;
  /** Hears how far a call is, in words that take the place of the former ones. */
  readonly onState: ((text: string) => void) | undefined;
  /** Throws PERMISSION_DENIED where policy does not let the call touch the file, as it really is. */
  readonly judge: (touched: Touched) => void;
  /** The other end of a transfer, where the call came by a one-time URL. */
  readonly transfer: Transfer | undefined;
  /** A one-time URL for this call. Throws INVALID_ARGUMENT where there can be none. */
  readonly issueUrl: (use: { method: 'GET' | 'PUT'; maxBytes: number }) => IssuedUrl;
}

export interface IssuedUrl {
  readonly url: string;
  readonly expiresAt: Date;
}

/** What has been transferred, for metrics and the audit log. */
export interface Transferred {
  readonly direction: 'up' | 'down';
  readonly route: Route;
  readonly bytes: number;
}

/** Content beside the text of a result. */
export type Attachment =
  | { readonly kind: 'blob'; readonly uri: string; readonly base64: string }
  | { readonly kind: 'link'; readonly uri: string; readonly name: string };

export interface ToolLimits {
  /** Code points kept of each output stream. */
  readonly maxChars: number;
  readonly maxTimeoutS: number;
  /** Of one file, whichever way it takes. */
  readonly maxFileBytes: number;
  /** Of a file inside a call or its result. */
  readonly maxInlineBytes: number;
  /** Prefixes of URLs from which Proxmox VE may be told to download; empty means none. */
  readonly downloadSources: readonly string[];
}

interface Definition<I extends z.ZodObject, O extends z.ZodObject> {
  /** At most 64 of A–Z a–z 0–9 _ */
  readonly name: string;
  readonly title: string;
  /** What a model reads before it chooses: one or two sentences. */
  readonly about: string;
  readonly toolset: Toolset;
  readonly effect: Effect;
  /**
   * What the gate must locate before it decides. With a guest, the argument `vmid` may be an id or a name, and
   * the tool sees the id; with the others there is nothing to locate.
   */
  readonly target: 'container' | 'vm' | 'guest' | 'host' | 'cluster';
  /** Without it the tool is not offered; `either` prefers what it finds. */
  readonly needs: 'ssh' | 'api' | 'either';
  /** Whether it is offered where TOOLSETS says nothing. */
  readonly everyday?: boolean;
  /** Whether calling it again with the same arguments changes nothing more. */
  readonly idempotent?: boolean;
  /** Whether it can reach beyond Proxmox VE: a shell can. */
  readonly openWorld?: boolean;
  readonly input: I;
  readonly output: O;
  /** Where the arguments decide the effect; `effect` is then the worst, and the tool is offered for the mildest. */
  readonly effectOf?: (args: z.output<I>) => Effect;
  /** Why these arguments are never carried out, completing «policy does not allow the call: …»; asked first. */
  readonly refuses?: (args: z.output<I>) => string | undefined;
  /**
   * Ids of guests that the arguments name besides `vmid`, such as that of a clone: policy judges them, too.
   * `every` where they do not say which guests the call is about.
   */
  readonly reaches?: (args: z.output<I>) => readonly number[] | 'every';
  /** The node that the arguments name where none is called `node`, for the audit log. */
  readonly nodeOf?: (args: z.output<I>) => string | undefined;
  /** What the arguments would run, for policy to judge. */
  readonly runs?: (args: z.output<I>) => { command: string; variables: readonly string[] };
  /** The file that the arguments name, for policy to judge. */
  readonly touches?: (args: z.output<I>) => { touches: Touched; mode?: number };
  readonly run: (args: z.output<I>, context: ToolContext) => Promise<z.output<O>>;
  /** The words for a person or a model; the data goes beside them. */
  readonly show: (data: z.output<O>, args: z.output<I>) => string;
  /** For the audit log, where the call ran a command. */
  readonly exitCode?: (data: z.output<O>) => number;
  /** Whether these arguments move a file at once: a principal may have only so many of those under way. */
  readonly transfers?: (args: z.output<I>) => boolean;
  readonly transferred?: (data: z.output<O>) => Transferred | undefined;
  readonly attach?: (data: z.output<O>, args: z.output<I>) => readonly Attachment[];
}

type AnyArguments = Readonly<Record<string, unknown>>;
type AnyData = Record<string, unknown>;

/** A tool of any arguments, as the gate handles it: what goes into its functions came out of its schemas. */
export interface Tool
  extends Omit<
    Definition<z.ZodObject, z.ZodObject>,
    | 'effectOf'
    | 'refuses'
    | 'reaches'
    | 'nodeOf'
    | 'runs'
    | 'touches'
    | 'run'
    | 'show'
    | 'exitCode'
    | 'transfers'
    | 'transferred'
    | 'attach'
  > {
  readonly effectOf?: (args: AnyArguments) => Effect;
  readonly refuses?: (args: AnyArguments) => string | undefined;
  readonly reaches?: (args: AnyArguments) => readonly number[] | 'every';
  readonly nodeOf?: (args: AnyArguments) => string | undefined;
  readonly touches?: (args: AnyArguments) => { touches: Touched; mode?: number };
  readonly transfers?: (args: AnyArguments) => boolean;
  readonly transferred?: (data: AnyData) => Transferred | undefined;
  readonly attach?: (data: AnyData, args: AnyArguments) => readonly Attachment[];
  readonly runs?: (args: AnyArguments) => { command: string; variables: readonly string[] };
  readonly run: (args: AnyArguments, context: ToolContext) => Promise<AnyData>;
  readonly show: (data: AnyData, args: AnyArguments) => string;
  readonly exitCode?: (data: AnyData) => number;
}

/** Forgets the types of one tool's arguments so that it can stand in a list with others. */
export function defineTool<I extends z.ZodObject, O extends z.ZodObject>(definition: Definition<I, O>): Tool {
  return definition as unknown as Tool;
}
