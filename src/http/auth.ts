/** From a bearer token to a principal. Knows digests only, and takes up a changed token file by itself. */
import { timingSafeEqual } from 'node:crypto';
import { digestOf, type NamedToken, parseTokens } from '../base/tokens.ts';
import type { Principal } from '../policy/rules.ts';

export interface Authenticated {
  readonly principal: Principal;
  /**
   * Calls `cut` when the token is revoked while something of its owner is under way; the returned function
   * ends the watch.
   */
  readonly whileValid: (cut: () => void) => () => void;
}

export interface Authenticator {
  /** Undefined where the header holds no valid token. */
  authenticate(authorization: string | undefined): Authenticated | undefined;
  /** For what was allowed earlier. Undefined where the principal holds no token; valid while it holds any. */
  find(name: string): Authenticated | undefined;
  close(): void;
}

const reloadMs = 1_000;

/** Everyone is the same nobody: only for a loopback address, and only where the operator said so. */
export function anyone(name: string): Authenticator {
  const authenticated: Authenticated = { principal: { name }, whileValid: () => () => {} };
  return {
    authenticate: () => authenticated,
    find: (wanted) => (wanted === name ? authenticated : undefined),
    close: () => {},
  };
}

/**
 * `text` must be valid. `reread`, where tokens come from a file, is asked every second; what it gives twice in
 * a row is used if it is valid, and onInvalid hears of it otherwise. May throw.
 */
export function bearerTokens(input: {
  text: string;
  reread?: (() => string) | undefined;
  onInvalid: (error: unknown) => void;
}): Authenticator {
  let tokens = parseTokens(input.text);
  let current = input.text;
  let rejected: string | undefined;
  let seen = input.text;
  const watches = new Map<string, Set<() => void>>();

  const takeUp = (text: string) => {
    const next = parseTokens(text);
    const kept = new Set(next.flatMap((token) => [keyOf(token), token.name]));
    const lost = new Set(
      tokens.flatMap((token) => [keyOf(token), token.name]).filter((key) => !kept.has(key)),
    );
    for (const key of lost) for (const cut of watches.get(key) ?? []) cut();
    tokens = next;
    current = text;
  };
  const reload = (reread: () => string) => {
    let text: string | undefined;
    try {
      text = reread();
      // A file that is just being written would cost those their tokens who come further down in it.
      const settled = text === seen;
      seen = text;
      if (!settled || text === current || text === rejected) return;
      takeUp(text);
      rejected = undefined;
    } catch (error) {
      // Once for each fault: a file that is gone counts as one.
      if (rejected === (text ?? '')) return;
      rejected = text ?? '';
      input.onInvalid(error);
    }
  };
  const { reread } = input;
  const timer = reread === undefined ? undefined : setInterval(() => reload(reread), reloadMs).unref();

  return {
    authenticate(authorization) {
      const presented = /^bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1];
      if (presented === undefined) return undefined;
      const digest = digestOf(presented);
      // SECURITY: every token is compared, in constant time, whichever of them fits.
      let found: NamedToken | undefined;
      for (const token of tokens) if (timingSafeEqual(token.digest, digest)) found = token;
      return (
        found && { principal: { name: found.name }, whileValid: (cut) => watch(watches, keyOf(found), cut) }
      );
    },
    find(name) {
      if (!tokens.some((token) => token.name === name)) return undefined;
      return { principal: { name }, whileValid: (cut) => watch(watches, name, cut) };
    },
    close: () => clearInterval(timer),
  };
}

/** Never the name of a principal, which has no colon. */
function keyOf({ name, digest }: NamedToken): string {
  return `${name}:${digest.toString('hex')}`;
}

function watch(watches: Map<string, Set<() => void>>, key: string, cut: () => void): () => void {
  const cuts = watches.get(key) ?? new Set();
  watches.set(key, cuts);
  cuts.add(cut);
  return () => {
    cuts.delete(cut);
    if (cuts.size === 0 && watches.get(key) === cuts) watches.delete(key);
  };
}
