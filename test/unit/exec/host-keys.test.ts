import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { fingerprintOf, firstUse, keyTypeOf, knownHosts, pinnedKeys } from '../../../src/exec/host-keys.ts';

/** A public key in wire form, as far as anybody looks into it here. */
function key(fill: number, type = 'ssh-ed25519'): Buffer {
  const name = Buffer.from(type);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([length, name, Buffer.alloc(36, fill)]);
}

const ours = key(1);
const theirs = key(2);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64');
const line = (hosts: string, wire: Buffer) => `${hosts} ssh-ed25519 ${wire.toString('base64')} comment`;

function accepts(file: string, wire: Buffer, host = 'pve.lan', port = 22): boolean {
  return knownHosts({ text: () => file, host, port }).accepts(wire);
}

function hashed(name: string): string {
  const salt = randomBytes(20);
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

test('a fingerprint is what ssh-keygen -lf prints', () => {
  assert.equal(fingerprintOf(ours), `SHA256:${sha256(ours).replace(/=+$/, '')}`);
  assert.match(fingerprintOf(ours), /^SHA256:[A-Za-z0-9+/]{43}$/);
});

test('the type of a key is read from its wire form, whatever the bytes', () => {
  assert.equal(keyTypeOf(key(1, 'rsa-sha2-512')), 'rsa-sha2-512');
  assert.equal(keyTypeOf(Buffer.alloc(0)), '');
  assert.equal(keyTypeOf(Buffer.from([0, 0])), '');
  assert.ok(keyTypeOf(Buffer.alloc(500, 255)).length <= 64);
});

test('a pinned key is accepted, with padding and without, and no other', () => {
  const pin = `SHA256:${sha256(ours)}`;
  for (const pins of [[pin], [pin.replace(/=+$/, '')], [`SHA256:${sha256(theirs)}`, pin]]) {
    assert.equal(pinnedKeys(pins).accepts(ours), true);
    assert.equal(pinnedKeys(pins).accepts(key(3)), false);
  }
  assert.equal(pinnedKeys([]).accepts(ours), false);
  assert.equal(pinnedKeys([pin.slice(0, -4)]).accepts(ours), false);
  assert.equal(pinnedKeys([pin.toLowerCase()]).accepts(ours), false);
});

test('a plain line counts for its host and its key', () => {
  assert.equal(accepts(line('pve.lan', ours), ours), true);
  assert.equal(accepts(line('pve.lan', ours), theirs), false);
  assert.equal(accepts(line('other.lan', ours), ours), false);
  assert.equal(accepts(line('PVE.lan,192.0.2.1', ours), ours), true);
  assert.equal(accepts(line('pve.lan', ours), ours, 'PVE.LAN'), true);
});

test('empty lines, comments, blanks and CRLF do not matter', () => {
  const file = `# ${line('pve.lan', theirs)}\r\n\r\n  \t${line('pve.lan', ours)}\r\n`;
  assert.equal(accepts(file, ours), true);
  assert.equal(accepts(file, theirs), false);
  for (const broken of [
    '',
    'pve.lan',
    'pve.lan ssh-ed25519',
    '@revoked',
    '@cert-authority pve.lan',
    '|1|x|y',
  ])
    assert.equal(accepts(broken, ours), false, broken);
});

test('a port other than 22 has a name of its own', () => {
  assert.equal(accepts(line('[pve.lan]:2222', ours), ours, 'pve.lan', 2222), true);
  assert.equal(accepts(line('[pve.lan]:2222', ours), ours, 'pve.lan', 22), false);
  assert.equal(accepts(line('[pve.lan]:2222', ours), ours, 'pve.lan', 2223), false);
  assert.equal(accepts(line('pve.lan', ours), ours, 'pve.lan', 2222), false);
  assert.equal(accepts(line('[::1]:2222', ours), ours, '::1', 2222), true);
});

test('a hashed line counts for the name that was hashed', () => {
  assert.equal(accepts(line(hashed('pve.lan'), ours), ours), true);
  assert.equal(accepts(line(hashed('pve.lan'), ours), theirs), false);
  assert.equal(accepts(line(hashed('other.lan'), ours), ours), false);
  assert.equal(accepts(line(hashed('[pve.lan]:2222'), ours), ours, 'pve.lan', 2222), true);
});

/** ssh writes names in lower case before it hashes them. */
test('a hashed line is found for a name in capitals too', () => {
  assert.equal(accepts(line(hashed('pve.lan'), ours), ours, 'PVE.lan'), true);
});

test('wildcards match names, dots are only dots, and a negated pattern wins', () => {
  assert.equal(accepts(line('*.lan', ours), ours), true);
  assert.equal(accepts(line('pv?.lan', ours), ours), true);
  assert.equal(accepts(line('*', ours), ours), true);
  assert.equal(accepts(line('pve?lan.', ours), ours), false);
  assert.equal(accepts(line('pve.lan', ours), ours, 'pvexlan'), false);
  assert.equal(accepts(line('*.lan,!pve.lan', ours), ours), false);
  assert.equal(accepts(line('!pve.lan,*.lan', ours), ours), false);
  assert.equal(accepts(line('!other.lan,*.lan', ours), ours), true);
  assert.equal(accepts(line('!other.lan', ours), ours), false);
});

test('a revoked key is refused, wherever its line stands', () => {
  const revoked = `@revoked ${line('*', ours)}`;
  assert.equal(accepts(`${revoked}\n${line('pve.lan', ours)}`, ours), false);
  assert.equal(accepts(`${line('pve.lan', ours)}\n${revoked}`, ours), false);
  assert.equal(accepts(`${revoked}\n${line('pve.lan', theirs)}`, theirs), true);
  assert.equal(accepts(`@revoked ${line('other.lan', ours)}\n${line('pve.lan', ours)}`, ours), true);
});

test('the key of a certificate authority is not a host key', () => {
  assert.equal(accepts(`@cert-authority ${line('*', ours)}`, ours), false);
});

test('a changed file counts at the next check', () => {
  let file = line('pve.lan', ours);
  const policy = knownHosts({ text: () => file, host: 'pve.lan', port: 22 });
  assert.equal(policy.accepts(ours), true);
  file = line('pve.lan', theirs);
  assert.equal(policy.accepts(ours), false);
});

/** It is asked in the middle of a handshake, where an exception reads as a host that cannot be reached. */
test('a file that is gone accepts nothing and throws nothing', () => {
  const gone = () => {
    throw new Error('ENOENT');
  };
  assert.equal(knownHosts({ text: gone, host: 'pve.lan', port: 22 }).accepts(ours), false);
  assert.equal(firstUse({ remembered: gone, remember: () => {} }).accepts(ours), false);
});

test('a key that cannot be remembered is not accepted', () => {
  const full = () => {
    throw new Error('ENOSPC');
  };
  assert.equal(firstUse({ remembered: () => undefined, remember: full }).accepts(ours), false);
});

test('the first key is remembered, and from then on no other is accepted', () => {
  let known: string | undefined;
  const policy = firstUse({
    remembered: () => known,
    remember: (fingerprint) => {
      known = fingerprint;
    },
  });
  assert.equal(policy.accepts(ours), true);
  assert.equal(known, fingerprintOf(ours));
  assert.equal(policy.accepts(theirs), false);
  assert.equal(policy.accepts(ours), true);
  assert.equal(known, fingerprintOf(ours));
});
