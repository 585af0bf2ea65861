/** New ed25519 keys in OpenSSH's format; ssh2's own generator now and then makes one that it cannot read. */
import { generateKeyPairSync, randomInt } from 'node:crypto';
import ssh2 from 'ssh2';

function field(bytes: Buffer | string): Buffer {
  const content = Buffer.from(bytes);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The public half of a private key in OpenSSH's format, as known_hosts has it: `ssh-ed25519 AAAA…`. */
export function publicKeyOf(privateKey: string): string {
  const parsed = [ssh2.utils.parseKey(privateKey)].flat()[0];
  if (parsed === undefined || parsed instanceof Error) throw parsed ?? new TypeError('the text holds no key');
  return `${parsed.type} ${parsed.getPublicSSH().toString('base64')}`;
}

/** The layout is OpenSSH's PROTOCOL.key, without a passphrase. */
export function newPrivateKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  const [seed, point] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')];
  const publicPart = Buffer.concat([field('ssh-ed25519'), field(point)]);
  const check = number(randomInt(2 ** 32));
  const secret = Buffer.concat([check, check, publicPart, field(Buffer.concat([seed, point])), field('lab')]);
  const padding = Buffer.from(
    Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_value, index) => index + 1),
  );
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[field('none'), field('none'), field(''), number(1)],
    ...[field(publicPart), field(Buffer.concat([secret, padding]))],
  ]);
  const lines = whole.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join(
    '\n',
  );
}
