import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayError } from '../../../src/base/errors.ts';
import { onceEach, placeOf, placesOf, type StoragePlace } from '../../../src/ops/storage-places.ts';

function place(node: string, storage: string, more: Partial<StoragePlace> = {}): StoragePlace {
  return {
    ...{ storage, node, type: 'dir', content: ['backup', 'iso'], shared: false, available: true },
    ...{ totalBytes: 100, usedBytes: 10 },
    ...more,
  };
}

const nas = { shared: true, type: 'nfs' };
const cluster = [
  place('pve1', 'local'),
  place('pve1', 'nas', { ...nas, available: false }),
  place('pve1', 'pool', { content: ['images'] }),
  place('pve2', 'local'),
  place('pve2', 'nas', nas),
];
const named = (places: readonly StoragePlace[]) => places.map(({ node, storage }) => `${node}/${storage}`);
const refused = (words: RegExp) => (error: GatewayError) =>
  error.code === 'INVALID_ARGUMENT' && words.test(error.message);

test('a shared storage stands once, on a node that can use it', () => {
  assert.deepEqual(named(onceEach(cluster)), ['pve1/local', 'pve1/pool', 'pve2/local', 'pve2/nas']);
  const away = cluster.map((each) => ({ ...each, available: false }));
  assert.equal(onceEach(away).filter(({ storage }) => storage === 'nas').length, 1);
});

test('places are chosen by storage, node and content', () => {
  assert.deepEqual(named(placesOf(cluster, { content: 'backup' })), ['pve1/local', 'pve2/local', 'pve2/nas']);
  assert.deepEqual(named(placesOf(cluster, { node: 'pve1' })), ['pve1/local', 'pve1/nas', 'pve1/pool']);
  assert.deepEqual(named(placesOf(cluster, { node: 'pve1', content: 'vztmpl' })), []);
  assert.deepEqual(named(placesOf(cluster, { storage: 'local' })), ['pve1/local', 'pve2/local']);
  assert.deepEqual(named([placeOf(cluster, { storage: 'local', node: 'pve2' })]), ['pve2/local']);
  assert.deepEqual(named([placeOf(cluster, { storage: 'nas' })]), ['pve2/nas']);
  assert.deepEqual(named([placeOf(cluster, { storage: 'nas', node: 'pve1' })]), ['pve1/nas']);
});

test('what cannot be chosen is refused with what could be said instead', () => {
  assert.throws(() => placeOf(cluster, { storage: 'local' }), refused(/name one of pve1, pve2/));
  assert.throws(() => placeOf(cluster, { storage: 'none' }), refused(/there is no storage none/));
  assert.throws(() => placeOf(cluster, { storage: 'pool', node: 'pve2' }), refused(/only on pve1/));
  assert.throws(() => placesOf(cluster, { storage: 'pool', content: 'iso' }), refused(/it is for images/));
});
