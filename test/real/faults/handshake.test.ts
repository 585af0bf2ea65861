/** Connecting through a link, or to a server, that fails at any stage: an error in time, and never more. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { GatewayError } from '../../../src/base/errors.ts';
import { connect } from '../../../src/exec/connect.ts';
import { pinnedKeys } from '../../../src/exec/host-keys.ts';
import { eventually } from '../../gateway/harness.ts';
import { spawnGateway } from '../../gateway/process.ts';
import { onStand } from '../harness.ts';
import { type Endpoint, type Fault, settingsOver, startFaultProxy } from '../stand/fault-proxy.ts';
import { type Sshd, startSshd } from '../stand/sshd.ts';

type Misbehaviour = (socket: Socket) => unknown;

/** What a port can turn out to be that is no SSH server, or an evil one. */
const impostors = {
  'ends at once': (socket: Socket) => socket.end(),
  'resets at once': (socket: Socket) => socket.resetAndDestroy(),
  'says nothing': () => {},
  'speaks HTTP': (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
  'sends garbage': (socket: Socket) => socket.write(Buffer.alloc(64 * 1024, 0xa5)),
  'greets with 1 MB in one line': (socket: Socket) => socket.write('x'.repeat(1024 * 1024)),
  'greets with 1 MB in many lines': (socket: Socket) =>
    socket.write('welcome to this host\r\n'.repeat(50_000)),
  'speaks SSH 1': (socket: Socket) => socket.write('SSH-1.5-old\r\n'),
  'falls silent after its greeting': (socket: Socket) => socket.write('SSH-2.0-x\r\n'),
  'announces a packet of 4 GB': (socket: Socket) =>
    socket.write('SSH-2.0-x\r\n\xff\xff\xff\xff\x04', 'latin1'),
  'sends a packet that holds nothing': (socket: Socket) =>
    socket.write('SSH-2.0-x\r\n\0\0\0\x0c\x0b', 'latin1'),
  'sends garbage after its greeting': (socket: Socket) => {
    socket.write('SSH-2.0-x\r\n');
    socket.write(Buffer.alloc(64 * 1024, 0xa5));
  },
} satisfies Record<string, Misbehaviour>;

/** The bound on the handshake, and that on the answer of the login shell. */
const settlesWithinMs = 2 * 10_000 + 2_000;

describe('a handshake that fails', { concurrency: true, ...onStand }, () => {
  let sshd: Sshd;
  before(async () => {
    sshd = await startSshd({ maxStartups: '100' });
  });
  after(() => sshd.close());

  /** The error, or undefined for a connection. Whatever is thrown besides would end the process. */
  const attempt = async ({ host, port }: Endpoint): Promise<GatewayError | undefined> => {
    const startedAt = performance.now();
    const credential = () => ({ kind: 'key', key: sshd.privateKey, passphrase: undefined }) as const;
    const hostKeys = pinnedKeys([sshd.fingerprint]);
    try {
      const connection = await connect({ host, port, username: 'root', credential, hostKeys });
      connection.close();
      return undefined;
    } catch (error) {
      assert.ok(error instanceof GatewayError, String(error));
      assert.ok(performance.now() - startedAt < settlesWithinMs);
      return error;
    }
  };
  const said = (error: GatewayError | undefined) => error && `${error.code} ${error.outcome}`;
  const linked = async (t: TestContext, target: Endpoint = sshd) => {
    const link = await startFaultProxy(target);
    t.after(() => link.close());
    return link;
  };
  /** Bytes that a connection brings until it can be used. */
  const bytesOfHandshake = async (t: TestContext) => {
    const link = await linked(t);
    assert.equal(await attempt(link), undefined);
    return link.received;
  };

  for (const [what, behave] of Object.entries(impostors)) {
    test(`a server that ${what}`, async (t) => {
      const error = await attempt(await listening(t, behave));
      assert.equal(said(error), 'HOST_UNREACHABLE not_started');
      assert.equal(error?.retryable, true);
    });
  }

  for (const fault of ['cut', 'reset', 'corrupt'] satisfies Fault[]) {
    test(`${fault} at any stage: unreachable, nothing begun, no connection left behind`, async (t) => {
      const whole = await bytesOfHandshake(t);
      const link = await linked(t);
      const seen = new Map<number, string | undefined>();
      for (let at = 0; at < whole - 150; at += Math.ceil(whole / 40)) {
        link.failAt(at, fault);
        seen.set(at, said(await attempt(link)));
      }
      await eventually(() => link.connections === 0 || undefined);
      const others = [...seen].filter(([, what]) => what !== 'HOST_UNREACHABLE not_started');
      // A flipped bit in padding harms nothing; one in the host key makes it another key.
      const harmless = (what: string | undefined) =>
        fault === 'corrupt' && (what === undefined || what === 'HOST_KEY_REFUSED not_started');
      assert.deepEqual(
        others.filter(([, what]) => !harmless(what)),
        [],
      );
      assert.ok(seen.size - others.length > seen.size / 2);
    });
  }

  test('silence at any stage: unreachable in time, nothing begun', async (t) => {
    const whole = await bytesOfHandshake(t);
    const stages = Array.from({ length: 16 }, (_, index) => Math.floor((index * whole) / 16));
    // The last of them are those of the login shell's answer.
    for (let at = whole - 200; at < whole - 100; at += 20) stages.push(at);
    const seen = await Promise.all(
      stages.map(async (at) => {
        const link = await linked(t);
        link.failAt(at, 'freeze');
        return [at, said(await attempt(link))] as const;
      }),
    );
    // Once the answer is there, what is missing behind it may be.
    const settled = (at: number, what: string | undefined) =>
      what === 'HOST_UNREACHABLE not_started' || (what === undefined && at > whole - 200);
    assert.deepEqual(
      seen.filter(([at, what]) => !settled(at, what)),
      [],
    );
  });

  test('a host 100 ms away is reached all the same', async (t) => {
    const link = await linked(t);
    link.delay(100);
    assert.equal(said(await attempt(link)), undefined);
  });

  test('the process outlives such servers, says why it is not ready, and finds the true one', async (t) => {
    const link = await linked(t, await listening(t, impostors['sends garbage']));
    const stateDir = await mkdtemp(join(tmpdir(), 'handshake-'));
    t.after(() => rm(stateDir, { recursive: true }));
    const gateway = spawnGateway('serve', settingsOver(link, sshd, stateDir));
    t.after(() => gateway.stop('SIGKILL'));
    const readyz = new URL('/readyz', await gateway.url());
    for (const next of ['greets with 1 MB in one line', 'resets at once'] as const) {
      const { taken } = link;
      link.leadTo(await listening(t, impostors[next]));
      await eventually(() => link.taken > taken || undefined, 10_000);
    }
    const answer = await fetch(readyz);
    assert.equal(answer.status, 503);
    assert.match(await answer.text(), /no connection to the host \(HOST_UNREACHABLE\)/);
    link.leadTo(sshd);
    await eventually(async () => (await fetch(readyz)).ok || undefined, 15_000);
    assert.equal(await gateway.stop('SIGTERM'), 0);
  });
});

/** A server of its own for each test; it ends with the test. */
async function listening(t: TestContext, behave: Misbehaviour): Promise<Endpoint> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    sockets.add(socket);
    behave(socket);
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { address, port } = server.address() as AddressInfo;
  return { host: address, port };
}
