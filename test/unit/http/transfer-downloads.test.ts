/** Downloads as they leave: whole and right, or visibly neither. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { type TestContext, test } from 'node:test';
import { failure } from '../../../src/base/errors.ts';
import { bearerTokens } from '../../../src/http/auth.ts';
import { eventually, otherToken, token } from '../../gateway/harness.ts';
import { open, type RawConnection } from '../../gateway/raw-http.ts';
import {
  giveOut,
  lastAnswer,
  type Stand,
  sha256,
  sinkOf,
  startStand,
  transferHead,
  type Work,
} from './stand.ts';

const mebibyte = 1024 * 1024;

async function begin(
  t: TestContext,
  stand: Stand,
  options: { path?: string; reads?: boolean } = {},
): Promise<RawConnection> {
  const { path = stand.issue({ method: 'GET' }), reads = true } = options;
  const connection = await open(stand.port);
  t.after(() => connection.socket.destroy());
  if (!reads) connection.socket.pause();
  connection.send(transferHead('GET', path));
  return connection;
}

function bodyIn(received: string): string {
  return received.slice(received.indexOf('\r\n\r\n') + 4);
}

async function fetchFile(
  stand: Stand,
  args: Record<string, unknown> = { vmid: 100, container_path: '/srv/a.sql' },
) {
  return await fetch(`http://127.0.0.1:${stand.port}${stand.issue({ method: 'GET', args })}`);
}

for (const size of [0, 1, 65_535, 65_536, 65_537, 3 * mebibyte + 5])
  test(`a file of ${size} bytes arrives as it is, with its digest`, async (t) => {
    const content = randomBytes(size);
    const stand = await startStand(t, { work: giveOut(content) });
    const response = await fetchFile(stand);
    assert.equal(response.status, 200);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), content);
    const digest = createHash('sha256').update(content).digest('base64');
    const { headers } = response;
    assert.equal(headers.get('repr-digest'), `sha-256=:${digest}:`);
    assert.equal(headers.get('content-length'), String(size));
    assert.equal(headers.get('content-type'), 'application/octet-stream');
    assert.equal(headers.get('accept-ranges'), 'none');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('content-disposition'), 'attachment; filename=a.sql');
    assert.deepEqual(stand.answers[0]?.kind, 'ok');
  });

test('where the digest is not known, none is told', async (t) => {
  const stand = await startStand(t, {
    async work(call) {
      const sink = sinkOf(call);
      await sink.begin({ size: 2, sha256: undefined });
      await sink.write(Buffer.from('ok'));
      await sink.end(AbortSignal.any([]));
      return {};
    },
  });
  const response = await fetchFile(stand);
  assert.equal(response.headers.get('repr-digest'), null);
  assert.equal(await response.text(), 'ok');
});

test('a connection serves the next request behind a download', async (t) => {
  const stand = await startStand(t, { work: giveOut(Buffer.from('content')) });
  const connection = await begin(t, stand);
  await connection.until(/content$/);
  connection.send(transferHead('GET', stand.issue({ method: 'GET' }), { Connection: 'close' }));
  assert.match(await connection.untilClosed(), /content[\s\S]*HTTP\/1\.1 200 OK[\s\S]*content$/);
});

for (const size of [0, 1, 1000, 64 * 1024, 200_000, 2 * mebibyte])
  test(`of ${size} bytes, the last are held back until all were proven right`, async (t) => {
    const proof = Promise.withResolvers<void>();
    const content = randomBytes(size);
    const written = Promise.withResolvers<void>();
    const stand = await startStand(t, {
      async work(call) {
        const sink = sinkOf(call);
        await sink.begin({ size, sha256: undefined });
        for (let at = 0; at < size; at += 30_000) await sink.write(content.subarray(at, at + 30_000));
        await sink.write(new Uint8Array());
        written.resolve();
        await proof.promise;
        await sink.end(AbortSignal.any([]));
        return {};
      },
    });
    const connection = await begin(t, stand);
    await written.promise;
    const least = Math.max(0, size - 64 * 1024 - 30_000);
    const body = () => bodyIn(connection.received());
    await eventually(() => (body().length >= least ? true : undefined));
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (size <= 64 * 1024) assert.equal(connection.received(), '');
    assert.ok(body().length <= Math.max(0, size - 64 * 1024), `${body().length}`);
    proof.resolve();
    await eventually(() =>
      /\r\n\r\n/.test(connection.received()) && body().length === size ? true : undefined,
    );
    assert.equal(sha256(Buffer.from(body(), 'latin1')), sha256(content));
  });

/** What a client of its own kind makes of the answer. */
async function judged(
  stand: Stand,
  path: string,
): Promise<{ status: number; whole: boolean; bytes: number }> {
  return await new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port: stand.port, path, agent: false });
    request.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve({ status: 0, whole: false, bytes: 0 }) : reject(error),
    );
    request.on('response', (response: IncomingMessage) => {
      let bytes = 0;
      const settle = (whole: boolean) => resolve({ status: response.statusCode ?? 0, whole, bytes });
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('end', () => settle(response.complete));
      response.on('error', () => settle(false));
    });
  });
}

