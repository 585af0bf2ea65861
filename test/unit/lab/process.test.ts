import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { ClientChannel } from 'ssh2';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { connect, finish, type LabClient } from './client.ts';

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A command in container 100 as the gateway starts it. */
function launched(argv: readonly string[]): string {
  const attach = ['timeout', '-s', 'KILL', '35', 'lxc-attach', '-n', '100', '--clear-env', '--', ...argv];
  return `printf '%s %s\\n' 'NONCE' "$$"; exec ${attach.map(quote).join(' ')}`;
}

function nextChunk(channel: ClientChannel): Promise<string> {
  return once(channel, 'data').then(([chunk]) => String(chunk));
}

describe('processes of the lab', () => {
  let lab: Lab;
  let client: LabClient;
  before(async () => {
    lab = await startLab();
    client = await connect(lab);
  });
  after(async () => {
    client.close();
    await lab.close();
  });
  const output = async (command: string, stdin?: string | Buffer) =>
    (await client.run(command, stdin)).stdout.toString();

  /** Starts a command in the container and reads its group from the first line. */
  const start = async (script: string) => {
    const channel = await client.open(launched(['/bin/sh', '-c', script]));
    const first = await nextChunk(channel);
    const [, group] = /^NONCE (\d+)\n$/.exec(first) ?? [];
    assert.ok(group, first);
    return { channel, group };
  };

  test('the first line comes before the command has done anything', async () => {
    const { channel, group } = await start('sleep 5; echo late');
    const ended = finish(channel);
    assert.equal((await client.run(`kill -0 -- -${group}`)).code, 0);
    await client.run(`kill -KILL -- -${group}`);
    assert.equal((await ended).stdout.toString(), '');
  });

  for (const [signal, reported] of [
    ['TERM', 'SIGTERM'],
    ['KILL', 'SIGKILL'],
  ] as const)
    test(`${signal} to the group ends everything in it, in the container too`, async () => {
      const { channel, group } = await start('sleep 300 & echo here; sleep 300; echo never');
      await nextChunk(channel);
      assert.match(await output('pct exec 100 -- ps aux'), /sleep 300/);
      const ended = finish(channel);
      assert.equal((await client.run(`kill -${signal} -- -${group}`)).code, 0);
      const { code, signal: seen, stdout } = await ended;
      assert.deepEqual({ code, seen, stdout: stdout.toString() }, { code: null, seen: reported, stdout: '' });
      const again = await client.run(`kill -0 -- -${group}`);
      assert.equal(again.code, 1);
      assert.match(again.stderr.toString(), /No such process/);
      assert.doesNotMatch(await output('ps aux'), /sleep 300/);
    });

  test('what ignores TERM dies of KILL; what has its own session survives both', async () => {
    const { channel, group } = await start(
      "trap '' TERM; setsid sleep 301 & echo here; sleep 302; sleep 303",
    );
    await nextChunk(channel);
    const ended = finish(channel);
    await client.run(`kill -TERM -- -${group}; sleep 0.1`);
    assert.match(await output('pct exec 100 -- ps aux'), /sleep 30[23]/);
    await client.run(`kill -KILL -- -${group}; sleep 0.1`);
    const left = await output('pct exec 100 -- ps aux');
    assert.doesNotMatch(left, /sleep 30[23]/);
    assert.match(left, /sleep 301/);
    await client.run('pct exec 100 -- pkill -9 -f 301');
    await ended;
  });

  test('timeout ends the tree with KILL and reports 124 for what obeys', async () => {
    assert.equal((await client.run('timeout 0.1 sleep 20')).code, 124);
    const killed = await client.run('timeout -s KILL 0.1 lxc-attach -n 100 -- sh -c "sleep 304"; echo $?');
    assert.equal(killed.stdout.toString(), '137\n');
    assert.doesNotMatch(await output('ps aux'), /sleep 304/);
  });

  test('stopping the container ends its commands with 137', async () => {
    const running = client.run('lxc-attach -n 100 --clear-env -- sleep 305');
    while (!(await output('ps aux')).includes('sleep 305')) await pause(10);
    assert.equal((await client.run('pct stop 100')).code, 0);
    assert.equal((await running).code, 137);
    assert.equal((await client.run('pct start 100')).code, 0);
  });

  for (const command of [
    'for i in 1 2 3; do echo $i; sleep 0.2; done',
    'ping -c 3 -i 0.2 localhost',
    'apt-get update',
    'seq 1 3 | while read -r n; do echo $n; sleep 0.2; done',
    'ping -c 3 -i 0.2 localhost | grep --color=never from',
  ])
    test(`output comes while the command runs: ${command}`, async () => {
      const channel = await client.open(`pct exec 100 -- sh -c ${quote(command)}`);
      await nextChunk(channel);
      let exited = false;
      channel.on('exit', () => {
        exited = true;
      });
      await nextChunk(channel);
      assert.equal(exited, false);
      await finish(channel);
    });

  test('a flood stops at the client’s window and ends with its group', async () => {
    const { channel, group } = await start('yes');
    channel.pause();
    await pause(300);
    const process = lab.node.processes.visibleFrom(lab.node.machine).find(({ argv }) => argv[0] === 'yes');
    assert.ok(process);
    const ended = finish(channel);
    assert.equal((await client.run(`kill -KILL -- -${group}`)).code, 0);
    channel.resume();
    const { signal, stdout } = await ended;
    assert.equal(signal, 'SIGKILL');
    assert.ok(stdout.length > 0 && stdout.length < 8 * 1024 * 1024, String(stdout.length));
    assert.equal(lab.node.processes.visibleFrom(lab.node.machine).includes(process), false);
  });

  test('a writer into a closed pipe ends', async () => {
    assert.equal(await output('set -o pipefail; yes | head -c 6; echo $?'), 'y\ny\ny\n141\n');
  });

  test('bytes pass through unchanged in both directions', async () => {
    const bytes = Buffer.from(
      Array.from({ length: 256 * 1024 }, (_value, index) => (index * 7 + (index >> 8)) & 0xff),
    );
    const { stdout } = await client.run('lxc-attach -n 100 --clear-env -- sh -c "cat | cat"', bytes);
    const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex');
    assert.equal(digest(stdout), digest(bytes));
  });

  test('input is read as it comes', async () => {
    const channel = await client.open('while read -r line; do echo "<$line>"; done');
    channel.write('one\n');
    assert.equal(await nextChunk(channel), '<one>\n');
    channel.write('two\n');
    assert.equal(await nextChunk(channel), '<two>\n');
    const { code } = await finish(channel);
    assert.equal(code, 0);
  });

  test('a child in the background keeps the channel open after the exit', async () => {
    const channel = await client.open('sleep 0.3 & echo started; exit 3');
    const events: string[] = [];
    channel.on('exit', (code) => events.push(`exit ${code}`));
    channel.on('close', () => events.push('close'));
    channel.resume();
    await once(channel, 'exit');
    await pause(100);
    assert.deepEqual(events, ['exit 3']);
    await once(channel, 'close');
  });

  test('a command outlives its connection', async () => {
    const other = await connect(lab);
    await other.open('pct exec 100 -- sh -c "sleep 0.4; echo done >/tmp/outlived"');
    await pause(100);
    lab.control.dropConnections();
    await pause(600);
    client = await connect(lab);
    assert.equal(await output('pct exec 100 -- cat /tmp/outlived'), 'done\n');
  });

  test('nothing of this machine is within reach', async () => {
    assert.equal((await client.run('test -e /work || test -e /proc/self/exe || test -e /etc/ssl')).code, 1);
    assert.equal((await client.run('node -e 1')).code, 127);
    assert.equal((await client.run('echo $PPID; kill -0 $PPID')).stderr.toString(), '');
    const { stdout } = await client.run('env; hostname; cat /etc/hostname');
    assert.ok(!stdout.includes(process.cwd()));
  });
});
