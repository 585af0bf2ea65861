import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { SFTPWrapper } from 'ssh2';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { newPrivateKey } from '../../../lab/ssh/keys.ts';
import { connect, type LabClient } from './client.ts';

describe('the lab’s sshd', () => {
  let lab: Lab;
  before(async () => {
    lab = await startLab();
  });
  after(() => lab.close());

  test('it lets in by password and by key, and shows its host key', async () => {
    let seen = '';
    const byKey = await connect(lab, {
      password: '',
      privateKey: lab.clientKey,
      hostVerifier: (key: Buffer) => {
        seen = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
        return true;
      },
    });
    assert.equal((await byKey.run('id -un')).stdout.toString(), 'root\n');
    assert.equal(seen, lab.hostKeyFingerprint);
    byKey.close();
    const before = lab.control.authAttempts;
    await assert.rejects(connect(lab, { password: 'wrong' }), /authentication/i);
    assert.equal(lab.control.authAttempts, before + 1);
    const other = newPrivateKey();
    await assert.rejects(connect(lab, { privateKey: other, password: '' }), /authentication/i);
  });

  test('it refuses the eleventh channel and takes another when one is free', async () => {
    const client = await connect(lab);
    const channels = [];
    for (let count = 0; count < 10; count += 1) channels.push(await client.open('cat'));
    await assert.rejects(client.open('true'), (error: Error & { reason?: number }) => error.reason === 2);
    const [first] = channels;
    assert.ok(first);
    first.resume();
    first.end();
    await once(first, 'close');
    assert.equal((await client.run('echo again')).stdout.toString(), 'again\n');
    client.close();
  });

  test('it makes the faults that are asked for', async () => {
    const client = await connect(lab);
    lab.control.refuseNextChannels(1);
    await assert.rejects(client.open('true'));
    assert.equal((await client.run('true')).code, 0);
    const closed = new Promise<void>((resolve) => {
      client.ssh.once('close', () => resolve());
    });
    lab.control.dropConnections();
    await closed;
    lab.control.refuseConnections(true);
    await assert.rejects(connect(lab));
    lab.control.refuseConnections(false);
    lab.control.refuseAuthentication(true);
    await assert.rejects(connect(lab), /authentication/i);
    lab.control.refuseAuthentication(false);
    const back = await connect(lab);
    assert.equal(lab.control.connections, 1);
    assert.equal(lab.control.heard.at(-1), 'true');
    back.close();
  });

  test('it has no terminal, no shell and no forwarding', async () => {
    const client = await connect(lab);
    await assert.rejects(promisify(client.ssh.shell.bind(client.ssh) as (done: () => void) => void)());
    await assert.rejects(
      new Promise((resolve, reject) => {
        client.ssh.forwardOut('127.0.0.1', 1, '127.0.0.1', lab.sshPort, (error, channel) =>
          error === undefined ? resolve(channel) : reject(error),
        );
      }),
    );
    client.close();
  });
});

describe('the lab’s SFTP', () => {
  let lab: Lab;
  let client: LabClient;
  let sftp: SFTPWrapper;
  before(async () => {
    lab = await startLab();
    client = await connect(lab);
    sftp = await client.sftp();
  });
  after(async () => {
    client.close();
    await lab.close();
  });
  const call = <T>(
    action: (done: (error: Error | null | undefined, value?: T) => void) => void,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      action((error, value) => (error ? reject(error) : resolve(value as T)));
    });
  const fails = (code: number) => (error: Error & { code?: number }) => error.code === code;

  test('it writes, reads, lists and removes what the shell sees', async () => {
    const content = Buffer.from(Array.from({ length: 300_000 }, (_value, index) => index % 251));
    await call((done) => sftp.mkdir('/tmp/staging', { mode: 0o700 } as never, done));
    await call((done) => sftp.writeFile('/tmp/staging/ü.bin', content, { mode: 0o600 }, done));
    const sum = createHash('sha256').update(content).digest('hex');
    assert.match(
      (await client.run('sha256sum /tmp/staging/ü.bin')).stdout.toString(),
      new RegExp(`^${sum} `),
    );
    assert.equal(
      (await client.run("stat -c '%a %s' /tmp/staging /tmp/staging/ü.bin")).stdout.toString(),
      '700 4096\n600 300000\n',
    );
    assert.deepEqual(await call<Buffer>((done) => sftp.readFile('/tmp/staging/ü.bin', done)), content);
    const names = await call<{ filename: string }[]>((done) => sftp.readdir('/tmp/staging', done));
    assert.deepEqual(
      names.map(({ filename }) => filename).filter((name) => !name.startsWith('.')),
      ['ü.bin'],
    );
    await assert.rejects(
      call((done) => sftp.rmdir('/tmp/staging', done)),
      fails(4),
    );
    await call((done) => sftp.rename('/tmp/staging/ü.bin', '/tmp/moved', done));
    await call((done) => sftp.unlink('/tmp/moved', done));
    await call((done) => sftp.rmdir('/tmp/staging', done));
    await assert.rejects(
      call((done) => sftp.stat('/tmp/staging', done)),
      fails(2),
    );
  });

  test('exclusive creation fails on what is there, links included', async () => {
    await client.run('ln -s /etc/passwd /tmp/trap; : >/tmp/there');
    await assert.rejects(
      call((done) => sftp.open('/tmp/there', 'wx', done)),
      fails(4),
    );
    await assert.rejects(
      call((done) => sftp.open('/tmp/trap', 'wx', done)),
      fails(4),
    );
    const handle = await call<Buffer>((done) => sftp.open('/tmp/fresh', 'wx', { mode: 0o600 }, done));
    await call((done) => sftp.close(handle, done));
    assert.equal((await client.run("stat -c '%a' /tmp/fresh")).stdout.toString(), '600\n');
    await assert.rejects(
      call((done) => sftp.close(handle, done)),
      fails(2),
    );
  });

  test('links, attributes and what cannot be written', async () => {
    await call((done) => sftp.symlink('/etc/hostname', '/tmp/link', done));
    assert.equal(await call<string>((done) => sftp.readlink('/tmp/link', done)), '/etc/hostname');
    const own = await call<{ isSymbolicLink(): boolean }>((done) => sftp.lstat('/tmp/link', done));
    assert.equal(own.isSymbolicLink(), true);
    assert.equal(await call<string>((done) => sftp.realpath('.', done)), '/root');
    assert.equal(
      await call<string>((done) => sftp.realpath('/etc/pve/lxc', done)),
      '/etc/pve/nodes/pve1/lxc',
    );
    await call((done) => sftp.chmod('/tmp/link', 0o640, done)).catch(() => {});
    await assert.rejects(
      call((done) => sftp.writeFile('/etc/pve/.vmlist', 'x', done)),
      fails(3),
    );
    assert.equal(
      (await call<Buffer>((done) => sftp.readFile('/etc/pve/.members', done))).toString(),
      '{\n"nodename": "pve1",\n"version": 0\n}\n',
    );
  });
});
