/** Another key, or another machine, where the host was: no login, and back once the pin says so. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { eventually } from '../../gateway/harness.ts';
import { spawnGateway } from '../../gateway/process.ts';
import { onStand } from '../harness.ts';
import { type Endpoint, settingsOver, startFaultProxy } from '../stand/fault-proxy.ts';
import { type Sshd, startSshd } from '../stand/sshd.ts';

async function start(t: TestContext) {
  const sshd = await startSshd();
  t.after(() => sshd.close());
  const link = await startFaultProxy(sshd);
  t.after(() => link.close());
  const stateDir = await mkdtemp(join(tmpdir(), 'host-key-'));
  t.after(() => rm(stateDir, { recursive: true }));
  /** A gateway process with these settings in place of the pin. */
  const run = async (env: Record<string, string>) => {
    const gateway = spawnGateway('serve', {
      ...settingsOver(link, sshd, stateDir),
      SSH_HOST_KEY: '',
      ...env,
    });
    t.after(() => gateway.stop('SIGKILL'));
    const url = await gateway.url();
    const says = (what: RegExp) =>
      eventually(async () => {
        const answer = await fetch(new URL('/readyz', url));
        return what.test(await answer.text()) || undefined;
      }, 10_000);
    return { gateway, says };
  };
  return { sshd, link, stateDir, run };
}

const knownHost = ({ host, port }: Endpoint, wire: string) => `[${host}]:${port} ssh-ed25519 ${wire}\n`;

async function keyOf(sshd: Sshd): Promise<string> {
  // The keys of the client and of the host lie in the same memory.
  const file = sshd.keyFile.replace('/root/.stand-client-key', '/etc/ssh/host_ed25519.pub');
  return (await readFile(file, 'utf8')).split(' ')[1] ?? assert.fail();
}

const ready = /"ready"/;
const refused = /no connection to the host \(HOST_KEY_REFUSED\)/;

describe('another key where the host was', { concurrency: true, ...onStand }, () => {
  test('a pin that is rotated with the key is read anew, without a restart', async (t) => {
    const { sshd, link, stateDir, run } = await start(t);
    const file = join(stateDir, 'pins');
    await writeFile(file, knownHost(link, await keyOf(sshd)));
    const { says } = await run({ SSH_KNOWN_HOSTS: file });
    await says(ready);
    const before = await keyOf(sshd);
    await sshd.rotateHostKey();
    assert.notEqual(await keyOf(sshd), before);
    await writeFile(file, knownHost(link, await keyOf(sshd)));
    const { taken } = link;
    link.cut();
    await eventually(() => link.taken > taken || undefined);
    await says(ready);
  });

  test('the key that was seen first stays the only one, over a restart too', async (t) => {
    const { sshd, stateDir, run } = await start(t);
    const first = await run({ SSH_TRUST_ON_FIRST_USE: 'true' });
    await first.says(ready);
    assert.equal(await first.gateway.stop('SIGTERM'), 0);
    const remembered = await readFile(join(stateDir, 'known_hosts'), 'utf8');
    const log = sshd.log();
    await sshd.rotateHostKey();
    const second = await run({ SSH_TRUST_ON_FIRST_USE: 'true' });
    await second.says(refused);
    assert.doesNotMatch(sshd.log().slice(log.length), /Accepted|Failed|userauth|authenticating user/i);
    assert.equal(await readFile(join(stateDir, 'known_hosts'), 'utf8'), remembered);
  });

  test('another machine that takes the address gets no login', async (t) => {
    const { sshd, link, run } = await start(t);
    const other = await startSshd();
    t.after(() => other.close());
    const { says } = await run({ SSH_HOST_KEY: sshd.fingerprint });
    await says(ready);
    link.leadTo(other);
    link.reset();
    await says(refused);
    assert.match(other.log(), /Disconnected from .* \[preauth\]/);
    assert.doesNotMatch(other.log(), /Accepted|Failed|userauth|authenticating user/i);
  });
});
