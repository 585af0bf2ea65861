/** Tickets for direct transfers: all that a URL stands for, sealed into the URL itself. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { createSealer } from './seal.ts';

export interface TicketClaim {
  readonly tool: string;
  /** As the tool has validated them. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly principal: string;
  readonly method: 'GET' | 'PUT';
  readonly maxBytes: number;
}

export interface OpenedTicket extends TicketClaim {
  /** Random, and never that of another ticket. */
  readonly id: string;
  /** In milliseconds since 1970, like the next. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export interface Tickets {
  /** Throws RangeError where the claim is too long for a URL. */
  issue(claim: TicketClaim): { readonly token: string; readonly expiresAt: Date };
  /** What a genuine ticket says, expired or not; undefined for everything else. */
  open(token: string): OpenedTicket | undefined;
}

/** nginx takes 8 KiB for the whole request line. */
const maxTokenChars = 8_000;

const Sealed = z.object({
  n: z.string(),
  i: z.number(),
  e: z.number(),
  t: z.string(),
  a: z.record(z.string(), z.unknown()),
  p: z.string(),
  m: z.enum(['GET', 'PUT']),
  b: z.number(),
});

/** `key` must be at least 32 random bytes. */
export function createTickets({ key, ttlMs }: { key: Buffer; ttlMs: number }): Tickets {
  const sealer = createSealer({ key, purpose: 'transfer ticket 1', maxChars: maxTokenChars });
  return {
    issue(claim) {
      const issuedAt = Date.now();
      const sealed: z.output<typeof Sealed> = {
        n: randomBytes(16).toString('base64url'),
        i: issuedAt,
        e: issuedAt + ttlMs,
        t: claim.tool,
        a: claim.args,
        p: claim.principal,
        m: claim.method,
        b: claim.maxBytes,
      };
      return { token: sealer.seal(sealed), expiresAt: new Date(sealed.e) };
    },
    open(token) {
      const sealed = Sealed.safeParse(sealer.open(token)).data;
      if (sealed === undefined) return undefined;
      const { n, i, e, t, a, p, m, b } = sealed;
      return { id: n, issuedAt: i, expiresAt: e, tool: t, args: a, principal: p, method: m, maxBytes: b };
    },
  };
}
