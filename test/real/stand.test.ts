/** The stand proves itself: what it keeps apart, what it can be told, and what it leaves behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { realStand } from './stand/available.ts';
import { connect, type Session } from './stand/client.ts';
import type { Guest } from './stand/guests.ts';
import { type StandNode, startNode } from './stand/node.ts';
import { findProcesses, pidNamespaceOf, processesOf, waitUntilGone } from './stand/processes.ts';
import { startSshd } from './stand/sshd.ts';

const skip = realStand.available ? false : realStand.reason;
describe('the stand', { skip }, () => {
  let node: StandNode;
  let session: Session;
  before(async () => {
    node = await startNode({ password: 'a long secret' });
    session = await connect(node.sshd);
  });
  after(async () => {
    session?.end();
    await node?.close();
  });
  const said = async (line: string) => (await session.exec(line)).stdout.toString();

  test('keeps a container apart from its node, and the node apart from the machine', async () => {
    const marker = '/root/written-inside';
    assert.equal(
      await said(`lxc-attach -n 100 -- sh -c 'hostname; echo >${marker}; ls ${marker}'`),
      `web1\n${marker}\n`,
    );
    assert.equal(existsSync(node.world.path(marker)), false);
    assert.equal(await said('lxc-attach -n 100 -- ps -eo pid= -o comm=').then(squeezed), '1 init,N ps');
    const breakout = await session.exec(
      'lxc-attach -n 100 -- sh -c "mknod /tmp/d b 254 0; >/usr/x; >/proc/sysrq-trigger"',
    );
    assert.notEqual(breakout.code, 0);
    assert.equal(await said('lxc-attach -n 100 -- cat /proc/self/uid_map').then(squeezed), '0 100000 65536');
    await session.exec(`echo >${marker}`);
    assert.equal(existsSync(node.world.path(marker)), true);
    assert.equal(existsSync(marker), false);
    assert.equal((await session.exec('echo >/usr/sbin/pct.new')).code, 0);
    assert.equal(existsSync('/usr/sbin/pct.new'), false);
  });

  test('shows running containers where Proxmox VE itself looks for them', async () => {
    const sockets = await said("grep -o '@/var/lib/lxc/[0-9]*/command' /proc/net/unix | sort");
    assert.equal(sockets, '@/var/lib/lxc/100/command\n@/var/lib/lxc/102/command\n');
    assert.doesNotMatch(readFileSync('/proc/net/unix', 'utf8'), /@\/var\/lib\/lxc\/10[02]\/command/);
  });

  test('ends the payload in the container by its group on the node, and not by its attacher', async () => {
    const group = await started('sleep 4711');
    await session.exec(`kill -KILL -- -${group}`);
    await waitUntilGone('sleep 4711', 2_000);
    const orphan = await started('sh -c "trap : TERM; while :; do sleep 0.4712; done"');
    await session.exec(`kill -TERM -- -${orphan}`);
    await session.exec('sleep 0.5');
    assert.notDeepEqual(await findProcesses('0.4712'), []);
    await session.exec(`kill -KILL -- -${orphan}`);
    await waitUntilGone('0.4712', 2_000);
  });

  /** Starts a payload in container 100 under a group of its own and gives back that group. */
  async function started(payload: string): Promise<number> {
    const line = `lxc-attach -n 100 --clear-env -- ${payload}`;
    return Number(await said(`setsid sh -c 'echo $$; exec ${line} >/dev/null 2>&1' & sleep 0.3`));
  }

  test('turns its knobs', async () => {
    node.turn('start-fails', 1);
    const failed = await session.exec('pct start 101');
    assert.equal(failed.stderr.toString(), "startup for container '101' failed\n");
    assert.equal(failed.code, 255);
    node.turn('start-fails');
    node.turn('pct-hangs', 1);
    assert.equal((await session.exec('timeout -s KILL 0.3 pct list; echo $?')).stdout.toString(), '137\n');
    node.turn('pct-hangs');
    assert.equal((await session.exec('timeout 5 pct list')).code, 0);
  });

  test('lets in by password too, and loses and counts its connections', async () => {
    const other = await connect(node.sshd, { password: 'a long secret' });
    assert.equal(await node.sshd.sessions(), 2);
    const lost = session.exec('sleep 4713');
    assert.equal(await other.exec('sleep 0.2').then(({ code }) => code), 0);
    assert.equal(await node.sshd.killSessions(), 2);
    assert.deepEqual(await lost.then(({ code, signal }) => ({ code, signal })), {
      code: null,
      signal: undefined,
    });
    assert.notDeepEqual(await findProcesses('sleep 4713'), [], 'the command outlives its connection');
    session = await connect(node.sshd);
  });

  test('changes its host key, goes down and comes back on the same port', async () => {
    const { fingerprint } = node.sshd;
    assert.notEqual(await node.sshd.rotateHostKey(), fingerprint);
    assert.equal(await said('echo still here'), 'still here\n');
    await node.sshd.stop();
    await assert.rejects(connect(node.sshd), { code: 'ECONNREFUSED' });
    await node.sshd.start();
    session = await connect(node.sshd);
    assert.match(node.sshd.log(), /Accepted publickey for root/);
  });
});

