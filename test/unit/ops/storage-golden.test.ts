/** That what a real node has answered is understood. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createBackups } from '../../../src/ops/backups.ts';
import { createSnapshots } from '../../../src/ops/snapshots.ts';
import { createStorage } from '../../../src/ops/storage.ts';
import { golden, withoutTranscripts as skip } from '../lab/rest-client.ts';
import { type GuestNode, startGuestNode } from './guest-node.ts';

let node: GuestNode;
before(async () => {
  node = await startGuestNode();
});
after(() => node.close());

const { signal } = new AbortController();
const mayReach = () => true;

/** Answers each path with the transcript of that id. */
function answerWith(answers: Readonly<Record<string, string>>): void {
  node.answer = ({ path, query }) => {
    const id = answers[`${path}${query.has('type') ? `?type=${query.get('type')}` : ''}`];
    return id === undefined ? undefined : { data: golden(id).body.data };
  };
}

test('storages and what they hold', { skip }, async () => {
  answerWith({
    '/nodes/pve1/storage': 'storage-list',
    '/cluster/resources?type=storage': 'resources-storage',
    '/nodes/pve1/storage/local/content': 'storage-content',
  });
  const storage = createStorage(node.room);
  const ofNode = await storage.list({ node: 'pve1', content: undefined }, signal);
  assert.deepEqual(ofNode[1], {
    ...{ storage: 'local', nodes: ['pve1'], type: 'dir', shared: false, active: true },
    content: ['backup', 'images', 'iso', 'rootdir', 'snippets', 'vztmpl'],
    ...{ totalBytes: 270_553_174_016, usedBytes: 36_858_826_752, availableBytes: 72_085_467_136 },
  });
  const everywhere = await storage.list({ node: undefined, content: undefined }, signal);
  assert.deepEqual(
    everywhere.map(({ storage: name, type, active }) => [name, type, active]),
    [
      ['btr', 'btrfs', true],
      ['local', 'dir', true],
    ],
  );
  const request = { storage: 'local', node: undefined, content: undefined, vmid: undefined, mayReach };
  const volumes = await storage.content(request, signal);
  assert.deepEqual(
    volumes.map(({ content, vmid, sizeBytes }) => [content, vmid, sizeBytes]),
    [
      ['backup', 112, 48_747_996],
      ['backup', 112, 48_743_223],
      ['rootdir', 100, 0],
      ['rootdir', 101, 0],
      ['rootdir', 112, 1_178_599_424],
      ['vztmpl', undefined, 48_920_608],
    ],
  );
});

test('backups', { skip }, async () => {
  answerWith({
    '/cluster/resources?type=storage': 'resources-storage',
    '/nodes/pve1/storage/local/content': 'backups',
    '/cluster/backup': 'cluster-backup',
  });
  const backups = createBackups(node.room);
  const filter = { storage: undefined, node: undefined, vmid: undefined, mayReach };
  const { volumes } = await backups.list(filter, signal);
  assert.equal(volumes[0]?.volid, 'local:backup/vzdump-lxc-112-2026_11_21-01_08_13.tar.zst');
  assert.equal(volumes[0].createdAt?.toISOString(), '2026-11-21T01:08:13.000Z');
  assert.equal(volumes.length, 3);
  assert.deepEqual(await backups.jobs(mayReach, signal), []);
});

test('snapshots of containers and machines', { skip }, async () => {
  answerWith({
    '/cluster/resources': 'resources',
    '/nodes/pve1/lxc/110/snapshot': 'snapshot-list-after',
    '/nodes/pve1/qemu/300/snapshot': 'qemu-300-snapshots',
  });
  const snapshots = createSnapshots(node.room);
  const ofContainer = await snapshots.list(110, signal);
  assert.deepEqual(
    ofContainer.snapshots.map(({ name, depth, description }) => [name, depth, description]),
    [
      ['s2', 0, ''],
      ['rest1', 1, 'via rest'],
    ],
  );
  assert.equal(ofContainer.latest, 'rest1');
  const ofMachine = await snapshots.list(300, signal);
  assert.deepEqual(
    ofMachine.snapshots.map(({ name, state, withMemory }) => [name, state, withMemory]),
    [
      ['s1', 'prepare', false],
      ['s9', 'prepare', false],
    ],
  );
  assert.equal(ofMachine.latest, undefined);
});
