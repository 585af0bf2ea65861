/** The gateways that the catalogue's entries about files are tried on, and looks into their pretend containers. */
import assert from 'node:assert/strict';
import { fileNode, type Inode, linkNode } from '../../lab/files/inode.ts';
import { getNode, plant, type Tree } from '../../lab/files/tree.ts';
import { failureOf, ordersTo, startTestGateway, type TestGateway } from './harness.ts';
import { call, type Entry } from './hostile-values.ts';

type Route = 'staging' | 'stream';

export interface FileWorld {
  readonly gateway: TestGateway;
  /** The same with ALLOWED_PATHS=/srv/share, ALLOW_SETUID and a denied /etc/shadow. */
  readonly narrow: TestGateway;
  readonly cleanUp: () => Promise<void>;
}

export async function startFileWorld(route: Route): Promise<FileWorld> {
  const mounts = [{ path: '/full-disk', freeBytes: 300_000 }];
  const guests = [{ vmid: 100, name: 'web', status: 'running' as const, mounts }];
  const env = { TRANSFER_ROUTE: route, ENABLE_HOST_EXEC: 'true' };
  const gateway = await startTestGateway({ env, guests });
  const narrow = await startTestGateway({
    env: { ...env, ALLOWED_PATHS: '/srv/share /etc', DENIED_PATHS: '/etc/shadow', ALLOW_SETUID: 'true' },
    guests,
  });
  for (const { lab } of [gateway, narrow]) {
    const files = treeOf(lab);
    plant(files, '/srv/share/inside', fileNode('inside'));
    plant(files, '/srv/share/link-to-etc', linkNode('/etc'));
    plant(files, '/srv/share-evil/x', fileNode('evil'));
  }
  return {
    gateway,
    narrow,
    cleanUp: async () => void (await Promise.all([gateway.close(), narrow.close()])),
  };
}

export interface FileTrial extends FileWorld {
  readonly entry: Entry;
  readonly value: unknown;
}

export type FileExpectation = (trial: FileTrial) => Promise<unknown>;

export const upload = 'proxmox_upload_file_to_container';
export const download = 'proxmox_download_file_from_container';

export function treeOf({ node }: TestGateway['lab']): Tree {
  const files = node.guest(100)?.machine?.files;
  assert.ok(files);
  return files;
}

/** Names in trees are byte strings. */
export function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

export function nodeAt(gateway: TestGateway, path: string): Inode {
  return getNode(treeOf(gateway.lab), bytesOf(path), undefined, { follow: false });
}

export function contentAt(gateway: TestGateway, path: string): string {
  const node = nodeAt(gateway, path);
  assert.ok(node.kind === 'file', `${path} is a ${node.kind}`);
  return node.data.subarray(0, node.size).toString();
}

export function namesIn(gateway: TestGateway, directory: string): string[] {
  const node = nodeAt(gateway, directory);
  assert.ok(node.kind === 'directory');
  return [...node.entries.keys()].sort();
}

export async function resultOf(gateway: TestGateway, tool: string, args: object) {
  const { result } = await call(gateway, tool, { ...(!tool.endsWith('_host') && { vmid: 100 }), ...args });
  assert.ok(result, 'no result came');
  return result;
}

export interface Done {
  readonly content?: string;
  readonly sha256?: string;
  readonly url?: string;
}

export async function succeeds(gateway: TestGateway, tool: string, args: object): Promise<Done> {
  const result = await resultOf(gateway, tool, args);
  assert.notEqual(result.isError, true, JSON.stringify(result));
  return result.structuredContent as Done;
}

/** Refused; with `unasked`, before anything went to the host. */
export async function refused(
  gateway: TestGateway,
  tool: string,
  args: object,
  code: string,
  unasked = false,
): Promise<void> {
  const mark = gateway.lab.control.heardTotal;
  assert.equal(failureOf(await resultOf(gateway, tool, args)).code, code, `${tool} ${JSON.stringify(args)}`);
  // The sweep of what others left is no answer to a call.
  const orders = ordersTo(gateway.lab, mark).filter((line) => !line.includes('find "$1"'));
  if (unasked) assert.deepEqual(orders, [], 'it reached the host');
}
