/** What the catalogue's entries about files expect, each by its field and its very words. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { deviceNode, fileNode, linkNode } from '../../lab/files/inode.ts';
import { findNode, plant } from '../../lab/files/tree.ts';
import { failureOf } from './harness.ts';
import {
  bytesOf,
  contentAt,
  type Done,
  download,
  type FileExpectation,
  type FileTrial,
  namesIn,
  nodeAt,
  refused,
  resultOf,
  succeeds,
  treeOf,
  upload,
} from './hostile-file-world.ts';

/** Both directions, whatever is there. */
async function bothRefuse({ gateway, value }: FileTrial, code: string, unasked = true): Promise<void> {
  await refused(gateway, download, { container_path: value }, code, unasked);
  const args = { container_path: value, content: 'new', overwrite: true };
  await refused(gateway, upload, args, code, unasked);
}

/** What is named is touched, byte for byte, and nothing beside it. */
async function literal({ gateway, value }: FileTrial): Promise<void> {
  const path = String(value);
  plant(treeOf(gateway.lab), '/tmp/beside', fileNode('untouched'));
  const before = namesIn(gateway, '/tmp');
  const content = `of ${path}`;
  await succeeds(gateway, upload, { container_path: path, content });
  assert.deepEqual(namesIn(gateway, '/tmp'), [...before, bytesOf(path.slice('/tmp/'.length))].sort());
  assert.equal(contentAt(gateway, path), content);
  assert.equal(contentAt(gateway, '/tmp/beside'), 'untouched');
  assert.equal((await succeeds(gateway, download, { container_path: path })).content, content);
}

async function escapedInLogs(trial: FileTrial): Promise<void> {
  await literal(trial);
  const { gateway } = trial;
  const written = gateway.log.join('') + JSON.stringify(await gateway.audit());
  assert.ok(!written.includes('\u202e'), 'the mark is in log or audit as it is');
  assert.match(written, /gpj\.exe/);
}

async function neverEmpty({ gateway, value }: FileTrial): Promise<void> {
  const result = await resultOf(gateway, download, { container_path: value });
  if (result.isError === true) return assert.equal(failureOf(result).code, 'PERMISSION_DENIED');
  assert.notEqual((result.structuredContent as Done).content, '');
}

async function normalised({ gateway, narrow, value }: FileTrial): Promise<void> {
  const { content } = await succeeds(gateway, download, { container_path: value });
  assert.equal(content, contentAt(gateway, '/etc/shadow'));
  for (const [tool, more] of [
    [download, {}],
    [upload, { content: 'x', overwrite: true }],
  ] as const)
    await refused(narrow, tool, { container_path: value, ...more }, 'PERMISSION_DENIED', true);
}

async function outsideAllowed({ narrow, value }: FileTrial): Promise<void> {
  const content = contentAt(narrow, '/etc/shadow');
  for (const [tool, more] of [
    [download, {}],
    [upload, { content: 'x', overwrite: true }],
    [upload, { content: 'x', overwrite: true, create_directories: true }],
  ] as const)
    await refused(narrow, tool, { container_path: value, ...more }, 'PERMISSION_DENIED');
  assert.equal(contentAt(narrow, '/etc/shadow'), content);
  assert.equal(contentAt(narrow, '/srv/share-evil/x'), 'evil');
  // The rule itself lets through what is really inside.
  const inside = await succeeds(narrow, download, { container_path: '/srv/share/inside' });
  assert.equal(inside.content, 'inside');
}

async function hostDenied({ gateway, value }: FileTrial, code: string): Promise<void> {
  await refused(gateway, 'proxmox_download_file_from_host', { host_path: value }, code, true);
  const args = { host_path: value, content: 'x', overwrite: true, create_directories: true };
  await refused(gateway, 'proxmox_upload_file_to_host', args, code, true);
}

/** The link named first is there; what it leads to must stay. */
async function replacesLink({ gateway, value }: FileTrial): Promise<void> {
  const [path = '', target = ''] = String(value).split(' -> ');
  plant(treeOf(gateway.lab), path, linkNode(target));
  const before = contentAt(gateway, target);
  await refused(gateway, upload, { container_path: path, content: 'new' }, 'FILE_EXISTS');
  assert.equal(nodeAt(gateway, path).kind, 'symlink');
  await succeeds(gateway, upload, { container_path: path, content: 'new', overwrite: true });
  assert.equal(contentAt(gateway, path), 'new');
  assert.equal(contentAt(gateway, target), before);
}

