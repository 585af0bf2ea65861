import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import ssh2, { type SFTPWrapper } from 'ssh2';
import { mount } from '../../../lab/files/mount.ts';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { eventually } from '../../gateway/harness.ts';
import { connect, type LabClient } from './client.ts';

const { READ, WRITE, CREAT, EXCL } = ssh2.utils.sftp.OPEN_MODE;
const exclusive = READ | WRITE | CREAT | EXCL;

type Done<T> = (error: Error | null | undefined, value?: T) => void;

function call<T>(action: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    action((error, value) => (error ? reject(error) : resolve(value as T)));
  });
}

const fails = (code: number, message: string) => (error: Error & { code?: number }) => {
  assert.deepEqual({ code: error.code, message: error.message }, { code, message });
  return true;
};

function sumOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('staging over the lab’s SFTP', () => {
  let lab: Lab;
  let client: LabClient;
  let sftp: SFTPWrapper;
  before(async () => {
    lab = await startLab({
      mounts: [
        { path: '/mnt/tiny', freeBytes: 100_000 },
        { path: '/mnt/ro', readOnly: true },
      ],
    });
    client = await connect(lab);
    sftp = await client.sftp();
  });
  after(async () => {
    client.close();
    await lab.close();
  });
  const mode = (bits: number) => ({ mode: bits }) as never;
  const open = (path: string) => call<Buffer>((done) => sftp.open(path, exclusive, { mode: 0o600 }, done));
  const write = (handle: Buffer, bytes: Buffer, at: number) =>
    call((done) => sftp.write(handle, bytes, 0, bytes.length, at, done));

  test('a directory is made once, a file in it too, for its owner alone', async () => {
    await call((done) => sftp.mkdir('/var/tmp/stage', mode(0o700), done));
    await assert.rejects(
      call((done) => sftp.mkdir('/var/tmp/stage', mode(0o700), done)),
      fails(4, 'Failure'),
    );
    const handle = await open('/var/tmp/stage/file');
    await assert.rejects(open('/var/tmp/stage/file'), fails(4, 'Failure'));
    await call((done) => sftp.close(handle, done));
    const seen = await client.run("stat -c '%F %a' /var/tmp/stage /var/tmp/stage/file");
    assert.equal(seen.stdout.toString(), 'directory 700\nregular empty file 600\n');
  });

  test('blocks in any order are read back as they were written, 255 KiB at a time', async () => {
    const block = 255 * 1024;
    const bytes = randomBytes(6 * block + 1000);
    const handle = await open('/var/tmp/stage/blocks');
    const offsets = [4, 0, 6, 2, 5, 1, 3].map((index) => index * block);
    await Promise.all(offsets.map((at) => write(handle, bytes.subarray(at, at + block), at)));
    const { size } = await call<{ size: number }>((done) => sftp.fstat(handle, done as never));
    assert.equal(size, bytes.length);
    const back = Buffer.alloc(bytes.length);
    for (let at = 0; at < size; at += block) {
      const length = Math.min(block, size - at);
      const got = await call<number>((done) => sftp.read(handle, back, at, length, at, done as never));
      assert.equal(got, length);
    }
    assert.equal(sumOf(back), sumOf(bytes));
    const beyond = await call<number>((done) => sftp.read(handle, back, 0, 1, size, done as never));
    assert.equal(beyond, 0);
    await call((done) => sftp.close(handle, done));
    for (const name of ['blocks', 'file']) await call((done) => sftp.unlink(`/var/tmp/stage/${name}`, done));
    await call((done) => sftp.rmdir('/var/tmp/stage', done));
    assert.equal((await client.run('ls -A /var/tmp')).stdout.toString(), '');
  });

  test('a full disk is a failure, and what fits is there', async () => {
    const handle = await open('/mnt/tiny/file');
    await write(handle, randomBytes(60_000), 0);
    await assert.rejects(write(handle, randomBytes(60_000), 60_000), fails(4, 'Failure'));
    const { size } = await call<{ size: number }>((done) => sftp.fstat(handle, done as never));
    assert.equal(size, 100_000);
    await call((done) => sftp.close(handle, done));
    await call((done) => sftp.unlink('/mnt/tiny/file', done));
    assert.equal((await client.run('head -c 100000 /dev/zero >/mnt/tiny/again')).code, 0);
    const full = await client.run('LC_ALL=C head -c 1 /dev/zero >>/mnt/tiny/again');
    assert.equal(full.stderr.toString(), "head: error writing 'standard output': No space left on device\n");
    assert.equal(full.code, 1);
  });

  test('a read-only disk takes nothing', async () => {
    await assert.rejects(open('/mnt/ro/file'), fails(4, 'Failure'));
    await assert.rejects(
      call((done) => sftp.mkdir('/mnt/ro/dir', mode(0o700), done)),
      fails(4, 'Failure'),
    );
    const { stderr } = await client.run("sh -c ': >/mnt/ro/x'; mkdir -p /mnt/ro/a/b; mv /etc/hosts /mnt/ro/");
    assert.equal(stderr.toString().match(/Read-only file system/g)?.length, 3);
  });

  test('a disk can fill up, and become read-only, under what lies on it', async () => {
    await client.run('mkdir /srv/data; echo kept >/srv/data/file');
    mount(lab.node.files, { path: '/srv/data', freeBytes: 0 });
    assert.equal(
      (await client.run('echo more >>/srv/data/file; cat /srv/data/file')).stdout.toString(),
      'kept\n',
    );
    mount(lab.node.files, { path: '/srv/data', freeBytes: 10, readOnly: true });
    const { stdout, stderr } = await client.run(
      'rm /srv/data/file; chmod 600 /srv/data/file; cat /srv/data/file',
    );
    assert.equal(stdout.toString(), 'kept\n');
    assert.equal(stderr.toString().match(/Read-only file system/g)?.length, 2);
    mount(lab.node.files, { path: '/srv/data', freeBytes: 5 });
    assert.equal((await client.run('echo more >>/srv/data/file')).code, 0);
  });

  test('what sweeps by age takes directories of the name and owner, with all they hold', async () => {
    await client.run(
      "cd /var/tmp; mkdir proxmox-mcp-old proxmox-mcp-new proxmox-mcp-else other; echo x >proxmox-mcp-old/file; touch -d '2020-01-01' proxmox-mcp-old proxmox-mcp-else other; chown daemon proxmox-mcp-else",
    );
    const sweep = `find "$1" -maxdepth 1 -type d -name 'proxmox-mcp-*' -user "$(id -u)" -mmin +"$2" -exec rm -rf -- {} +`;
    const swept = await client.run(`sh -c ${JSON.stringify(sweep).replaceAll('$', '\\$')} sh /var/tmp 30`);
    assert.deepEqual({ code: swept.code, stderr: swept.stderr.toString() }, { code: 0, stderr: '' });
    assert.equal(
      (await client.run('ls /var/tmp')).stdout.toString(),
      'other\nproxmox-mcp-else\nproxmox-mcp-new\n',
    );
  });
});

