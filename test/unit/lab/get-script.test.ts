import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { deviceNode } from '../../../lab/files/inode.ts';
import { plant } from '../../../lab/files/tree.ts';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { getScript } from '../../../src/ops/files/get-script.ts';
import { connect, type LabClient } from './client.ts';
import { quote, talk } from './talk.ts';

describe('the download script in the lab', () => {
  const content = randomBytes(3 * 1024 * 1024 + 77);
  let lab: Lab;
  let client: LabClient;
  before(async () => {
    lab = await startLab({
      guests: [
        { vmid: 100, name: 'web1', status: 'running' },
        { vmid: 101, name: 'bare', status: 'running', without: ['sha256sum', 'stat'] },
      ],
    });
    client = await connect(lab);
    for (const vmid of [100, 101])
      await client.run(`lxc-attach -n ${vmid} -- sh -c 'cat >/srv/big'`, content);
    await client.run('cat >/srv/big', content);
  });
  after(async () => {
    client.close();
    await lab.close();
  });
  const inside = async (script: string) => {
    const { stdout, stderr } = await client.run(`lxc-attach -n 100 --clear-env -- sh -c ${quote(script)}`);
    assert.equal(stderr.toString(), '');
    return stdout.toString();
  };

  for (const [route, through] of [
    ['lxc-attach', undefined],
    ['pct exec', ['pct', 'exec', '100', '--keep-env', '0', '--']],
    ['the host', []],
  ] as const)
    test(`sum and whole file come through ${route}`, async () => {
      const talking = await talk(client, getScript, ['/srv/big'], through);
      assert.deepEqual((await talking.fields(5)).slice(0, 4), [
        'at',
        '/srv/big',
        String(content.length),
        'yes',
      ]);
      await talking.send('sum\n');
      const sum = createHash('sha256').update(content).digest('hex');
      assert.deepEqual(await talking.fields(2), ['sum', sum]);
      await talking.send(`send 0 ${content.length}\n`);
      assert.ok((await talking.bytes(content.length)).equals(content));
      assert.deepEqual(await talking.fields(1), ['same']);
      assert.equal(await talking.end(), 0);
    });

  for (const [offset, length] of [
    [0, 1],
    [1, 65_536],
    [65_535, 65_538],
    [3_000_000, 145_805],
    [content.length - 1, 1],
    [0, 0],
  ] as const)
    test(`a range of ${length} bytes at ${offset}`, async () => {
      const talking = await talk(client, getScript, ['/srv/big']);
      await talking.fields(5);
      await talking.send(`send ${offset} ${length}\n`);
      assert.ok((await talking.bytes(length)).equals(content.subarray(offset, offset + length)));
      assert.deepEqual(await talking.fields(1), ['same']);
      await talking.end();
    });

  test('without sha256sum and stat it says so, and still sees a change', async () => {
    const through = ['lxc-attach', '-n', '101', '--clear-env', '--'];
    const talking = await talk(client, getScript, ['/srv/big'], through);
    assert.deepEqual((await talking.fields(5)).slice(0, 4), ['at', '/srv/big', String(content.length), '']);
    await client.run("lxc-attach -n 101 -- sh -c 'printf more >>/srv/big'");
    await talking.send('send 0 10\n');
    assert.ok((await talking.bytes(10)).equals(content.subarray(0, 10)));
    assert.deepEqual(await talking.fields(1), ['changed']);
    await talking.end();
  });

  test('a file that grows, shrinks or is written to in place has changed', async () => {
    for (const change of ['printf x >>', 'truncate -s 5 ', 'printf y | dd conv=notrunc of=']) {
      await inside('printf 0123456789 >/srv/live');
      const talking = await talk(client, getScript, ['/srv/live']);
      await talking.fields(5);
      await inside(`${change}/srv/live 2>/dev/null`);
      await talking.send('send 0 5\n');
      await talking.bytes(change.startsWith('printf y') ? 1 : 5);
      const rest = await talking.fields(1);
      assert.match(rest.join(), /changed$/, change);
      await talking.end();
    }
  });

  test('links are followed to the real path; names come byte for byte', async () => {
    const name = `ü 'q' "d"\n-x`;
    await inside(
      `mkdir /srv/d; printf odd >${quote(`/srv/d/${name}`)}; ln -s d /srv/to-d; ln -s ${quote(name)} /srv/d/link`,
    );
    for (const path of [`/srv/d/${name}`, `/srv/to-d/${name}`, '/srv/to-d/link']) {
      const talking = await talk(client, getScript, [path]);
      assert.deepEqual((await talking.fields(5)).slice(0, 3), ['at', `/srv/d/${name}`, '3']);
      await talking.send('send 0 3\n');
      assert.equal((await talking.bytes(3)).toString(), 'odd');
      await talking.end();
    }
  });

  test('nothing but a regular file is opened', async () => {
    const guest = lab.node.guest(100)?.machine;
    assert.ok(guest);
    plant(guest.files, '/srv/socket', deviceNode('socket'));
    await inside(
      'mkfifo /srv/fifo; mknod /srv/zero c 1 5; mknod /srv/disk b 8 0; ln -s nowhere /srv/dangling; ln -s /dev/zero /srv/trap',
    );
    for (const [path, what] of [
      ['/srv/socket', 'irregular'],
      ['/srv/fifo', 'irregular'],
      ['/srv/zero', 'irregular'],
      ['/srv/disk', 'irregular'],
      ['/srv/trap', 'irregular'],
      ['/srv/dangling', 'dangling'],
      ['/srv/none', 'missing'],
      ['/srv/d', 'directory'],
    ] as const) {
      const talking = await talk(client, getScript, [path]);
      assert.deepEqual(await talking.fields(3), ['failed', what, ''], path);
      assert.equal(await talking.end(), 1);
    }
  });

  test('a file taken away after it was opened is read to its end', async () => {
    await inside('printf 0123456789 >/srv/gone');
    const talking = await talk(client, getScript, ['/srv/gone']);
    await talking.fields(5);
    await inside('rm /srv/gone');
    await talking.send('send 0 10\n');
    assert.equal((await talking.bytes(10)).toString(), '0123456789');
    assert.deepEqual(await talking.fields(1), ['changed']);
    await talking.end();
  });

  test('a client that does not read is not sent more than it takes', async () => {
    const talking = await talk(client, getScript, ['/srv/big']);
    await talking.fields(5);
    talking.channel.pause();
    await talking.send(`send 0 ${content.length}\n`);
    await client.run('sleep 0.2');
    const running = lab.node.processes.visibleFrom(lab.node.machine).filter(({ argv }) => argv[0] === 'cat');
    assert.equal(running.length, 1);
    talking.channel.resume();
    assert.ok((await talking.bytes(content.length)).equals(content));
    await talking.end();
  });
});