const wrong = (size: number, write: number, fault: () => unknown): Work => {
  return async (call) => {
    const sink = sinkOf(call);
    await sink.begin({ size, sha256: sha256('') });
    for (let at = 0; at < write; at += 50_000) await sink.write(Buffer.alloc(Math.min(50_000, write - at)));
    const error = fault();
    if (error !== undefined) throw error;
    await sink.end(AbortSignal.any([]));
    return {};
  };
};
const changed = () => failure('FILE_CHANGED', { path: '/srv/a' });

for (const [what, work] of [
  ['turns out to be wrong when all of it is written', wrong(mebibyte, mebibyte, changed)],
  ['breaks off in the middle', wrong(mebibyte, mebibyte / 2, changed)],
  ['is shorter than announced', wrong(mebibyte, mebibyte - 1, () => undefined)],
  ['is longer than announced', wrong(mebibyte, mebibyte + 1, () => undefined)],
] as const)
  test(`a large file that ${what} never looks whole`, async (t) => {
    const stand = await startStand(t, { work });
    const { status, whole, bytes } = await judged(stand, stand.issue({ method: 'GET' }));
    assert.deepEqual([status, whole], [200, false]);
    assert.ok(bytes <= mebibyte - 64 * 1024, `${bytes}`);
  });

test('a small file that turns out to be wrong is a plain error, for nothing of it has left', async (t) => {
  for (const size of [0, 1, 60_000]) {
    const stand = await startStand(t, { work: wrong(size, size, changed) });
    const response = await fetchFile(stand);
    assert.equal(response.status, 409);
    assert.equal(response.headers.get('content-disposition'), null);
    assert.equal(response.headers.get('repr-digest'), null);
    assert.equal(((await response.json()) as { code: string }).code, 'FILE_CHANGED');
  }
});

test('a call that says it is done without having ended its file is a failure', async (t) => {
  for (const work of [
    async () => ({}),
    (async (call) => {
      await sinkOf(call).begin({ size: 3, sha256: undefined });
      await sinkOf(call).write(Buffer.from('abc'));
      return {};
    }) as Work,
  ]) {
    const stand = await startStand(t, { work });
    assert.equal((await fetchFile(stand)).status, 500);
    assert.match(stand.log.join(''), /"level":"error"/);
  }
});

test('a failure before the first byte is an error like that of an upload', async (t) => {
  const stand = await startStand(t, {
    work: () => Promise.reject(failure('FILE_NOT_FOUND', { where: 'there' })),
  });
  const response = await fetchFile(stand);
  assert.equal(response.status, 404);
  assert.equal(response.headers.get('content-type')?.split(';')[0], 'application/json');
  const { code, success } = (await response.json()) as { code: string; success: boolean };
  assert.deepEqual([code, success], ['FILE_NOT_FOUND', false]);
});

/** A file without end of which the test learns how far it has got. */
function endless(size = 1000 * mebibyte): { work: Work; written: () => number; fault: () => unknown } {
  let written = 0;
  let fault: unknown;
  return {
    written: () => written,
    fault: () => fault,
    async work(call) {
      const sink = sinkOf(call);
      try {
        await sink.begin({ size, sha256: undefined });
        for (; written < size; written += 100_000) await sink.write(Buffer.alloc(100_000));
        return {};
      } catch (error) {
        fault = error;
        throw error;
      }
    },
  };
}

test('a client that leaves aborts the call and ends the writing', async (t) => {
  const { work, fault } = endless();
  const stand = await startStand(t, { work });
  const connection = await begin(t, stand);
  await connection.until(/200 OK/);
  connection.socket.destroy();
  const ended = await eventually(() => stand.answers[0]);
  assert.equal(stand.calls[0]?.signal.aborted, true);
  assert.ok(ended.kind === 'error' && ended.error.code === 'TRANSFER_CANCELLED', String(fault()));
  assert.doesNotMatch(stand.log.join(''), /"level":"error"/);
});

test('a client that leaves before the first byte aborts the call', async (t) => {
  const stand = await startStand(t, {
    async work(call) {
      await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
      await giveOut(Buffer.from('late'))(call);
      return {};
    },
  });
  const connection = await begin(t, stand);
  await eventually(() => stand.calls[0]);
  connection.socket.destroy();
  const ended = await eventually(() => stand.answers[0]);
  assert.ok(ended.kind === 'error' && ended.error.code === 'TRANSFER_CANCELLED');
});

test('nothing is written faster than it is taken, and who takes nothing is cut off', async (t) => {
  const { work, written } = endless();
  const stand = await startStand(t, { work, stallMs: 500 });
  const connection = await begin(t, stand, { reads: false });
  const ended = await eventually(() => stand.answers[0], 10_000);
  assert.ok(ended.kind === 'error' && ended.error.code === 'TRANSFER_INTERRUPTED');
  assert.ok(written() < 100 * mebibyte, `${written()} bytes went somewhere`);
  connection.socket.resume();
  await connection.untilClosed();
  assert.ok(connection.received().length < 100 * mebibyte);
});