async function fullDisk({ gateway, value }: FileTrial): Promise<void> {
  const path = String(value);
  plant(treeOf(gateway.lab), path, fileNode('old'));
  const args = { container_path: path, content: 'x'.repeat(500_000), overwrite: true };
  await refused(gateway, upload, args, 'NO_SPACE');
  assert.equal(contentAt(gateway, path), 'old');
  assert.deepEqual(namesIn(gateway, '/full-disk'), ['x']);
}

async function wrongPermissions({ gateway, narrow, entry, value }: FileTrial): Promise<void> {
  const code = entry.expect.startsWith('reject:PERMISSION_DENIED') ? 'PERMISSION_DENIED' : 'INVALID_ARGUMENT';
  const args = { container_path: '/srv/share/perms', content: 'x', permissions: value };
  await refused(gateway, upload, args, code, true);
  assert.equal(findNode(treeOf(gateway.lab), '/srv/share/perms'), undefined);
  if (code === 'INVALID_ARGUMENT') return await refused(narrow, upload, args, code, true);
  await succeeds(narrow, upload, args);
  assert.equal(nodeAt(narrow, '/srv/share/perms').mode, Number.parseInt(String(value), 8));
}

async function wrongOwner({ gateway, value }: FileTrial): Promise<void> {
  for (const field of ['owner', 'group']) {
    const args = { container_path: '/tmp/owned', content: 'x', [field]: value };
    await refused(gateway, upload, args, 'INVALID_ARGUMENT', true);
  }
}

async function wrongName({ gateway, value }: FileTrial): Promise<void> {
  await refused(gateway, upload, { container_path: `/srv/${value}`, content: 'x' }, 'INVALID_ARGUMENT', true);
  await refused(gateway, upload, { container_path: '/tmp/a', local_path: value }, 'INVALID_ARGUMENT');
  const local = { container_path: '/etc/hosts', local_path: value, overwrite: true };
  await refused(gateway, download, local, 'INVALID_ARGUMENT');
  assert.equal(findNode(treeOf(gateway.lab), '/tmp/a'), undefined);
}

async function oneNameInTheHeader({ gateway, value }: FileTrial): Promise<void> {
  const path = `/srv/${value}`;
  plant(treeOf(gateway.lab), bytesOf(path), fileNode('of that name'));
  const { url = '' } = await succeeds(gateway, download, { container_path: path, transfer: 'url' });
  const answer = await fetch(url);
  assert.equal(await answer.text(), 'of that name');
  const header = answer.headers.get('content-disposition') ?? '';
  assert.match(header, /^attachment; filename="[^"\\]*"$/);
  assert.equal(header.match(/filename/gi)?.length, header.includes('filename_') ? 2 : 1, header);
  assert.doesNotMatch(header, /filename\*=/);
}

async function strictBase64({ gateway, value }: FileTrial): Promise<void> {
  const args = { container_path: '/tmp/decoded', content: value, encoding: 'base64' };
  await refused(gateway, upload, args, 'INVALID_ARGUMENT');
  assert.equal(findNode(treeOf(gateway.lab), '/tmp/decoded'), undefined);
}

async function keepsNewlines({ gateway, value }: FileTrial): Promise<void> {
  const content = String(value);
  const { sha256 } = await succeeds(gateway, upload, { container_path: '/tmp/lines', content });
  assert.equal(contentAt(gateway, '/tmp/lines'), content);
  assert.equal(sha256, createHash('sha256').update(content).digest('hex'));
  assert.equal((await succeeds(gateway, download, { container_path: '/tmp/lines' })).content, content);
}

/** Eleven bytes where ten were announced, and nine: in the call, and through a URL with a length and without. */
async function wrongSize({ gateway, value: size }: FileTrial): Promise<void> {
  plant(treeOf(gateway.lab), '/tmp/sized', fileNode('old'));
  const args = { container_path: '/tmp/sized', size, overwrite: true };
  for (const bytes of [11, 9])
    await refused(gateway, upload, { ...args, content: 'x'.repeat(bytes) }, 'SIZE_MISMATCH');
  for (const bytes of [11, 9])
    for (const body of ['x'.repeat(bytes), new Blob(['x'.repeat(bytes)]).stream()]) {
      const { url = '' } = await succeeds(gateway, upload, { ...args, transfer: 'url' });
      const sent: RequestInit & { duplex: 'half' } = { method: 'PUT', body, duplex: 'half' };
      const answer = await fetch(url, sent);
      const { code } = (await answer.json()) as { code: string };
      assert.equal(code, bytes === 9 ? 'SIZE_MISMATCH' : 'TOO_LARGE');
      assert.equal(answer.status, bytes === 9 ? 400 : 413);
    }
  assert.equal(contentAt(gateway, '/tmp/sized'), 'old');
  assert.deepEqual(
    namesIn(gateway, '/tmp').filter((name) => name.endsWith('.part')),
    [],
  );
}

