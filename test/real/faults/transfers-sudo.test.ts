/** A host that is not reached as root, and one that has no SFTP. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { eventually } from '../../gateway/harness.ts';
import { onStand } from '../harness.ts';
import type { NodeOptions } from '../stand/node.ts';
import { get, mebibyte, put, routes, sha256, slices, startTransferring } from './transfer-stand.ts';

const withSudo = existsSync('/usr/bin/sudo') ? onStand : { skip: 'the stand needs /usr/bin/sudo' };
const sudoers =
  'Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"\nroot ALL=(ALL) ALL\nmcp ALL=(ALL) NOPASSWD: ALL\n';
const sudoEnv = { SSH_USERNAME: 'mcp', SSH_SUDO: 'true' };

async function start(t: TestContext, env: Record<string, string>, node: NodeOptions = {}) {
  const on = await startTransferring({ env, node });
  t.after(() => on.close());
  on.node.world.write('/etc/sudoers', sudoers, 0o440);
  on.node.world.write(
    '/etc/pam.d.sudo',
    'auth sufficient pam_permit.so\naccount sufficient pam_permit.so\nsession optional pam_permit.so\n',
  );
  await on.onHost('mount --bind /etc/pam.d.sudo /etc/pam.d/sudo; chmod 755 /root/.. ');
  await eventually(async () => (await on.gateway.exec('true')).isError !== true || undefined, 10_000);
  return on;
}

describe('transfers of a user who is not root', { concurrency: true, ...withSudo }, () => {
  for (const route of routes)
    test(`both ways, ${route}: through sudo, staged as that user, and nothing is left`, async (t) => {
      const on = await start(t, { ...sudoEnv, TRANSFER_ROUTE: route });
      const bytes = randomBytes(mebibyte);
      const sent = await put(await on.putUrl('/srv/file', { owner: 'app' }), slices(bytes), bytes.length);
      assert.deepEqual(
        [sent.status, sent.route, sent.sha256],
        [201, route, sha256(bytes)],
        JSON.stringify(sent),
      );
      assert.equal(await on.inside('stat -c "%U %a" /srv/file'), 'app 644');
      const came = await on.download({ container_path: '/srv/file', local_path: 'file' });
      assert.equal((came.structuredContent as { route?: string }).route, route);
      const { body } = await get(await on.getUrl('/srv/file'));
      assert.equal(sha256(body), sha256(bytes));
      await on.clean(5_000);
    });
});

describe('staging directories of nobody', { concurrency: true, ...withSudo }, () => {
  for (const [who, env, user] of [
    ['root', {}, 'root'],
    ['a user with sudo', sudoEnv, 'mcp'],
  ] as const)
    test(`older than a day, of ${who}: swept without any record; younger ones and those of others stay`, async (t) => {
      const on = await start(t, { ...env, STAGING_DIR: '/srv/staging' });
      const make = (name: string, owner: string, age: string) =>
        on.onHost(
          `cd /srv/staging && mkdir ${name} && echo x >${name}/file && chown -R ${owner} ${name} && touch -d '${age}' ${name} ${name}/file`,
        );
      await on.onHost('mkdir -p /srv/staging; chmod 1777 /srv/staging');
      const ids = ['1', '2', '3'].map(
        (digit) => `proxmox-mcp-${digit.repeat(8)}-1111-4111-8111-${digit.repeat(12)}`,
      );
      const [old = '', young = '', foreign = ''] = ids;
      await make(old, user, '25 hours ago');
      await make(young, user, '23 hours ago');
      await make(foreign, 'www-data', '25 hours ago');
      const left = async () => (await on.onHost('ls -A /srv/staging')).split('\n');
      await eventually(async () => !(await left()).includes(old) || undefined, 30_000).catch(() => {});
      assert.deepEqual(await left(), [young, foreign]);
    });
});

describe('a host without SFTP', onStand, () => {
  test('uploads and downloads are streamed instead, and nothing is left', async (t) => {
    const on = await startTransferring({ node: { config: [] } });
    t.after(() => on.close());
    await on.onHost("sed -i '/^Subsystem/d' /etc/ssh/sshd_config");
    await on.node.sshd.stop();
    await on.node.sshd.start();
    await eventually(async () => (await on.gateway.exec('true')).isError !== true || undefined, 20_000);
    const bytes = randomBytes(3 * mebibyte);
    for (const size of [bytes.length, undefined]) {
      const sent = await put(await on.putUrl('/srv/file'), slices(bytes), size);
      assert.deepEqual([sent.status, sent.route, sent.sha256], [201, 'stream', sha256(bytes)]);
    }
    const { body } = await get(await on.getUrl('/srv/file'));
    assert.equal(sha256(body), sha256(bytes));
    await on.clean(15_000);
    const { code } = await put(await on.putUrl('/nowhere/file'), slices(bytes), bytes.length);
    assert.equal(code, 'DIRECTORY_NOT_FOUND');
  });
});
