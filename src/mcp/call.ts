/** A call as it comes to the gate, and its answer. */
import type { GatewayError } from '../base/errors.ts';
import type { Transfer } from '../ops/files/ends.ts';
import type { Principal } from '../policy/rules.ts';
import type { Attachment } from '../tools/define.ts';

export interface Caller {
  readonly principal: Principal;
  /** Address of the client, where there is one, for the audit log. */
  readonly client?: string | undefined;
}

export interface Call extends Caller {
  readonly tool: string;
  readonly args: unknown;
  readonly signal: AbortSignal;
  readonly onOutput?: ((text: string) => void) | undefined;
  /** Hears how far the call is. */
  readonly onState?: ((text: string) => void) | undefined;
  /** The file's other end, where the call came by a one-time URL. */
  readonly transfer?: Transfer | undefined;
}

export type Answer =
  | {
      readonly kind: 'ok';
      readonly text: string;
      readonly data: Record<string, unknown>;
      readonly attachments: readonly Attachment[];
    }
  | { readonly kind: 'error'; readonly error: GatewayError };

/** The person behind a client that can ask one. */
export interface Person {
  /** What came back on an earlier question. */
  readonly reply?: { readonly state: string; readonly agrees: boolean } | undefined;
}

/** What a person has to answer before the call is carried out. */
export interface Question {
  readonly kind: 'ask';
  readonly message: string;
  /** Comes back with the answer, as it is. */
  readonly state: string;
}
