import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, type GatewayError } from '../../../src/base/errors.ts';
import type { StoragePlace } from '../../../src/ops/storage-places.ts';
import { archiveOf, isSeen, readEach, type Volume } from '../../../src/ops/volumes.ts';

function place(storage: string, more: Partial<StoragePlace> = {}): StoragePlace {
  return {
    ...{ storage, node: 'pve1', type: 'dir', content: ['backup'], shared: false, available: true },
    ...{ totalBytes: 100, usedBytes: 10 },
    ...more,
  };
}

function volume(volid: string, content: string, vmid?: number): Volume {
  return {
    ...{ volid, content, vmid, place: place('local'), sizeBytes: 1, createdAt: undefined },
    ...{ notes: '', protected: false, encrypted: false, verification: '' },
  };
}

const container112 = { storage: 'local', vmid: 112, kind: 'container' };
for (const [volid, archive] of [
  ['local:backup/vzdump-lxc-112-2026_11_21-00_50_36.tar.zst', container112],
  ['local:backup/vzdump-lxc-112-2026_11_21-00_50_36.tar', container112],
  ['nas-1:backup/vzdump-qemu-300-2026_11_21-00_50_36.vma.zst', { storage: 'nas-1', vmid: 300, kind: 'vm' }],
  ['pbs:backup/ct/112/2026-11-21T00:50:36Z', { storage: 'pbs', vmid: 112, kind: 'container' }],
  ['pbs:backup/vm/300/2026-11-21T00:50:36Z', { storage: 'pbs', vmid: 300, kind: 'vm' }],
  ['local:backup/my-own.tar.zst', undefined],
  ['local:backup/vzdump-lxc-099-2026_11_21-00_50_36.tar', undefined],
  ['local:backup/vzdump-lxc-1000000000-2026_11_21-00_50_36.tar', undefined],
  ['local:backup/x/vzdump-lxc-112-2026_11_21-00_50_36.tar', undefined],
  ['local:iso/vzdump-lxc-112-2026_11_21-00_50_36.tar', undefined],
  ['local:100/vm-100-disk-0.raw', undefined],
] as const)
  test(`the guest of ${volid}`, () => assert.deepEqual(archiveOf(volid), archive));

test('what belongs to a guest is seen by who may reach it, what belongs to none by all', () => {
  const only100 = (vmid: number) => vmid === 100;
  const seen = (...facts: Parameters<typeof volume>) => isSeen(volume(...facts), only100);
  assert.equal(seen('local:iso/a.iso', 'iso'), true);
  assert.equal(seen('local:100/vm-100-disk-0.raw', 'images', 100), true);
  assert.equal(seen('local:101/vm-101-disk-0.raw', 'images', 101), false);
  assert.equal(seen('local:unknown.raw', 'images'), false);
  assert.equal(seen('local:backup/my-own.tar.zst', 'backup'), false);
  assert.equal(seen('local:backup/my-own.tar.zst', 'backup', 100), true);
  assert.equal(seen('local:backup/vzdump-lxc-101-2026_11_21-00_50_36.tar', 'backup'), false);
  assert.equal(seen('local:backup/vzdump-lxc-101-2026_11_21-00_50_36.tar', 'backup', 100), false);
  assert.equal(seen('local:backup/vzdump-lxc-100-2026_11_21-00_50_36.tar', 'backup', 101), false);
  assert.equal(seen('local:backup/vzdump-lxc-100-2026_11_21-00_50_36.tar', 'backup'), true);
});

const away = () => failure('API_NO_ANSWER', { host: 'pve1', problem: 'it was silent' });
const never = new AbortController().signal;

test('one storage that fails leaves the others to be seen, and is named', async () => {
  const places = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => place(name));
  let underWay = 0;
  let most = 0;
  const { volumes, unread } = await readEach(
    [...places, place('gone', { available: false })],
    async ({ storage }) => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
      assert.notEqual(storage, 'gone');
      if (storage === 'b') throw away();
      return [volume(`${storage}:iso/x.iso`, 'iso')];
    },
    never,
  );
  assert.deepEqual(
    volumes.map(({ volid }) => volid[0]),
    ['a', 'c', 'd', 'e', 'f'],
  );
  assert.deepEqual(
    unread.map(({ storage }) => storage),
    ['gone', 'b'],
  );
  assert.match(unread[1]?.problem ?? '', /it was silent/);
  assert.equal(most, 4);
});

test('where none can be read, it is an error; and so is whatever was not foreseen', async () => {
  const code = (expected: string) => (error: GatewayError) => error.code === expected;
  const failing = () => Promise.reject(away());
  await assert.rejects(readEach([place('a')], failing, never), code('API_NO_ANSWER'));
  await assert.rejects(readEach([place('a'), place('b')], failing, never), code('API_NO_ANSWER'));
  const broken = () => Promise.reject(new TypeError('broken'));
  await assert.rejects(readEach([place('a'), place('b')], broken, never), TypeError);
  const cancelled = ({ storage }: StoragePlace) =>
    storage === 'a' ? Promise.resolve([]) : Promise.reject(failure('CANCELLED_EARLY', {}));
  await assert.rejects(
    readEach([place('a'), place('b')], cancelled, AbortSignal.abort()),
    code('CANCELLED_EARLY'),
  );
});

test('a storage that is asked for alone is read even where it was last seen away', async () => {
  const { volumes } = await readEach(
    [place('a', { available: false })],
    () => Promise.resolve([volume('a:iso/x.iso', 'iso')]),
    never,
  );
  assert.equal(volumes.length, 1);
});
