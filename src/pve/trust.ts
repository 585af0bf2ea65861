/** Which TLS certificates are accepted: by a CA, by their fingerprint, or any. Decided anew for each connection. */
import { createHash, timingSafeEqual, type X509Certificate } from 'node:crypto';
import tls, { type ConnectionOptions, type SecureContext, type TLSSocket } from 'node:tls';

export type Trust =
  /** The certificate authorities that this machine and Node know. */
  | { readonly kind: 'system' }
  /** Only those in this PEM text. Read anew for each connection. Throws where it cannot be read. */
  | { readonly kind: 'ca'; readonly text: () => string }
  /**
   * Only a certificate with one of these SHA-256 fingerprints: hex in any case, with or without colons. Neither
   * its name nor who signed it counts. Read anew for each connection. Throws where they cannot be read.
   */
  | { readonly kind: 'pins'; readonly fingerprints: () => readonly string[] }
  /** SECURITY: whoever answers is believed, and is sent the token. */
  | { readonly kind: 'off' };

export interface Shown {
  readonly socket: TLSSocket;
  readonly certificate: X509Certificate | undefined;
}

export interface Judge {
  readonly options: ConnectionOptions;
  /** What is wrong with the certificate that the peer has shown; undefined where it is accepted. */
  readonly objection: (shown: Shown) => string | undefined;
}

/** What is wrong with the trust itself, in plain words: nothing can be accepted. */
export class NoTrust extends Error {}

/** What is made is asked for a judge at each connection, and throws NoTrust where nobody can be accepted. */
export function createCourt(trust: Trust): () => Judge {
  switch (trust.kind) {
    case 'off':
      return () => ({ options: {}, objection: () => undefined });
    case 'system': {
      // Some hundred certificates, and they take a moment: read once.
      let known: SecureContext | undefined;
      return () => {
        known ??= systemContext();
        return { options: { secureContext: known }, objection };
      };
    }
    case 'ca':
      return () => ({ options: { secureContext: contextOf(trust.text) }, objection });
    case 'pins':
      return () => {
        const pins = pinsOf(trust.fingerprints);
        return {
          options: {},
          objection: (shown) => (pinned(shown, pins) ? undefined : 'it is not the pinned one'),
        };
      };
  }
}

/** Node's own list does not have what the machine was given; Node before 22 knows no more than its own. */
function systemContext(): SecureContext {
  const lists = ['default', 'system'] as const;
  const ca = lists.flatMap((list) => tls.getCACertificates?.(list) ?? []);
  return tls.createSecureContext(ca.length === 0 ? {} : { ca });
}

function contextOf(text: () => string): SecureContext {
  try {
    const ca = text();
    if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw new Error('no certificate');
    // A node's own certificate in place of its CA's is as good: it is what the operator trusts.
    return tls.createSecureContext({ ca, allowPartialTrustChain: true });
  } catch (cause) {
    throw new NoTrust('the file of trusted certificates cannot be read, or has none', { cause });
  }
}

function pinsOf(fingerprints: () => readonly string[]): readonly Buffer[] {
  let texts: readonly string[];
  try {
    texts = fingerprints();
  } catch (cause) {
    throw new NoTrust('the pinned fingerprints cannot be read', { cause });
  }
  const pins = texts
    .map((text) => text.replaceAll(':', '').trim())
    .filter((text) => /^[0-9a-f]{64}$/i.test(text))
    .map((text) => Buffer.from(text, 'hex'));
  if (pins.length === 0) throw new NoTrust('there is no pinned SHA-256 fingerprint to compare it with');
  return pins;
}

function pinned({ certificate }: Shown, pins: readonly Buffer[]): boolean {
  if (certificate === undefined) return false;
  const seen = createHash('sha256').update(certificate.raw).digest();
  return pins.some((pin) => timingSafeEqual(pin, seen));
}

/** What Node found of chain, time and name, in plain words. */
function objection({ socket }: Shown): string | undefined {
  if (socket.authorized) return undefined;
  // Declared as an Error, and a code or a message in truth.
  const code = String(socket.authorizationError);
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return 'it has expired';
    case 'CERT_NOT_YET_VALID':
      return 'it is not valid yet';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'it is for another name';
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return 'it is signed by itself, and not known';
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return 'it is signed by a CA that is not known';
    default:
      return /^[A-Z_]{1,64}$/.test(code) ? `it is not valid: ${code}` : 'it is not valid';
  }
}