test('an sshd alone, with another login shell, another user and its limits', { skip }, async (t) => {
  const sshd = await startSshd({ shell: '/bin/dash', maxSessions: 1 });
  t.after(() => sshd.close());
  const login = async (username: string) => {
    const session = await connect(sshd, { username });
    t.after(() => session.end());
    return session;
  };
  const shell = await (await login('root')).exec('readlink /proc/$$/exe; tty', { pty: true });
  assert.match(shell.stdout.toString(), /^\/usr\/bin\/dash\r\n\/dev\/pts\/\d+\r\n$/);
  const other = await (await login('mcp')).exec('id -un; pwd');
  assert.equal(other.stdout.toString(), 'mcp\n/home/mcp\n');
  const full = await login('root');
  const first = full.exec('sleep 0.3');
  await assert.rejects(full.exec('true'), /open failed/);
  assert.equal((await first).code, 0);
});

test('OpenSSH logs in with the key file, knows the host key and transfers files', { skip }, async (t) => {
  const sshd = await startSshd();
  t.after(() => sshd.close());
  const options = ['StrictHostKeyChecking=accept-new', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes'];
  const sftp = spawn('sftp', [
    ...['-v', '-b', '-', '-i', sshd.keyFile, '-P', String(sshd.port)],
    ...options.flatMap((option) => ['-o', option]),
    `root@${sshd.host}`,
  ]);
  sftp.stdin.end('put /etc/hostname /root/there\nls /root\n');
  const [listed, told] = await Promise.all([text(sftp.stdout), text(sftp.stderr), once(sftp, 'close')]);
  assert.equal(sftp.exitCode, 0, told);
  assert.match(listed, /^\/root\/there\s*$/m);
  assert.ok(told.includes(`Server host key: ssh-ed25519 ${sshd.fingerprint}`), told);
});

test('a container has no more room than it was given', { skip }, async (t) => {
  const small: Guest = { kind: 'container', vmid: 100, name: 'small', rootfsSize: '1m' };
  const node = await startNode({ guests: [small] });
  t.after(() => node.close());
  await node.world.run('pct start 100');
  const { code, stderr } = await node.world.run(
    'lxc-attach -n 100 -- dd if=/dev/zero of=/tmp/f bs=64k count=32',
  );
  assert.match(stderr, /No space left on device/);
  assert.equal(code, 1);
});

test('hundred stopped containers cost no process', { skip }, async (t) => {
  const guests = Array.from(
    { length: 100 },
    (_, index): Guest => ({ kind: 'container', vmid: 1000 + index, name: `c${index}` }),
  );
  const node = await startNode({ guests });
  t.after(() => node.close());
  assert.equal((await node.world.run('pct list')).stdout.split('\n').length, 102);
  assert.ok((await node.world.processes()).length < 5);
});

test('close leaves no process, no mount and no file', { skip }, async (t) => {
  const { TMPDIR } = process.env;
  const temporary = mkdtempSync(join(tmpdir(), 'stand-test-'));
  process.env.TMPDIR = temporary;
  t.after(() => {
    process.env.TMPDIR = TMPDIR ?? '/tmp';
    rmSync(temporary, { recursive: true });
  });
  const node = await startNode();
  const session = await connect(node.sshd);
  const payload = session.exec('pct start 101; lxc-attach -n 101 -- sleep 4714');
  await session.exec('nohup sleep 4714 >/dev/null 2>&1 & while ! lxc-info -n 101 -sH; do sleep 0.05; done');
  const left = await observe(node.world.pid, 7);
  await node.close();
  assert.equal((await payload).code, null);
  assert.deepEqual(await left(), []);
  assert.deepEqual(await findProcesses('sleep 4714'), []);
  assert.deepEqual(await findProcesses(`nsenter --target ${node.world.pid} `), []);
  assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(temporary));
  assert.deepEqual(readdirSync(temporary), []);
});

test('a node does not outlive tests that are killed', { skip }, async () => {
  const module = new URL('./stand/node.ts', import.meta.url).href;
  const script = `import { startNode } from '${module}'; const { world } = await startNode();
    process.stdout.write(world.pid + '\\n'); setInterval(() => {}, 1000);`;
  const tests = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(tests.stdout, 'data');
  const left = await observe(Number(line), 4);
  tests.kill('SIGKILL');
  await once(tests, 'close');
  await waitUntilGone(`nsenter --target ${Number(line)} `, 2_000);
  assert.deepEqual(await left(), []);
});

/**
 * Notes the processes of a world and gives back the question which of them are still there. Numbers of
 * processes and of namespaces are both used again, so only a pair of the same is the same process.
 */
async function observe(worldPid: number, atLeast: number): Promise<() => Promise<number[]>> {
  const namespace = (await pidNamespaceOf(worldPid)) ?? '';
  const noted = new Set((await processesOf(namespace)).map(({ pid }) => pid));
  assert.ok(noted.size >= atLeast, `${noted.size} processes`);
  return async () => (await processesOf(namespace)).map(({ pid }) => pid).filter((pid) => noted.has(pid));
}

/** Blanks squeezed, process numbers but the first masked. */
function squeezed(text: string): string {
  return text
    .trim()
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replace(/\s+/g, ' ')
        .replace(/^\d+ ps$/, 'N ps'),
    )
    .join(',');
}
