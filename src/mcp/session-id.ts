/** Session ids that carry what it takes to reopen the session: sealed, so that nobody can make one up. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

/** What a client said when it opened the session, and who it was. */
export interface SessionSeed {
  readonly principal: string;
  readonly protocolVersion: string;
  readonly capabilities: Record<string, unknown>;
  readonly clientInfo: { readonly name: string; readonly version: string };
}

export interface SessionSealer {
  seal(seed: SessionSeed): string;
  /** The seed of a genuine id that is not too old; undefined for everything else. */
  open(id: string): SessionSeed | undefined;
}

/** The id travels in a header of every request. */
const maxCapabilitiesBytes = 2_000;
const maxNameChars = 100;
const maxIdChars = 6_000;
const maxAgeMs = 7 * 24 * 3600 * 1000;

const Sealed = z.object({
  n: z.string(),
  t: z.number(),
  p: z.string(),
  v: z.string(),
  c: z.record(z.string(), z.unknown()),
  i: z.object({ name: z.string(), version: z.string() }),
});

/** `key` must be at least 32 random bytes, kept across restarts. */
export function createSessionSealer({ key }: { key: Buffer }): SessionSealer {
  const tagOf = (body: string) => createHmac('sha256', key).update(`session\0${body}`).digest('base64url');
  return {
    seal(seed) {
      const sealed: z.output<typeof Sealed> = {
        n: randomBytes(9).toString('base64url'),
        t: Date.now(),
        p: seed.principal,
        v: seed.protocolVersion.slice(0, 32),
        c: bounded(seed.capabilities),
        i: {
          name: seed.clientInfo.name.slice(0, maxNameChars),
          version: seed.clientInfo.version.slice(0, maxNameChars),
        },
      };
      const body = Buffer.from(JSON.stringify(sealed)).toString('base64url');
      return `${body}.${tagOf(body)}`;
    },
    open(id) {
      const [body = '', tag = '', rest] = id.length <= maxIdChars ? id.split('.') : [];
      // SECURITY: compared as text, because several texts decode to one tag and closed ids are kept as text.
      const given = Buffer.from(tag);
      const right = Buffer.from(tagOf(body));
      if (rest !== undefined || given.length !== right.length || !timingSafeEqual(given, right))
        return undefined;
      const { p, v, c, i, t } = Sealed.parse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')));
      if (Date.now() - t > maxAgeMs) return undefined;
      return { principal: p, protocolVersion: v, capabilities: c, clientInfo: i };
    },
  };
}

/** Capabilities too long for a header lose their details, not their names. */
function bounded(capabilities: Record<string, unknown>): Record<string, unknown> {
  if (Buffer.byteLength(JSON.stringify(capabilities)) <= maxCapabilitiesBytes) return capabilities;
  const known = ['elicitation', 'roots', 'sampling'].filter((name) => name in capabilities);
  return Object.fromEntries(known.map((name) => [name, {}]));
}