describe('pct push and pull in the lab', () => {
  let lab: Lab;
  let client: LabClient;
  before(async () => {
    lab = await startLab({
      guests: [
        {
          ...{ vmid: 100, name: 'web1', status: 'running' },
          mounts: [{ path: '/mnt/tiny', freeBytes: 65_536 }],
        },
      ],
    });
    client = await connect(lab);
    await client.run('head -c 200000 /dev/zero | tr "\\0" x >/root/big');
    await client.run("pct exec 100 -- sh -c 'cat >/srv/big'", Buffer.alloc(200_000, 'x'));
  });
  after(async () => {
    client.close();
    await lab.close();
  });
  const pctRuns = () =>
    lab.node.processes.visibleFrom(lab.node.machine).some(({ argv }) => argv[0] === 'pct') || undefined;

  test('a limit on files ends a pull that would go beyond it', async () => {
    const script =
      'ulimit -f "$1"; env LC_ALL=C.UTF-8 pct pull 100 -- /srv/big /root/pulled; echo $?; wc -c </root/pulled';
    const bounded = await client.run(`sh -c '${script}' sh 200`);
    assert.equal(bounded.stdout.toString(), `153\n${200 * 512}\n`);
    const enough = await client.run(`sh -c '${script}' sh 391`);
    assert.equal(enough.stdout.toString(), '0\n200000\n');
    assert.equal((await client.run(`sh -c 'ulimit -f 7; ulimit -f'`)).stdout.toString(), '7\n');
  });

  test('into a full container disk a push is cut short without a word', async () => {
    const { code, stderr } = await client.run('pct push 100 -- /root/big /mnt/tiny/file');
    assert.deepEqual({ code, stderr: stderr.toString() }, { code: 0, stderr: '' });
    const { stdout } = await client.run('pct exec 100 -- stat -c %s /mnt/tiny/file');
    assert.equal(stdout.toString(), '65536\n');
  });

  test('one at a time: a second waits, and fails when that takes too long', async () => {
    lab.node.pace.copyMs = 400;
    lab.node.pace.lockMs = 100;
    const first = client.run('pct push 100 -- /root/big /srv/first');
    await eventually(pctRuns);
    await client.run('sleep 0.05');
    const second = await client.run('pct pull 100 -- /srv/big /root/second');
    assert.equal(second.code, 4);
    assert.match(
      second.stderr.toString(),
      /^trying to acquire lock\.\.\.\ncan't lock file '\/run\/lock\/lxc\/pve-config-100\.lock' - got timeout\n$/,
    );
    assert.equal((await first).code, 0);
    lab.node.pace.lockMs = 10_000;
    const [third, fourth] = await Promise.all([
      client.run('pct push 100 -- /root/big /srv/third'),
      client.run('pct pull 100 -- /srv/big /root/fourth'),
    ]);
    assert.deepEqual([third.code, fourth.code], [0, 0]);
    const waited = [third, fourth].map(({ stderr }) => stderr.toString()).sort();
    assert.deepEqual(waited, ['', 'trying to acquire lock... OK\n']);
    lab.node.pace.copyMs = 0;
  });

  test('killing the holder sets the lock free', async () => {
    await client.run('pct exec 100 -- mkfifo /srv/fifo');
    assert.equal((await client.run('timeout -s KILL 0.2 pct pull 100 -- /srv/fifo /root/fifo')).code, null);
    lab.node.pace.lockMs = 100;
    assert.equal((await client.run('pct pull 100 -- /srv/big /root/after')).code, 0);
  });

  test('names arrive byte for byte', async () => {
    const path = "'/srv/-a b'\\''\"ü\nc'";
    const { stderr } = await client.run(
      `env LC_ALL=C.UTF-8 pct push 100 -- /root/big ${path}; env LC_ALL=C.UTF-8 pct pull 100 -- ${path} ${path}`,
    );
    assert.equal(stderr.toString(), '');
    assert.equal((await client.run(`wc -c <${path}; ls /srv`)).stdout.toString(), `200000\n-a b'"ü\nc\n`);
  });
});

