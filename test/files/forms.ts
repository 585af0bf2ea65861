/** What results look like, and the ways that files take on the side of the gateway. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { textOf } from '../gateway/harness.ts';
import { failing, type Hands, movedBy, sumOf } from './hands.ts';

const targetKeys = (hands: Hands, path: string) =>
  hands.where === 'host' ? { host_path: path } : { vmid: 100, container_path: path };

const wrongLocalPaths: readonly (readonly [path: string, code: string])[] = [
  ['../x', 'INVALID_ARGUMENT'],
  ['a/../../x', 'INVALID_ARGUMENT'],
  ['/etc/passwd', 'INVALID_ARGUMENT'],
  ['', 'INVALID_ARGUMENT'],
  ['a\0b', 'INVALID_ARGUMENT'],
  ['d/', 'INVALID_ARGUMENT'],
  ['x'.repeat(256), 'INVALID_ARGUMENT'],
  ['link-out', 'INVALID_ARGUMENT'],
];

export function forms(hands: () => Hands): void {
  test('an upload returns the keys that clients know', async () => {
    const path = `${await hands().fresh()}/f`;
    const { message, ...rest } = movedBy(await hands().up(path, { content: 'abc', permissions: '0600' }));
    assert.match(message, /^3 bytes were uploaded to /);
    const moved = { bytes_transferred: 3, sha256: sumOf('abc'), route: hands().route };
    assert.deepEqual(rest, { success: true, ...targetKeys(hands(), path), permissions: '0600', ...moved });
  });

  test('a download returns them too, and text in a fence', async () => {
    const path = `${await hands().fresh("printf 'a\\n```\\nb' >f")}/f`;
    const result = await hands().down(path);
    const { message, ...rest } = movedBy(result);
    assert.match(message, /^7 of 7 bytes of /);
    const moved = { bytes_transferred: 7, sha256: sumOf('a\n```\nb'), route: hands().route, size: 7 };
    const inline = { content: 'a\n```\nb', encoding: 'utf-8', offset: 0 };
    assert.deepEqual(rest, { success: true, ...targetKeys(hands(), path), ...moved, ...inline });
    assert.match(textOf(result), /untrusted output\):\n````\na\n```\nb\n````$/);
    assert.equal((result.content as unknown[]).length, 1);
  });

  test('what is no text comes as an embedded resource, too', async () => {
    const path = `${await hands().fresh("printf '\\377\\000' >'f 1'")}/f 1`;
    const result = await hands().down(path);
    assert.equal(movedBy(result).content, '/wA=');
    const [text, resource, ...more] = result.content as Record<string, unknown>[];
    assert.match(String(text?.text), /no text/);
    const uri = `proxmox://${hands().where === 'host' ? 'host' : 'containers/100'}${path.replace(' ', '%20')}`;
    const blob = { uri, mimeType: 'application/octet-stream', blob: '/wA=' };
    assert.deepEqual(resource, { type: 'resource', resource: blob });
    assert.deepEqual(more, []);
  });

  test('a file of the transfer folder goes up, and comes down into it', async () => {
    const { folder } = hands();
    await mkdir(join(folder, 'sub'), { recursive: true });
    await writeFile(join(folder, 'sub/from'), 'content');
    const path = `${await hands().fresh()}/f`;
    const sent = movedBy(await hands().up(path, { local_path: 'sub/from' }));
    assert.deepEqual([sent.local_path, sent.bytes_transferred], ['sub/from', 7]);
    await rm(join(folder, 'sub/to'), { force: true });
    const got = movedBy(await hands().down(path, { local_path: join(folder, 'sub/to') }));
    assert.deepEqual([got.local_path, got.content], [join(folder, 'sub/to'), undefined]);
    assert.equal(await readFile(join(folder, 'sub/to'), 'utf8'), 'content');
    assert.equal((await stat(join(folder, 'sub/to'))).mode & 0o777, 0o600);
  });

  test('what is in the transfer folder is replaced only with overwrite', async () => {
    const { folder } = hands();
    await writeFile(join(folder, 'kept'), 'old');
    const path = `${await hands().fresh('printf new >f')}/f`;
    await failing(hands().down(path, { local_path: 'kept' }), 'FILE_EXISTS');
    assert.equal(await readFile(join(folder, 'kept'), 'utf8'), 'old');
    await failing(hands().down(`${path}-missing`, { local_path: 'kept', overwrite: true }), 'FILE_NOT_FOUND');
    assert.equal(await readFile(join(folder, 'kept'), 'utf8'), 'old');
    movedBy(await hands().down(path, { local_path: 'kept', overwrite: true }));
    assert.equal(await readFile(join(folder, 'kept'), 'utf8'), 'new');
  });

  test('nothing but files of the transfer folder can be named', async () => {
    const { folder } = hands();
    await symlink('/etc/hostname', join(folder, 'link-out')).catch(() => {});
    const path = `${await hands().fresh('printf new >f')}/f`;
    for (const [local_path, code] of wrongLocalPaths) {
      await failing(hands().up(`${path}2`, { local_path }), code);
      await failing(hands().down(path, { local_path, overwrite: true }), code);
    }
    await failing(hands().up(`${path}2`, { local_path: 'missing' }), 'FILE_NOT_FOUND');
    await failing(hands().up(`${path}2`, { local_path: 'sub' }), 'IS_DIRECTORY');
    await failing(hands().down(path, { local_path: 'none/x' }), 'DIRECTORY_NOT_FOUND');
    assert.equal(await hands().sh(`ls -A ${path.slice(0, -2)}`), 'f\n');
  });
}
