import assert from 'node:assert/strict';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import type { Trust } from '../../../src/pve/trust.ts';
import { type Certificate, makeAuthority, makeCertificate } from './certificates.ts';
import { give } from './https-server.ts';
import { client, endWorlds, failing, get, standIn } from './world.ts';

const pins = (...texts: string[]): Trust => ({ kind: 'pins', fingerprints: () => texts });
const ca = (text: string): Trust => ({ kind: 'ca', text: () => text });

async function nodeWith(certificate: Certificate) {
  return await standIn((_, response) => give(response, { version: '9.2' }), { certificate });
}

async function refusal(certificate: Certificate, trust: Trust) {
  const node = await nodeWith(certificate);
  const pve = client({ endpoints: [node], trust });
  const error = await failing('API_TLS_REFUSED', get(pve));
  assert.deepEqual(node.heard, [], 'nothing is sent to whom nobody trusts');
  assert.deepEqual(pve.status(), { reachable: false, problem: 'API_TLS_REFUSED' });
  return error.message;
}

async function accepted(certificate: Certificate, trust: Trust) {
  const node = await nodeWith(certificate);
  assert.deepEqual(await get(client({ endpoints: [node], trust })), { version: '9.2' });
}

afterEach(endWorlds);

describe('by the CA', () => {
  test('a certificate signed by the cluster is accepted with the cluster as its CA', async () => {
    const issuer = makeAuthority();
    await accepted(makeCertificate({ issuer }), ca(issuer.cert));
  });

  test("a node's own certificate in the CA file is as good", async () => {
    const certificate = makeCertificate();
    await accepted(certificate, ca(certificate.cert));
    const leaf = makeCertificate({ issuer: makeAuthority() });
    await accepted(leaf, ca(leaf.cert));
  });

  test('one signed by itself is refused by the CAs of the machine, and its fingerprint is told', async () => {
    const certificate = makeCertificate();
    const message = await refusal(certificate, { kind: 'system' });
    assert.match(message, /signed by itself/);
    assert.ok(message.includes(certificate.fingerprint), message);
  });

  test('one of another cluster is refused', async () => {
    const certificate = makeCertificate({ issuer: makeAuthority('another') });
    const message = await refusal(certificate, ca(makeAuthority('ours').cert));
    assert.match(message, /a CA that is not known/);
    assert.ok(message.includes(certificate.fingerprint), message);
  });

  test('one that has the right CA by name only is refused', async () => {
    const issuer = makeAuthority('a cluster');
    await refusal(makeCertificate({ issuer }), ca(makeAuthority('a cluster').cert));
  });

  test('one for another name is refused, though the CA is right', async () => {
    const issuer = makeAuthority();
    const certificate = makeCertificate({ issuer, names: ['pve9.lan', '192.0.2.9'] });
    assert.match(await refusal(certificate, ca(issuer.cert)), /it is for another name/);
  });

  test('one that has expired, or is not valid yet, is refused', async () => {
    const issuer = makeAuthority();
    const expired = makeCertificate({ issuer, fromDays: -9, toDays: -1 });
    assert.match(await refusal(expired, ca(issuer.cert)), /it has expired/);
    const early = makeCertificate({ issuer, fromDays: 1, toDays: 9 });
    assert.match(await refusal(early, ca(issuer.cert)), /it is not valid yet/);
  });

  test('a file that cannot be read, or holds no certificate, accepts nobody', async () => {
    const certificate = makeCertificate();
    const gone: Trust = {
      kind: 'ca',
      text: () => {
        throw new Error('ENOENT');
      },
    };
    assert.match(await refusal(certificate, gone), /cannot be read/);
    assert.match(await refusal(certificate, ca('')), /cannot be read/);
    const damaged = '-----BEGIN CERTIFICATE-----\nMIIBroken\n-----END CERTIFICATE-----\n';
    await refusal(certificate, ca(damaged));
  });

  test('a switch for the whole process changes nothing', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      await refusal(makeCertificate(), { kind: 'system' });
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });
});

