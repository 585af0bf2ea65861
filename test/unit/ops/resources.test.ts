import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readResources } from '../../../src/ops/resources.ts';
import { failsWith, type GuestNode, startGuestNode } from './guest-node.ts';

const { signal } = new AbortController();
const action = 'list them';
let node: GuestNode;
before(async () => {
  node = await startGuestNode();
});
after(() => node.close());

const good = {
  id: 'qemu/300',
  type: 'qemu',
  vmid: '300',
  node: 'pve1',
  template: '1',
  maxmem: '5',
  tags: 'a;b',
};

test('a row that makes no sense is left out, and a field that makes none is absent', async () => {
  const odd = { id: 'lxc/x', type: 'lxc', vmid: 'x', node: 7, name: {}, cpu: 'NaN', lock: null };
  node.answer = () => ({ data: [null, 'x', { vmid: 100 }, odd, good] });
  const [first, second, ...others] = await readResources(node.room.pve, { action, signal });
  assert.deepEqual(others, []);
  assert.deepEqual([first?.id, first?.vmid, first?.name, first?.cpu, first?.lock], ['lxc/x', ...Array(4)]);
  assert.deepEqual([second?.vmid, second?.template, second?.maxmem], [300, true, 5]);
});

test('one family is asked for by its name', async () => {
  const asked: string[] = [];
  node.answer = ({ query }) => {
    asked.push(String(query));
    return { data: [] };
  };
  await readResources(node.room.pve, { action, signal });
  await readResources(node.room.pve, { family: 'storage', action, signal });
  assert.deepEqual(asked, ['', 'type=storage']);
});

test('a cluster of many thousand guests is read, what is no list is refused', async () => {
  const row = { ...good, name: 'x'.repeat(200_000) };
  node.answer = () => ({ data: Array(30).fill(row) });
  assert.equal((await readResources(node.room.pve, { action, signal })).length, 30);
  node.answer = () => ({ data: Array(100_001).fill({}) });
  await assert.rejects(readResources(node.room.pve, { action, signal }), failsWith('UNEXPECTED_ANSWER'));
  node.answer = () => ({ data: good });
  await assert.rejects(readResources(node.room.pve, { action, signal }), failsWith('UNEXPECTED_ANSWER'));
});