describe('points of the traffic with the lab', () => {
  let lab: Lab;
  before(async () => {
    lab = await startLab();
  });
  after(() => lab.close());

  test('an action comes once, when an order is heard', async () => {
    const client = await connect(lab);
    let times = 0;
    lab.control.at({ heard: /^commit / }, () => {
      times += 1;
    });
    await client.run('cat', 'data\n');
    assert.equal(times, 0);
    await client.run('cat', 'commit 1\n');
    await client.run('cat', 'commit 2\n');
    assert.equal(times, 1);
    client.close();
  });

  test('a download breaks off after so many bytes', async () => {
    const client = await connect(lab);
    lab.control.at({ sentBytes: 1_000_000 }, () => lab.control.dropConnections());
    const { stdout, code } = await client.run('head -c 3000000 /dev/zero');
    assert.equal(code, null);
    assert.ok(stdout.length < 1_100_000, String(stdout.length));
    // What a client has not read yet is lost with the connection.
    assert.ok(stdout.length > 0);
  });

  test('an upload by SFTP breaks off after so many bytes', async () => {
    const client = await connect(lab);
    const sftp = await client.sftp();
    lab.control.at({ receivedBytes: 200_000 }, () => lab.control.dropConnections());
    const closed = new Promise<void>((resolve) => {
      client.ssh.once('close', () => resolve());
    });
    const handle = await call<Buffer>((done) => sftp.open('/tmp/part', exclusive, done));
    for (let at = 0; at < 500_000; at += 50_000)
      sftp.write(handle, Buffer.alloc(50_000, 1), 0, 50_000, at, () => {});
    await closed;
    const again = await connect(lab);
    const { stdout } = await again.run('stat -c %s /tmp/part');
    // What the server has read already it still carries out.
    assert.ok(Number(stdout) >= 150_000 && Number(stdout) < 350_000, stdout.toString());
    again.close();
  });
});