describe('by the fingerprint', () => {
  test('neither name nor time nor CA counts, and the form of the pin does not either', async () => {
    const certificate = makeCertificate({ names: ['elsewhere'], fromDays: -9, toDays: -1 });
    const { fingerprint } = certificate;
    const bare = fingerprint.replaceAll(':', '');
    for (const pin of [fingerprint, fingerprint.toLowerCase(), bare, bare.toLowerCase(), ` ${bare}\n`])
      await accepted(certificate, pins(pin));
    await accepted(certificate, pins('nonsense', makeCertificate().fingerprint, fingerprint));
  });

  test('another one is refused, and the one seen is told', async () => {
    const certificate = makeCertificate();
    const message = await refusal(certificate, pins(makeCertificate().fingerprint));
    assert.match(message, /it is not the pinned one/);
    assert.ok(message.includes(certificate.fingerprint), message);
  });

  test('a good CA does not make up for it', async () => {
    const issuer = makeAuthority();
    await refusal(makeCertificate({ issuer }), pins(issuer.fingerprint));
  });

  test('without any that could match, nobody is accepted', async () => {
    const certificate = makeCertificate();
    const { fingerprint } = certificate;
    for (const text of ['', fingerprint.slice(3), `${fingerprint}:00`, fingerprint.replace(/^./, 'x')])
      assert.match(await refusal(certificate, pins(text)), /no pinned SHA-256 fingerprint/);
    assert.match(await refusal(certificate, pins()), /no pinned SHA-256 fingerprint/);
    const gone: Trust = {
      kind: 'pins',
      fingerprints: () => {
        throw new Error('ENOENT');
      },
    };
    assert.match(await refusal(certificate, gone), /cannot be read/);
  });
});

describe('when the certificate is renewed', () => {
  test('with a pin: refused, and accepted once the pin has changed, by the same client', async () => {
    const [old, renewed] = [makeCertificate(), makeCertificate()];
    const node = await nodeWith(old);
    let pin = old.fingerprint;
    const pve = client({ endpoints: [node], trust: { kind: 'pins', fingerprints: () => [pin] } });
    node.handler = (_, response) => {
      response.setHeader('connection', 'close');
      give(response, 'fine');
    };
    assert.equal(await get(pve), 'fine');
    node.certificate = renewed;
    const error = await failing('API_TLS_REFUSED', get(pve));
    assert.ok(error.message.includes(renewed.fingerprint), error.message);
    assert.equal(node.heard.length, 1);
    pin = renewed.fingerprint;
    assert.equal(await get(pve), 'fine');
    assert.deepEqual(pve.status(), { reachable: true });
  });

  test('with a CA: a certificate of the same CA is accepted, and another CA once the file has changed', async () => {
    const [ours, next] = [makeAuthority('ours'), makeAuthority('next')];
    const node = await nodeWith(makeCertificate({ issuer: ours }));
    let text = ours.cert;
    const pve = client({ endpoints: [node], trust: { kind: 'ca', text: () => text } });
    node.handler = (_, response) => {
      response.setHeader('connection', 'close');
      give(response, 'fine');
    };
    assert.equal(await get(pve), 'fine');
    node.certificate = makeCertificate({ issuer: ours });
    assert.equal(await get(pve), 'fine');
    node.certificate = makeCertificate({ issuer: next });
    await failing('API_TLS_REFUSED', get(pve));
    text = next.cert;
    assert.equal(await get(pve), 'fine');
  });
});

test('whoever is not verified is believed', async () => {
  await accepted(makeCertificate({ names: ['elsewhere'], toDays: -1, fromDays: -2 }), { kind: 'off' });
});

describe('what is no TLS of today', () => {
  let server: Server;
  const listening = async (made: Server) => {
    server = made;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    return { host: '127.0.0.1', port: address.port };
  };
  afterEach(() => void server.close());

  test('TLS 1.1 is refused', async () => {
    const { cert, key } = makeCertificate();
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const tls = createTlsServer({ cert, key, ...old }, (socket) => socket.destroy());
    tls.on('tlsClientError', () => {});
    const endpoint = await listening(tls);
    const error = await failing('API_UNREACHABLE', get(client({ endpoints: [endpoint] })));
    assert.match(error.message, /no TLS connection could be agreed on/);
  });

  test('a port without TLS gets no request in clear', async () => {
    const heard: Buffer[] = [];
    const endpoint = await listening(
      createTcpServer((socket: Socket) => {
        socket.on('data', (bytes) => {
          heard.push(bytes);
          socket.end('HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n');
        });
        socket.on('error', () => {});
      }),
    );
    const error = await failing('API_UNREACHABLE', get(client({ endpoints: [endpoint] })));
    assert.match(error.message, /is it the port of the REST API/);
    assert.doesNotMatch(Buffer.concat(heard).toString('latin1'), /PVEAPIToken|GET /);
  });
});
