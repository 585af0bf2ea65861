/** Which SSH host keys are accepted: pinned fingerprints, a known_hosts file, or the first one seen. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface HostKeyPolicy {
  /**
   * Whether the key that a server shows, in wire form, is accepted. Called before anything is sent that
   * could help an impostor. Never throws.
   */
  accepts(key: Buffer): boolean;
}

/** OpenSSH's SHA256:… form, without padding. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The algorithm name that begins every public key in wire form. */
export function keyTypeOf(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0;
  return key.subarray(4, 4 + Math.min(length, 64)).toString('latin1');
}

export function pinnedKeys(fingerprints: readonly string[]): HostKeyPolicy {
  const pins = fingerprints.map((pin) => Buffer.from(pin.replace(/=+$/, '')));
  return {
    accepts(key) {
      const seen = Buffer.from(fingerprintOf(key));
      return pins.some((pin) => pin.length === seen.length && timingSafeEqual(pin, seen));
    },
  };
}

/** `text` is re-read at every check, so that a changed file counts from the next connect on. */
export function knownHosts(input: { text: () => string; host: string; port: number }): HostKeyPolicy {
  const host = input.host.toLowerCase();
  const name = input.port === 22 ? host : `[${host}]:${input.port}`;
  return cautious((key) => {
    const encoded = key.toString('base64');
    let accepted = false;
    for (const line of input.text().split('\n')) {
      const entry = parseKnownHost(line);
      if (entry === undefined || !matchesHost(entry.hosts, name) || entry.key !== encoded) continue;
      if (entry.revoked) return false;
      accepted = true;
    }
    return accepted;
  });
}

/** Accepts and remembers the first key of a host, and from then on no other. */
export function firstUse(input: {
  remembered: () => string | undefined;
  remember: (fingerprint: string) => void;
}): HostKeyPolicy {
  return cautious((key) => {
    const seen = fingerprintOf(key);
    const before = input.remembered();
    if (before !== undefined) return before === seen;
    input.remember(seen);
    return true;
  });
}

/** SECURITY: a policy that cannot read or write what it goes by accepts nothing. */
function cautious(accepts: (key: Buffer) => boolean): HostKeyPolicy {
  return {
    accepts(key) {
      try {
        return accepts(key);
      } catch {
        return false;
      }
    },
  };
}

interface KnownHost {
  readonly hosts: string;
  readonly key: string;
  readonly revoked: boolean;
}

/** A line of known_hosts as sshd(8) describes it; certificate authorities are not used here. */
function parseKnownHost(line: string): KnownHost | undefined {
  const fields = line.trim().split(/\s+/);
  if (fields[0] === undefined || fields[0] === '' || fields[0].startsWith('#')) return undefined;
  const marker = fields[0].startsWith('@') ? fields.shift() : undefined;
  const [hosts, , key] = fields;
  if (hosts === undefined || key === undefined || marker === '@cert-authority') return undefined;
  return { hosts, key, revoked: marker === '@revoked' };
}

function matchesHost(patterns: string, name: string): boolean {
  const hashed = /^\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)$/.exec(patterns);
  if (hashed !== null) {
    const digest = createHmac('sha1', Buffer.from(hashed[1] ?? '', 'base64'))
      .update(name)
      .digest('base64');
    return digest === hashed[2];
  }
  let matched = false;
  for (const pattern of patterns.split(',')) {
    const negated = pattern.startsWith('!');
    const glob = (negated ? pattern.slice(1) : pattern).toLowerCase();
    const source = glob
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    if (!new RegExp(`^${source}$`).test(name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}
