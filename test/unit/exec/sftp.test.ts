/** SFTP as servers really speak it, OpenSSH's own above all, and what becomes of files when one falls silent. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import ssh2, { type ServerChannel, type Session, type SFTPWrapper } from 'ssh2';
import { newPrivateKey } from '../../../lab/ssh/keys.ts';
import { GatewayError } from '../../../src/base/errors.ts';
import { SshConnection } from '../../../src/exec/connection.ts';
import { type StagedFile, StorageFailed } from '../../../src/exec/executor.ts';
import type { Lease } from '../../../src/exec/pool.ts';
import { stageOverSftp } from '../../../src/exec/sftp.ts';
import { eventually } from '../../gateway/harness.ts';

const { signal } = new AbortController();
const mebibyte = 1024 * 1024;
const { STATUS_CODE } = ssh2.utils.sftp;

const failsWith = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;

interface Link {
  readonly stage: (path: string) => Promise<StagedFile>;
  /** How the place on the connection was given back, as often as it was. */
  readonly given: string[];
  /** The connection breaks as with a lost network. */
  cut(): void;
}

/** A connection to a server that serves sessions as the test says. */
async function linkTo(t: TestContext, serve: (session: Session) => void): Promise<Link> {
  const server = new ssh2.Server({ hostKeys: [newPrivateKey()] }, (client) => {
    client.on('error', () => {});
    client.on('authentication', (context) => context.accept());
    client.on('session', (accept) => serve(accept()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket: Socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  socket.setNoDelay(true);
  const client = new ssh2.Client();
  client.on('error', () => {});
  const ready = once(client, 'ready');
  client.connect({ sock: socket, username: 'root', password: 'x' });
  await ready;
  const connection = new SshConnection(client, socket);
  t.after(async () => {
    socket.destroy();
    server.close();
  });
  const given: string[] = [];
  const lease: Lease = {
    connection,
    release: () => void given.push('released'),
    refused: () => void given.push('refused'),
  };
  return {
    stage: (path) =>
      stageOverSftp({ openChannel: (_options, open) => open(lease), host: 'pve', path, signal }),
    given,
    cut: () => socket.destroy(),
  };
}

/** A server in whose place each request can be answered late or not at all. */
function serving(setUp: (sftp: SFTPWrapper) => void): (session: Session) => void {
  return (session) =>
    session.on('sftp', (accept) => {
      const sftp = accept();
      const done = (id: number) => sftp.status(id, STATUS_CODE.OK);
      sftp.on('OPEN', (id) => sftp.handle(id, Buffer.from('h')));
      for (const event of ['MKDIR', 'CLOSE', 'REMOVE', 'RMDIR'] as const) sftp.on(event, done);
      setUp(sftp);
    });
}

async function* zeroes(count: number, bytes = mebibyte): AsyncIterable<Uint8Array> {
  for (let index = 0; index < count; index++) yield Buffer.alloc(bytes);
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk));
  return Buffer.concat(all);
}

const program = '/usr/lib/openssh/sftp-server';

describe('OpenSSH’s server', { skip: !existsSync(program) && `${program} is not there` }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sftp-test-'));
  after(() => rmSync(folder, { recursive: true }));

  async function openSsh(t: TestContext, argv: readonly [string, ...string[]] = [program]) {
    const running: ChildProcess[] = [];
    const link = await linkTo(t, (session) =>
      session.on('subsystem', (accept) => {
        const [command, ...args] = argv;
        const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
        running.push(child);
        const channel: ServerChannel = accept();
        channel.on('error', () => {});
        child.stdin.on('error', () => {});
        channel.pipe(child.stdin);
        child.stdout.pipe(channel);
        child.once('exit', () => channel.close());
      }),
    );
    t.after(() => running.forEach((child) => void child.kill('SIGKILL')));
    return { ...link, running };
  }

  test('takes and gives files of any size whole, private to their owner, and leaves nothing', async (t) => {
    const { stage, given } = await openSsh(t);
    const content = randomBytes(5 * mebibyte + 17);
    const path = join(folder, 'round', 'file');
    const file = await stage(path);
    assert.equal(statSync(path).mode & 0o7777, 0o600);
    assert.equal(statSync(join(folder, 'round')).mode & 0o7777, 0o700);
    const source = async function* () {
      for (let at = 0; at < content.length; at += 70_001) yield content.subarray(at, at + 70_001);
    };
    assert.equal(await file.write(source(), signal), content.length);
    assert.ok(readFileSync(path).equals(content));
    assert.ok((await collect(file.read(content.length, signal))).equals(content));
    await file.remove();
    assert.deepEqual(readdirSync(folder), []);
    await eventually(() => (given.length > 0 ? true : undefined));
    assert.deepEqual([...new Set(given)], ['released']);
  });

  test('makes nothing where something is, and the file of another stays', async (t) => {
    const { stage, given } = await openSsh(t);
    writeFileSync(join(folder, 'taken'), 'another’s');
    await assert.rejects(stage(join(folder, 'taken', 'file')), StorageFailed);
    await assert.rejects(stage(join(folder, 'no', 'where', 'file')), StorageFailed);
    assert.equal(readFileSync(join(folder, 'taken'), 'utf8'), 'another’s');
    rmSync(join(folder, 'taken'));
    await eventually(() => (given.length >= 2 ? true : undefined));
  });

  test('that is bounded in what it may write says so, and the place is removed', async (t) => {
    const { stage } = await openSsh(t, ['/bin/sh', '-c', `trap '' XFSZ; ulimit -f 2048; exec ${program}`]);
    const file = await stage(join(folder, 'bounded', 'file'));
    await assert.rejects(file.write(zeroes(8), signal), StorageFailed);
    await file.remove();
    assert.deepEqual(readdirSync(folder), []);
  });

  test('that is killed while it writes: storage has failed, at once, and nothing hangs', {
    timeout: 10_000,
  }, async (t) => {
    const { stage, running, given } = await openSsh(t);
    const file = await stage(join(folder, 'killed', 'file'));
    const source = async function* () {
      yield Buffer.alloc(mebibyte);
      running[0]?.kill('SIGKILL');
      yield* zeroes(200);
    };
    await assert.rejects(file.write(source(), signal), StorageFailed);
    await assert.rejects(file.remove());
    await eventually(() => (given.length > 0 ? true : undefined));
  });
});

test('several requests are on the way at once, and their number is bounded', async (t) => {
  let [open, most] = [0, 0];
  let holding = true;
  const held: (() => void)[] = [];
  const link = await linkTo(
    t,
    serving((sftp) => {
      sftp.on('WRITE', (id) => {
        most = Math.max(most, ++open);
        const answer = () => {
          open -= 1;
          sftp.status(id, STATUS_CODE.OK);
        };
        if (holding) held.push(answer);
        else answer();
      });
    }),
  );
  const file = await link.stage('/var/tmp/x/file');
  const writing = file.write(zeroes(64, 255 * 1024), signal);
  // Whoever waits for each answer would never get as far.
  await eventually(() => (open >= 4 ? true : undefined));
  holding = false;
  for (const answer of held) answer();
  assert.equal(await writing, 64 * 255 * 1024);
  assert.ok(most <= 16, `${most} at once`);
});

test('a server that gives less than was asked for is asked for the rest', async (t) => {
  const content = randomBytes(600_000);
  const link = await linkTo(
    t,
    serving((sftp) =>
      sftp.on('READ', (id, _handle, offset, length) => {
        const part = content.subarray(offset, offset + Math.min(length, 10_007));
        if (part.length === 0) sftp.status(id, STATUS_CODE.EOF);
        else sftp.data(id, Buffer.from(part));
      }),
    ),
  );
  const file = await link.stage('/var/tmp/x/file');
  const got = await collect(file.read(1_000_000, signal));
  assert.equal(got.length, content.length);
  assert.equal(sumOf(got), sumOf(content));
});

test('a read that fails in the middle is no end of the file', async (t) => {
  const link = await linkTo(
    t,
    serving((sftp) =>
      sftp.on('READ', (id, _handle, offset, length) => {
        if (offset < 1_000_000) sftp.data(id, Buffer.alloc(length));
        else sftp.status(id, STATUS_CODE.FAILURE);
      }),
    ),
  );
  const file = await link.stage('/var/tmp/x/file');
  await assert.rejects(collect(file.read(4_000_000, signal)), StorageFailed);
});

test('a connection that is lost while the server is silent ends every wait, and gives the place back', {
  timeout: 15_000,
}, async (t) => {
  let asked = 0;
  const link = await linkTo(
    t,
    serving((sftp) => {
      sftp.on('WRITE', () => {
        asked += 1;
      });
      sftp.on('READ', () => {
        asked += 1;
      });
    }),
  );
  const file = await link.stage('/var/tmp/x/file');
  const waits = [file.write(zeroes(10), signal), collect(file.read(mebibyte, signal))];
  const ends = waits.map((wait) => assert.rejects(wait, failsWith('CONNECTION_LOST')));
  await eventually(() => (asked >= 6 ? true : undefined));
  link.cut();
  await Promise.all(ends);
  await assert.rejects(file.remove(), failsWith('CONNECTION_LOST'));
  await assert.rejects(file.write(zeroes(1), signal), failsWith('CONNECTION_LOST'));
  await eventually(() => (link.given.length > 0 ? true : undefined), 8_000);
});

test('a server without SFTP is storage that failed, for which there is another route', async (t) => {
  const link = await linkTo(t, (session) => session.on('subsystem', (_accept, reject) => reject()));
  await assert.rejects(link.stage('/var/tmp/x/file'), StorageFailed);
});

function sumOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
