import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createSnapshots, treeOf } from '../../../src/ops/snapshots.ts';
import type { Heard } from '../pve/https-server.ts';
import { failsWith, type GuestNode, startGuestNode, wait } from './guest-node.ts';

let node: GuestNode;
before(async () => {
  node = await startGuestNode();
});
after(() => node.close());

test('a snapshot that is not there, or is there already, is found out before anything is begun', async () => {
  const snapshots = createSnapshots(node.room);
  const called = (name: string) => ({ vmid: 300, name });
  const taken = Array.from({ length: 25 }, (_, at) => ({ name: `s${at}`, snaptime: at + 1 }));
  let entries: object[] = [...taken, { name: 'current', parent: 's24' }];
  node.answer = ({ path }: Heard) => (path.endsWith('/snapshot') ? { data: entries } : undefined);
  const again = snapshots.create({ ...called('s1'), description: undefined, withMemory: false }, wait());
  await assert.rejects(again, failsWith('INVALID_ARGUMENT', /virtual machine 300 has a snapshot s1 already/));
  const back = () => snapshots.rollBack({ ...called('nope'), start: false }, wait());
  await assert.rejects(
    back(),
    failsWith('INVALID_ARGUMENT', /has no snapshot nope \(it has …, s5, .*, s24\)/),
  );
  entries = [{ name: 'current' }];
  await assert.rejects(back(), failsWith('INVALID_ARGUMENT', /it has none/));
  const gone = snapshots.delete({ ...called('s1'), force: true }, wait());
  await assert.rejects(gone, failsWith('INVALID_ARGUMENT'));
  assert.deepEqual(node.writes, []);
});

test('who may not see the snapshots can take one, and what a rollback leads to is looked at', async () => {
  const snapshots = createSnapshots(node.room);
  const forbidden = { status: 403, text: 'Permission check failed (/vms/300, VM.Audit)' };
  node.answer = ({ path, method }: Heard) =>
    method === 'GET' && path.endsWith('/snapshot') ? forbidden : undefined;
  const back = { vmid: 300, name: 's1', start: false };
  assert.equal((await snapshots.rollBack(back, wait())).status, 'running');
  assert.deepEqual(node.writes, ['POST /nodes/pve1/qemu/300/snapshot/s1/rollback']);
  node.current = { status: 'stopped' };
  assert.equal((await snapshots.rollBack(back, wait())).status, 'stopped');
});

type Entry = Parameters<typeof treeOf>[0][number];

function entry(name: string, parent?: string, snaptime?: number, more: Partial<Entry> = {}): Entry {
  return {
    ...{ name, parent, snaptime, description: undefined, vmstate: undefined, snapstate: undefined },
    ...more,
  };
}

function shape(entries: readonly Entry[]) {
  return treeOf(entries).snapshots.map(({ name, depth }) => `${'>'.repeat(depth)}${name}`);
}

test('each snapshot stands after its parent, older ones first, and the guest itself is none', () => {
  const tree = treeOf([
    entry('current', 'c', undefined, { description: 'You are here!' }),
    entry('d', 'a', 40),
    entry('c', 'b', 30),
    entry('a', undefined, 10),
    entry('b', 'a', 20),
    entry('first', undefined, 5),
  ]);
  assert.deepEqual(
    tree.snapshots.map(({ name, depth }) => `${depth} ${name}`),
    ['0 first', '0 a', '1 b', '2 c', '1 d'],
  );
  assert.equal(tree.latest, 'c');
});

test('parents that are missing or go round in a circle hide nothing', () => {
  assert.deepEqual(shape([entry('a', 'gone', 1), entry('b', 'a', 2)]), ['a', '>b']);
  assert.deepEqual(shape([entry('a', 'b', 1), entry('b', 'a', 2), entry('c', undefined, 3)]), [
    'c',
    'a',
    '>b',
  ]);
  assert.deepEqual(shape([entry('a', 'a', 1)]), ['a']);
  assert.deepEqual(treeOf([]), { snapshots: [], latest: undefined });
});

test('a long chain is no deep call', () => {
  const chain = Array.from({ length: 50_000 }, (_, at) =>
    entry(`s${at}`, at === 0 ? undefined : `s${at - 1}`, at + 1),
  );
  const { snapshots } = treeOf(chain);
  assert.equal(snapshots.length, 50_000);
  assert.equal(snapshots.at(-1)?.depth, 49_999);
});

test('what Proxmox VE says of a snapshot is kept, but for the line break that it adds', () => {
  const [snapshot] = treeOf([
    entry('s1', undefined, 1_795_223_253, {
      description: 'two\nlines\n',
      vmstate: true,
      snapstate: 'prepare',
    }),
  ]).snapshots;
  assert.deepEqual(snapshot, {
    ...{ name: 's1', parent: undefined, depth: 0, takenAt: new Date('2026-11-21T01:07:33Z') },
    ...{ description: 'two\nlines', withMemory: true, state: 'prepare' },
  });
});
