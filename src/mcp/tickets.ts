/** Tickets for direct transfers: all that a URL stands for, sealed into the URL itself. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { z } from 'zod';

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
const ivBytes = 12;
const tagBytes = 16;
const cipherName = 'aes-256-gcm';

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

/**
 * `key` must be at least 32 random bytes. Encrypted, because addresses get into the logs of proxies, where
 * neither paths nor names of people belong.
 */
export function createTickets({ key, ttlMs }: { key: Buffer; ttlMs: number }): Tickets {
  const cipherKey = Buffer.from(hkdfSync('sha256', key, '', 'proxmox-mcp-gateway transfer ticket 1', 32));
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
      const token = seal(cipherKey, JSON.stringify(sealed));
      if (token.length > maxTokenChars)
        throw new RangeError(`the ticket would have ${token.length} characters, of at most ${maxTokenChars}`);
      return { token, expiresAt: new Date(sealed.e) };
    },
    open(token) {
      const text = unseal(cipherKey, token);
      const sealed = text === undefined ? undefined : Sealed.safeParse(JSON.parse(text)).data;
      if (sealed === undefined) return undefined;
      const { n, i, e, t, a, p, m, b } = sealed;
      return { id: n, issuedAt: i, expiresAt: e, tool: t, args: a, principal: p, method: m, maxBytes: b };
    },
  };
}

function seal(key: Buffer, text: string): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv(cipherName, key, iv, { authTagLength: tagBytes });
  const parts = [iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(parts).toString('base64url');
}

function unseal(key: Buffer, token: string): string | undefined {
  if (token.length > maxTokenChars) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  // SECURITY: several texts decode to one ticket, and all but one of them are strangers to whoever compares.
  if (bytes.length <= ivBytes + tagBytes || bytes.toString('base64url') !== token) return undefined;
  const decipher = createDecipheriv(cipherName, key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    const opened = decipher.update(bytes.subarray(ivBytes, -tagBytes));
    return Buffer.concat([opened, decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
