/** A certificate signed by itself: X.509 version 3, ECDSA on P-256 with SHA-256, written out in DER. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface Certificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** SHA-256 of the certificate, in upper-case hexadecimal with colons. */
  readonly fingerprint: string;
}

/** Tags of DER (X.690); 0xa0 and above are the explicit tags of the certificate. */
const tag = {
  ...{ boolean: 0x01, integer: 0x02, bitString: 0x03, octetString: 0x04, objectId: 0x06, utf8: 0x0c },
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
  dnsName: 0x82,
  address: 0x87,
} as const;

function der(type: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([type, ...length]), content]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(tag.sequence, ...parts);

function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((number) => {
    const digits = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return der(tag.objectId, Buffer.from(bytes));
}

function bitString(content: Buffer): Buffer {
  return der(tag.bitString, Buffer.from([0]), content);
}

function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return der(tag.utcTime, Buffer.from(`${digits}Z`));
}

function commonName(name: string): Buffer {
  return sequence(der(tag.set, sequence(objectId('2.5.4.3'), der(tag.utf8, Buffer.from(name)))));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der(tag.boolean, Buffer.from([0xff]))] : [];
  return sequence(objectId(id), ...flag, der(tag.octetString, value));
}

const dayMs = 86_400_000;
const validMs = 730 * dayMs;

/** For the node's name, localhost and 127.0.0.1; valid for two years from yesterday on. */
export function createCertificate(name: string, now = new Date()): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(objectId('1.2.840.10045.4.3.2'));
  const since = new Date(now.getTime() - dayMs);
  const alternatives = sequence(
    der(tag.dnsName, Buffer.from(name)),
    der(tag.dnsName, Buffer.from('localhost')),
    der(tag.address, Buffer.from([127, 0, 0, 1])),
  );
  const isAuthority = sequence(der(tag.boolean, Buffer.from([0xff])));
  // The first byte is below 0x80 and not 0: a positive number in its shortest form.
  const serial = Buffer.concat([Buffer.from([0x4d]), randomBytes(15)]);
  const body = sequence(
    der(tag.version, der(tag.integer, Buffer.from([2]))),
    der(tag.integer, serial),
    ...[algorithm, commonName(name), sequence(time(since), time(new Date(since.getTime() + validMs)))],
    ...[commonName(name), publicKey.export({ type: 'spki', format: 'der' })],
    der(
      tag.extensions,
      sequence(extension('2.5.29.19', true, isAuthority), extension('2.5.29.17', false, alternatives)),
    ),
  );
  const whole = sequence(body, algorithm, bitString(sign('sha256', body, privateKey)));
  const digest = createHash('sha256').update(whole).digest('hex').toUpperCase();
  return {
    certificatePem: pem('CERTIFICATE', whole),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    fingerprint: digest.match(/../g)?.join(':') ?? '',
  };
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