async function hugeSize({ gateway, value: size }: FileTrial): Promise<void> {
  const before = process.memoryUsage().rss;
  for (const more of [{ content: 'x' }, { transfer: 'url' }])
    await refused(gateway, upload, { container_path: '/tmp/huge', size, ...more }, 'TOO_LARGE', false);
  assert.ok(process.memoryUsage().rss - before < 100_000_000);
  assert.equal(findNode(treeOf(gateway.lab), '/tmp/huge'), undefined);
}

async function wrongSum({ gateway, value: sha256 }: FileTrial): Promise<void> {
  plant(treeOf(gateway.lab), '/tmp/summed', fileNode('old'));
  const args = { container_path: '/tmp/summed', content: 'new', sha256, overwrite: true };
  await refused(gateway, upload, args, 'CHECKSUM_MISMATCH');
  assert.equal(contentAt(gateway, '/tmp/summed'), 'old');
  assert.deepEqual(
    namesIn(gateway, '/tmp').filter((name) => name.endsWith('.part')),
    [],
  );
}

async function socket(trial: FileTrial): Promise<void> {
  plant(treeOf(trial.gateway.lab), String(trial.value), deviceNode('socket'));
  await bothRefuse(trial, 'PERMISSION_DENIED', false);
  assert.equal(nodeAt(trial.gateway, String(trial.value)).kind, 'device');
}

/** Keys are «field → expect», or «field value» where one expectation is met in several ways. */
export const fileExpectations: Readonly<Record<string, FileExpectation>> = {
  'containerPath → literal': literal,
  'containerPath → literal: only a file really named * is touched': literal,
  'containerPath → literal on disk; escaped in logs and audit': escapedInLogs,
  'containerPath /tmp/sock': socket,
  'containerPath → reject:INVALID_ARGUMENT with code IS_DIRECTORY': (trial) =>
    bothRefuse(trial, 'IS_DIRECTORY', false),
  'containerPath → reject:PERMISSION_DENIED or the real content; never a silent empty success': neverEmpty,
  'containerPath → normalised, then as policy says': normalised,
  'containerPath → reject:PERMISSION_DENIED (realpath inside the CT) (with ALLOWED_PATHS=/srv/share)':
    outsideAllowed,
  'containerPath → reject:PERMISSION_DENIED (with ALLOWED_PATHS=/srv/share)': outsideAllowed,
  'containerPath reject': (trial) => bothRefuse(trial, codeIn(trial)),
  'hostPath reject': (trial) => hostDenied(trial, codeIn(trial)),
  'uploadDest → documented: refuse unless followSymlinks; default write-temp + `mv -T` replaces the link itself':
    replacesLink,
  'uploadDest → error ENOSPC; old destination file intact (temp + rename); temp removed': fullDisk,
  'perms reject': wrongPermissions,
  'owner reject': wrongOwner,
  'filename reject': wrongName,
  'filename → header built by a library; one filename value only': oneNameInTheHeader,
  'contentBase64 reject': strictBase64,
  'contentText → literal: sha256 of the file = sha256 of the UTF-8 bytes': keepsNewlines,
  'size → reject:INVALID_ARGUMENT SIZE_MISMATCH; destination untouched': wrongSize,
  'size → limit: TOO_LARGE; no allocation': hugeSize,
  'sha256 → reject:CHECKSUM_MISMATCH; destination untouched; temp removed': wrongSum,
  'offset reject': ({ gateway, value }) =>
    refused(gateway, download, { container_path: '/etc/hosts', offset: value }, 'INVALID_ARGUMENT', true),
};

function codeIn({ entry }: FileTrial): string {
  return /^reject:([A-Z_]+)/.exec(entry.expect)?.[1] ?? assert.fail(entry.expect);
}