test('a client that takes a little now and then is served, and so is one whose host is slow', async (t) => {
  const content = randomBytes(12 * mebibyte);
  const stand = await startStand(t, {
    stallMs: 500,
    async work(call) {
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      return await giveOut(content)(call);
    },
  });
  const connection = await begin(t, stand, { reads: false });
  const { socket } = connection;
  const sips = setInterval(() => {
    socket.resume();
    setImmediate(() => socket.pause());
  }, 20);
  t.after(() => clearInterval(sips));
  const body = await eventually(() => {
    const found = bodyIn(connection.received());
    return found.length === content.length ? found : connection.closed() ? '' : undefined;
  }, 20_000);
  assert.equal(sha256(Buffer.from(body, 'latin1')), sha256(content));
});

test('a download is cut where its principal loses the last token', async (t) => {
  let text = `alice:${token}\nbob:${otherToken}`;
  const authenticator = bearerTokens({
    text,
    reread: () => text,
    onInvalid: (error) => assert.fail(String(error)),
  });
  const { work } = endless();
  const stand = await startStand(t, { work, authenticator });
  const connection = await begin(t, stand, { reads: false });
  await eventually(() => stand.calls[0]);
  text = `bob:${otherToken}`;
  const ended = await eventually(() => stand.answers[0]);
  assert.equal(ended.kind, 'error');
  connection.socket.resume();
  await connection.untilClosed();
});

test('bytes that are no request, sent behind one, do not get into the file', async (t) => {
  const { work } = endless();
  const stand = await startStand(t, { work });
  const connection = await begin(t, stand);
  await connection.until(/200 OK/);
  connection.send('\x00 garbage\r\n\r\n');
  const received = await connection.untilClosed();
  assert.equal(bodyIn(received).replaceAll('\0', ''), '');
});

const names: readonly (readonly [string, string])[] = [
  ['plain.txt', 'attachment; filename=plain.txt'],
  ['with blank.txt', 'attachment; filename="with blank.txt"'],
  ['.hidden', 'attachment; filename=.hidden'],
  ['index.html', 'attachment; filename=index.html'],
  [`a"; filename*=UTF-8''evil.sh`, 'attachment; filename="a__ filename__UTF-8__evil.sh"'],
  ['a%22; x', 'attachment; filename="a_22_ x"'],
  ['a\\"b', 'attachment; filename=a__b'],
  ['a\r\nSet-Cookie: x=1\r\n\r\nbody', 'attachment; filename="a__Set-Cookie_ x_1____body"'],
  ['a\nb\tc\0d\x7fe', 'attachment; filename=a_b_c_d_e'],
  ['invoice\u202egnp.exe', 'attachment; filename=invoice_gnp.exe'],
  ['a\u2066b\u2028c\u200bd\ufeffe\u00ade', 'attachment; filename=a_b_c_d_e_e'],
  ['lone\ud800surrogate', 'attachment; filename=lone_surrogate'],
  ['=?utf-8?Q?evil?=', 'attachment; filename=__utf-8_q_evil__'],
  ['日本.txt', `attachment; filename="??.txt"; filename*=utf-8''%E6%97%A5%E6%9C%AC.txt`],
  ['', 'attachment; filename=srv'],
];

for (const key of ['container_path', 'host_path'])
  test(`the name of a file comes from ${key} and is one plain name`, async (t) => {
    const stand = await startStand(t, { work: giveOut(Buffer.from('x')) });
    for (const [name, expected] of names) {
      const response = await fetchFile(stand, { [key]: `/srv/${name}` });
      assert.equal(await response.text(), 'x');
      assert.equal(response.headers.get('content-disposition')?.toLowerCase(), expected.toLowerCase());
      assert.equal(response.headers.get('set-cookie'), null);
      assert.equal(response.headers.get('content-type'), 'application/octet-stream');
    }
  });

test('a very long name is cut, and a path without one still gives a file', async (t) => {
  const stand = await startStand(t, { work: giveOut(Buffer.from('x')) });
  const long = await fetchFile(stand, { container_path: `/${'\u{1f600}'.repeat(900)}` });
  assert.ok((long.headers.get('content-disposition') ?? '').length < 2_100);
  assert.equal(await long.text(), 'x');
  for (const args of [{}, { container_path: '/' }]) {
    const response = await fetchFile(stand, args);
    assert.equal(response.headers.get('content-disposition'), 'attachment; filename=download');
    await response.text();
  }
});

test('the answer to a URL of another kind is never a file', async (t) => {
  const stand = await startStand(t, { work: giveOut(Buffer.from('x')) });
  const connection = await begin(t, stand, { path: stand.issue() });
  const received = await connection.until(/\r\n\r\n\{.*\}$/);
  assert.equal(lastAnswer(received).status, 405);
});
