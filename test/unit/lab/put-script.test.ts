import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { putScript } from '../../../src/ops/files/put-script.ts';
import { eventually } from '../../gateway/harness.ts';
import { connect, type LabClient } from './client.ts';
import { quote, type Talk, talk } from './talk.ts';

const temp = '.unguessable.part';
const attach = (vmid: number) => ['lxc-attach', '-n', String(vmid), '--clear-env', '--'];

function sumOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

interface Commit {
  readonly sha256?: string;
  readonly mode?: string;
  readonly place?: 'replace' | 'keep';
  readonly user?: string;
  readonly group?: string;
}

function commitLine(bytes: Buffer, given: Commit = {}): string {
  const { sha256 = sumOf(bytes), mode = '644', place = 'replace', user = '-', group = '-' } = given;
  return `commit ${bytes.length} ${sha256} ${mode} ${place} ${user} ${group}\n`;
}

describe('the upload script in the lab', () => {
  let lab: Lab;
  let client: LabClient;
  before(async () => {
    lab = await startLab({
      guests: [
        {
          ...{ vmid: 100, name: 'web1', status: 'running' },
          mounts: [
            { path: '/mnt/tiny', freeBytes: 100_000 },
            { path: '/mnt/ro', readOnly: true },
          ],
        },
        { vmid: 101, name: 'bare', status: 'running', without: ['sha256sum'] },
      ],
    });
    client = await connect(lab);
  });
  after(async () => {
    client.close();
    await lab.close();
  });

  const inside = async (script: string, vmid = 100) => {
    const { stdout, stderr } = await client.run([...attach(vmid), 'sh', '-c', script].map(quote).join(' '));
    assert.equal(stderr.toString(), '');
    return stdout.toString();
  };
  const begin = async (directory: string, name: string, through?: readonly string[]): Promise<Talk> => {
    const talking = await talk(client, putScript, [directory, name, temp], through);
    await talking.fields(5);
    await talking.send('go\n');
    return talking;
  };
  const fill = async (talking: Talk, bytes: Buffer) => {
    assert.deepEqual(await talking.fields(1), ['ready']);
    await talking.send(`data ${bytes.length}\n`);
    await talking.send(bytes);
    assert.deepEqual(await talking.fields(1), ['taken']);
  };
  /** What the script says of a commit, and its exit status. */
  const put = async (directory: string, name: string, bytes: Buffer, commit?: Commit, vmid = 100) => {
    const talking = await begin(directory, name, attach(vmid));
    await fill(talking, bytes);
    await talking.send(commitLine(bytes, commit));
    const [said = ''] = await talking.fields(1);
    const more = said === 'failed' ? await talking.fields(2) : [];
    return { said: [said, ...more], code: await talking.end() };
  };

  const names = [
    'plain',
    'with spaces',
    `quotes ' and "`,
    'new\nline',
    '-dash',
    'ümläut ✓',
    '$(id)',
    '*',
    '\\n',
  ];
  for (const [route, through] of [
    ['lxc-attach', undefined],
    ['pct exec', ['pct', 'exec', '100', '--keep-env', '0', '--']],
    ['the host', []],
  ] as const)
    test(`8 MiB arrive through ${route}, with mode and owner`, async () => {
      const bytes = randomBytes(8 * 1024 * 1024 + 4321);
      const talking = await begin('/srv/made/on the way', 'file', through);
      await fill(talking, bytes);
      await talking.send(commitLine(bytes, { mode: '640', user: 'daemon', group: '33' }));
      assert.deepEqual(await talking.fields(1), ['done']);
      assert.equal(await talking.end(), 0);
      const look = `cd '/srv/made/on the way'; stat -c '%a %u:%g %s' file; sha256sum <file; ls -A; stat -c %a .`;
      const seen = route === 'the host' ? (await client.run(look)).stdout.toString() : await inside(look);
      assert.equal(seen, `640 1:33 ${bytes.length}\n${sumOf(bytes)}  -\nfile\n755\n`);
    });

  for (const name of names)
    test(`a directory and a file of the name ${JSON.stringify(name)} arrive byte for byte`, async () => {
      const bytes = Buffer.from(name);
      const talking = await talk(client, putScript, [`/srv/${name}`, name, temp]);
      assert.deepEqual((await talking.fields(5)).slice(0, 4), ['at', '/srv', `/${name}`, 'missing']);
      await talking.send('go\n');
      await fill(talking, bytes);
      await talking.send(commitLine(bytes));
      assert.deepEqual(await talking.fields(1), ['done']);
      await talking.end();
      const path = quote(`/srv/${name}/${name}`);
      assert.equal(
        await inside(`cat ${path}; ls -A ${quote(`/srv/${name}`)} | wc -l`),
        `${name}${name.split('\n').length}\n`,
      );
    });

  test('what was read of the orders is not taken for data, nor the other way round', async () => {
    const bytes = Buffer.from(`commit 1 2 3\ndata 5\n${'\0\r\n'.repeat(50_000)}go\n`);
    const talking = await begin('/srv', 'orders');
    assert.deepEqual(await talking.fields(1), ['ready']);
    const pieces = [bytes.subarray(0, 1), bytes.subarray(1, 70_001), bytes.subarray(70_001)];
    for (const piece of pieces) {
      await talking.send(Buffer.concat([Buffer.from(`data ${piece.length}\n`), piece]));
      assert.deepEqual(await talking.fields(1), ['taken']);
    }
    await talking.send(commitLine(bytes));
    assert.deepEqual(await talking.fields(1), ['done']);
    assert.equal(await inside('sha256sum </srv/orders'), `${sumOf(bytes)}  -\n`);
  });

  const old = 'old content\n';
  /** The script may still be cleaning up. */
  const keepsOld = async (directory: string) => {
    const isClean = async () => (await inside(`ls -A ${directory}`)) === 'file\n' || undefined;
    await eventually(isClean);
    assert.equal(await inside(`cat ${directory}/file`), old);
  };
  const scripts = () =>
    lab.node.processes.visibleFrom(lab.node.machine).filter(({ argv }) => argv[2] === putScript);

  test('the end of the input in the middle leaves the old file and nothing else', async () => {
    await inside(`mkdir /srv/cut; printf '${old}' >/srv/cut/file`);
    const talking = await begin('/srv/cut', 'file');
    assert.deepEqual(await talking.fields(1), ['ready']);
    await talking.send('data 1000000\n');
    await talking.send(randomBytes(300_000));
    assert.equal(await talking.end(), 1);
    await keepsOld('/srv/cut');
  });

  for (const point of [0, 1, 65_536, 70_000, 199_999])
    test(`a connection lost after ${point} bytes leaves the old file and nothing else`, async () => {
      await inside(`mkdir -p /srv/lost; printf '${old}' >/srv/lost/file`);
      const own = await connect(lab);
      const talking = await talk(own, putScript, ['/srv/lost', 'file', temp]);
      await talking.fields(5);
      await talking.send('go\n');
      await talking.fields(1);
      lab.control.at({ receivedBytes: point + 'data 200000\n'.length }, () => lab.control.dropConnections());
      await talking.send('data 200000\n').catch(() => {});
      await talking.send(randomBytes(200_000)).catch(() => {});
      await talking.end();
      client = await connect(lab);
      await keepsOld('/srv/lost');
    });

  for (const when of ['while it waits for orders', 'while it takes data'] as const)
    test(`TERM to its group ${when} makes it clean up`, async () => {
      await inside(`mkdir -p /srv/term; printf '${old}' >/srv/term/file`);
      const talking = await begin('/srv/term', 'file');
      assert.deepEqual(await talking.fields(1), ['ready']);
      if (when === 'while it takes data') await talking.send('data 1000000\n');
      const [shell] = scripts();
      assert.ok(shell);
      await client.run(`kill -TERM -- -${shell.pgid}`);
      await keepsOld('/srv/term');
      await eventually(() => scripts().length === 0 || undefined);
      assert.equal(await talking.end(), null);
    });

  test('a container that stops half-way ends the script', async () => {
    const guest = lab.node.guest(100);
    assert.ok(guest);
    lab.control.at({ receivedBytes: 100_000 }, () => lab.node.halt(guest));
    const talking = await begin('/srv', 'stopped');
    assert.deepEqual(await talking.fields(1), ['ready']);
    await talking.send('data 200000\n');
    await talking.send(randomBytes(200_000));
    await assert.rejects(talking.fields(1), /ended/);
    assert.equal(await talking.end(), 137);
    lab.node.boot(guest);
    assert.equal(await inside('test -e /srv/stopped || echo none'), 'none\n');
    await inside(`rm -f /srv/${temp}`);
  });

  test('a wrong sum and a wrong size are refused, and leave nothing', async () => {
    await inside(`mkdir -p /srv/sum; printf '${old}' >/srv/sum/file`);
    const bytes = Buffer.from('new');
    const wrong = sumOf(Buffer.from('other'));
    assert.deepEqual(await put('/srv/sum', 'file', bytes, { sha256: wrong }), {
      ...{ said: ['failed', 'sum', ''], code: 1 },
    });
    await keepsOld('/srv/sum');
    const talking = await begin('/srv/sum', 'file');
    await fill(talking, bytes);
    await talking.send(commitLine(Buffer.from('longer than that')));
    assert.deepEqual(await talking.fields(3), ['failed', 'size', '']);
    await talking.end();
    await keepsOld('/srv/sum');
  });

  test('where there is no sha256sum the size alone is compared', async () => {
    const bytes = Buffer.from('new');
    const wrong = sumOf(Buffer.from('other'));
    const { said } = await put('/srv', 'file', bytes, { sha256: wrong }, 101);
    assert.deepEqual(said, ['done']);
    assert.equal(await inside('cat /srv/file; command -v sha256sum || echo none', 101), 'newnone\n');
  });

  test('keep refuses what is there, a dangling link too; of two at once one wins', async () => {
    await inside('mkdir /srv/keep; cd /srv/keep; echo mine >file; ln -s nowhere link; mkdir dir');
    for (const name of ['file', 'link']) {
      const { said } = await put('/srv/keep', name, Buffer.from('new'), { place: 'keep' });
      assert.deepEqual(said, ['failed', 'exists', '']);
    }
    for (const place of ['keep', 'replace'] as const)
      assert.deepEqual((await put('/srv/keep', 'dir', Buffer.from('new'), { place })).said, [
        ...['failed', 'directory', ''],
      ]);
    assert.equal(
      await inside('cd /srv/keep; cat file; readlink link; ls -A . dir'),
      'mine\nnowhere\n.:\ndir\nfile\nlink\n\ndir:\n',
    );
    const racers = await Promise.all(
      ['one', 'two', 'three'].map(async (text) => {
        const talking = await talk(client, putScript, ['/srv/keep', 'prize', `.${text}.part`]);
        await talking.fields(5);
        await talking.send('go\n');
        await fill(talking, Buffer.from(text));
        return { talking, text };
      }),
    );
    const results = await Promise.all(
      racers.map(async ({ talking, text }) => {
        await talking.send(commitLine(Buffer.from(text), { place: 'keep' }));
        const [said] = await talking.fields(1);
        await talking.end();
        return { said, text };
      }),
    );
    const winners = results.filter(({ said }) => said === 'done');
    assert.equal(winners.length, 1);
    assert.equal(
      await inside('cat /srv/keep/prize; ls -A /srv/keep'),
      `${winners[0]?.text}dir\nfile\nlink\nprize\n`,
    );
  });

  test('an old file’s owner is kept, and nothing else of it', async () => {
    await inside(
      `printf '${old}' >/srv/owned; chown app:daemon /srv/owned; chmod 600 /srv/owned; ln /srv/owned /srv/other`,
    );
    assert.deepEqual((await put('/srv', 'owned', Buffer.from('new'))).said, ['done']);
    assert.equal(await inside(`stat -c '%u:%g %a %h' /srv/owned; cat /srv/other`), `1000:1 644 1\n${old}`);
  });

  test('users and groups that are none are named as chown does in the C locale', async () => {
    const bytes = Buffer.from('new');
    assert.deepEqual((await put('/srv', 'whose', bytes, { user: 'nobody-such' })).said, [
      ...['failed', 'owner', "chown: invalid user: 'nobody-such:0'"],
    ]);
    assert.deepEqual((await put('/srv', 'whose', bytes, { group: 'none-such' })).said, [
      ...['failed', 'owner', "chown: invalid group: '0:none-such'"],
    ]);
    assert.equal(await inside('ls -A /srv | grep -c -e whose -e part; true'), '0\n');
  });

  test('a full disk ends it, and what was there has its place again', async () => {
    await inside(`printf '${old}' >/mnt/tiny/file`);
    const talking = await begin('/mnt/tiny', 'file');
    assert.deepEqual(await talking.fields(1), ['ready']);
    await talking.send('data 200000\n');
    await talking.send(randomBytes(200_000));
    const [said, what, words = ''] = await talking.fields(3);
    assert.deepEqual([said, what], ['failed', 'write']);
    assert.match(words, /No space left on device/);
    await talking.end();
    await keepsOld('/mnt/tiny');
    assert.deepEqual((await put('/mnt/tiny', 'file', randomBytes(99_000))).said, ['done']);
  });

  test('a read-only file system says so, for a file and for a directory to be made', async () => {
    for (const directory of ['/mnt/ro', '/mnt/ro/sub/dir']) {
      const talking = await begin(directory, 'file');
      const [said, what, words = ''] = await talking.fields(3);
      assert.deepEqual([said, what], ['failed', 'create']);
      assert.match(words, /Read-only file system/);
      assert.equal(await talking.end(), 1);
    }
  });

  test('a file on the way is no directory; a link on the way is followed', async () => {
    await inside('echo x >/srv/plain-file; mkdir -p /srv/real/deep; ln -s real/deep /srv/short');
    await assert.rejects(
      talk(client, putScript, ['/srv/plain-file', 'x', temp]).then(async (talking) => {
        assert.deepEqual(await talking.fields(3), ['failed', 'directory-missing', '']);
        await talking.fields(1);
      }),
      /ended/,
    );
    const talking = await talk(client, putScript, ['/srv/short', 'x', temp]);
    assert.deepEqual((await talking.fields(5)).slice(0, 4), ['at', '/srv/real/deep', '', 'missing']);
    await talking.end();
  });
});
