/** A host whose name comes to mean another address while the gateway runs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../gateway/harness.ts';
import { onStand } from '../harness.ts';
import { settingsOver, startFaultProxy } from '../stand/fault-proxy.ts';
import { startSshd } from '../stand/sshd.ts';

const name = 'pve.test';

/** In a mount namespace of its own, so that only the gateway sees these hosts. */
const withOwnHosts = 'mount --bind "$OWN_HOSTS" /etc/hosts && exec "$0" src/main.ts serve';

test('the name is resolved anew at every connect', onStand, async (t) => {
  const sshd = await startSshd();
  t.after(() => sshd.close());
  const before = await startFaultProxy(sshd);
  t.after(() => before.close());
  const moved = await startFaultProxy(sshd, { host: '127.0.0.2', port: before.port });
  t.after(() => moved.close());
  const stateDir = await mkdtemp(join(tmpdir(), 'name-'));
  t.after(() => rm(stateDir, { recursive: true }));
  const hosts = join(stateDir, 'hosts');
  await writeFile(hosts, `${before.host} ${name}\n`);
  const settings = { ...settingsOver(before, sshd, stateDir), HOST: name, OWN_HOSTS: hosts };
  const gateway = spawn('unshare', ['--mount', 'sh', '-c', withOwnHosts, process.execPath], {
    env: { PATH: process.env.PATH ?? '', ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(async () => {
    if (gateway.exitCode === null && gateway.kill('SIGKILL')) await once(gateway, 'exit');
  });
  let log = '';
  gateway.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const url = await eventually(() => /"url":"([^"]+)"/.exec(log)?.[1], 10_000);
  const readiness = async () => {
    const answer = await fetch(new URL('/readyz', url));
    return { ready: answer.ok, text: await answer.text() };
  };
  const ready = () => eventually(async () => (await readiness()).ready || undefined, 15_000);
  await ready();
  assert.deepEqual([before.taken, moved.taken], [1, 0]);

  await writeFile(hosts, '');
  before.cut();
  await eventually(async () => /HOST_UNREACHABLE/.test((await readiness()).text) || undefined);
  assert.deepEqual([before.taken, moved.taken], [1, 0]);
  await writeFile(hosts, `${moved.host} ${name}\n`);
  await ready();
  assert.deepEqual([before.taken, moved.taken], [1, 1]);

  await writeFile(hosts, `${before.host} ${name}\n`);
  moved.cut();
  await eventually(() => before.taken === 2 || undefined);
  await ready();
  assert.equal(moved.taken, 1);
});
