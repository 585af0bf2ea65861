/** What an operator allows and denies holds for the file as it really is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, failing, type Hands, movedBy } from './hands.ts';

/** Settings of the site on which this part runs. */
export const fenced = {
  ALLOWED_PATHS: '/srv/share,host:/srv/only-host,container:/srv/only-container',
  DENIED_PATHS: '/srv/share/private',
};

const laid = `
cd /srv && mkdir -p share/private share/dir share-evil outside only-host only-container
for d in share share/private share/dir share-evil outside only-host only-container; do printf old >$d/f; done
ln -s /srv/outside share/out
ln -s /srv/outside/f share/out-file
ln -s private share/in-private
ln -s dir share/within
ln -s /srv/share outside/in`;

const denied = [
  ...['/srv/share-evil/f', '/srv/outside/f', '/srv/f', '/etc/hostname', '/srv/outside/in/f'],
  ...[
    '/srv/share/private/f',
    '/srv/share//./private/f',
    '/srv/share/in-private/f',
    '/srv/share/in-private/new',
  ],
  ...['/srv/share/out/f', '/srv/share/out/new', '/srv/share/out/a/new'],
];

export function policies(hands: () => Hands): void {
  test('only what is allowed and not denied is read or written, wherever links lead', async () => {
    await hands().sh(laid);
    const tree = () => hands().sh('cd /srv && ls -lniR . && cat */f */*/f');
    const before = await tree();
    const up = { content: 'new', overwrite: true, create_directories: true };
    const other = hands().where === 'host' ? 'container' : 'host';
    for (const path of [...denied, `/srv/only-${other}/f`]) {
      await failing(hands().up(path, up), 'PERMISSION_DENIED');
      // What is not there, or lies behind a link, may not be told from what is denied, or from nothing.
      const code = codeOf(await hands().down(path));
      assert.ok(
        code === 'PERMISSION_DENIED' || (code === 'FILE_NOT_FOUND' && /new$/.test(path)),
        `${path}: ${code}`,
      );
    }
    await failing(hands().down('/srv/share/out-file'), 'PERMISSION_DENIED');
    assert.equal(await tree(), before);
    for (const path of ['/srv/share/f', '/srv/share/within/f', `/srv/only-${hands().where}/f`]) {
      movedBy(await hands().up(path, up));
      assert.equal(movedBy(await hands().down(path)).content, 'new');
    }
    // The link itself is in the allowed directory, and is what is replaced.
    movedBy(await hands().up('/srv/share/out-file', up));
    assert.equal(await hands().sh('[ ! -L /srv/share/out-file ] && cat /srv/outside/f'), 'old');
  });
}

/** On a site with the usual settings. */
export function clusterFiles(hands: () => Hands): void {
  test('the configuration of the cluster is neither read nor written', async () => {
    const directory = await hands().fresh('ln -s /etc/pve l; ln -s /etc/pve/.vmlist f');
    for (const path of ['/etc/pve/.vmlist', `${directory}/l/.vmlist`, `${directory}/f`])
      await failing(hands().down(path), 'PERMISSION_DENIED');
    for (const path of ['/etc/pve/new', '/etc/pve/a/new', `${directory}/l/new`])
      await failing(hands().up(path, { content: 'x', create_directories: true }), 'PERMISSION_DENIED');
  });
}

/** On a site with ALLOW_SETUID=true. */
export function setuid(hands: () => Hands): void {
  test('setuid and setgid files are made where that is allowed', async () => {
    const directory = await hands().fresh();
    for (const permissions of ['4755', '2755', '06711']) {
      const args = { content: 'x', permissions, owner: 'daemon', group: 'daemon' };
      movedBy(await hands().up(`${directory}/f${permissions}`, args));
      assert.equal(
        await hands().sh(`stat -c '%a %u:%g' ${directory}/f${permissions}`),
        `${Number(permissions)} 1:1\n`,
      );
    }
  });
}

/** On a site with READ_ONLY=true, which has no shell either. */
export function readOnly(hands: () => Hands): void {
  test('a gateway that is read-only fetches and does not send', async () => {
    const failure = await failing(hands().up('/tmp/f', { content: 'x' }), 'PERMISSION_DENIED');
    assert.match(failure.error, /READ_ONLY/);
    await failing(hands().up('/tmp/f', { transfer: 'url' }), 'PERMISSION_DENIED');
    assert.match(movedBy(await hands().down('/etc/hostname')).content ?? '', /\w/);
    const client = await hands().site.modern();
    const { tools } = await client.listTools();
    const files = tools.map(({ name }) => name).filter((name) => name.includes('load_file'));
    assert.deepEqual(files.toSorted(), [
      'proxmox_download_file_from_container',
      'proxmox_download_file_from_host',
    ]);
  });
}
