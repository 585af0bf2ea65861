import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createCluster } from '../../../src/ops/cluster.ts';
import { createPools } from '../../../src/ops/pools.ts';
import { transcripts, withoutTranscripts } from '../pve/golden.ts';
import { failsWith, type GuestNode, startGuestNode } from './guest-node.ts';

const { signal } = new AbortController();
let node: GuestNode;
let cluster: ReturnType<typeof createCluster>;
let pools: ReturnType<typeof createPools>;
before(async () => {
  node = await startGuestNode();
  cluster = createCluster(node.room);
  pools = createPools(node.room);
});
after(() => node.close());
beforeEach(() => {
  node.answer = () => undefined;
});

function answers(data: unknown): void {
  node.answer = () => ({ data });
}

test('resources come by kind and id, and what is not told is absent', async () => {
  answers([
    {
      id: 'storage/pve1/local',
      type: 'storage',
      storage: 'local',
      node: 'pve1',
      content: 'iso,backup',
      shared: '1',
    },
    {
      id: 'qemu/300',
      type: 'qemu',
      vmid: '300',
      node: 'pve1',
      name: 'vm1',
      tags: 'b;a',
      cpu: '0.25',
      mem: null,
    },
    { id: 'sdn/pve1/zone', type: 'sdn', sdn: 'zone', node: 'pve1', status: 'ok' },
    { id: 'lxc/1000', type: 'lxc', vmid: 1000, node: 'pve1', status: 'running', template: 0, pool: 'lab' },
    { id: 'lxc/101', type: 'lxc', vmid: 101, node: 'pve2', status: 'unknown', template: 1, lock: 'backup' },
    { id: 'node/pve1', type: 'node', node: 'pve1', status: 'online', uptime: 7 },
  ]);
  const found = await cluster.resources(signal);
  assert.deepEqual(
    found.map(({ id, kind, name, vmid, status }) => [id, kind, name, vmid, status]),
    [
      ['node/pve1', 'node', 'pve1', undefined, 'online'],
      ['lxc/101', 'container', undefined, 101, 'unknown'],
      ['lxc/1000', 'container', undefined, 1000, 'running'],
      ['qemu/300', 'vm', 'vm1', 300, 'unknown'],
      ['storage/pve1/local', 'storage', 'local', undefined, 'unknown'],
      ['sdn/pve1/zone', 'sdn', undefined, undefined, 'ok'],
    ],
  );
  const [, template, , vm, storage] = found;
  assert.deepEqual([template?.template, template?.lock], [true, 'backup']);
  assert.deepEqual([vm?.cpuShare, vm?.memoryBytes, vm?.tags], [0.25, undefined, ['b', 'a']]);
  assert.deepEqual([storage?.content, storage?.shared], [['iso', 'backup'], true]);
});

test('a node alone has no cluster, and one without quorum says so', async () => {
  answers([{ type: 'node', name: 'pve1', online: 1, ip: '10.0.0.1', local: 1, id: 'node/pve1' }]);
  assert.deepEqual(await cluster.state(signal), {
    cluster: undefined,
    nodes: [{ name: 'pve1', online: true, ip: '10.0.0.1' }],
  });
  answers([
    { type: 'node', name: 'b', online: 0, id: 'node/b' },
    { type: 'cluster', name: 'lab', quorate: 0, nodes: 2, id: 'cluster' },
    { type: 'node', name: 'a', online: '1', id: 'node/a' },
  ]);
  assert.deepEqual(await cluster.state(signal), {
    cluster: { name: 'lab', quorate: false },
    nodes: [
      { name: 'a', online: true, ip: undefined },
      { name: 'b', online: false, ip: undefined },
    ],
  });
});

test('the state of a node is read even where parts of it are missing or strange', async () => {
  answers({ uptime: '60', cpu: 0.5, memory: { used: 1, total: 4 }, swap: null, loadavg: ['1.5', 2, 'x'] });
  assert.deepEqual(await cluster.nodeState('pve1', signal), {
    ...{ version: undefined, kernel: undefined, uptimeS: 60, cpuModel: undefined, cpus: undefined },
    ...{ cpuShare: 0.5, ioWaitShare: undefined, load: [1.5, 2] },
    ...{ memory: { usedBytes: 1, totalBytes: 4 }, swap: undefined, root: undefined },
  });
});

test('an answer of another shape is refused', async () => {
  answers({ id: 'lxc/100' });
  await assert.rejects(cluster.resources(signal), failsWith('UNEXPECTED_ANSWER'));
});

test('a pool has its members, each storage once', async () => {
  answers([
    {
      poolid: 'lab',
      comment: 'grün',
      members: [
        { id: 'storage/pve2/nas', type: 'storage', storage: 'nas', node: 'pve2' },
        { id: 'qemu/300', type: 'qemu', vmid: 300, name: 'vm1', node: 'pve1', status: 'running' },
        { id: 'storage/pve1/nas', type: 'storage', storage: 'nas', node: 'pve1' },
        { id: 'lxc/101', type: 'lxc', vmid: '101', node: 'pve1' },
      ],
    },
  ]);
  assert.deepEqual(await pools.members('lab', signal), {
    ...{ name: 'lab', comment: 'grün', storages: ['nas'] },
    guests: [
      { vmid: 101, kind: 'container', name: undefined, node: 'pve1', status: 'unknown' },
      { vmid: 300, kind: 'vm', name: 'vm1', node: 'pve1', status: 'running' },
    ],
  });
});

test('what a real node answers is understood', { skip: withoutTranscripts }, async () => {
  const golden = transcripts();
  const give = (id: string) => answers((golden.get(id)?.body as { data?: unknown } | undefined)?.data);
  give('resources');
  const resources = await cluster.resources(signal);
  const web = resources.find(({ vmid }) => vmid === 100);
  assert.deepEqual(
    [web?.name, web?.kind, web?.status, web?.maxMemoryBytes],
    ['web1', 'container', 'running', 314_572_800],
  );
  give('cluster-status');
  assert.equal((await cluster.state(signal)).nodes[0]?.online, true);
  give('node-status');
  const state = await cluster.nodeState('pve1', signal);
  assert.deepEqual(
    [state.cpus, state.cpuModel, state.load, state.root?.totalBytes],
    [2, 'AMD EPYC', [1.99, 2.03, 1.74], 270_553_174_016],
  );
  give('pools');
  assert.deepEqual(await pools.list(signal), [{ name: 'lab', comment: 'grün & more' }]);
  give('pool-get-query');
  assert.deepEqual(
    (await pools.members('lab', signal)).guests.map(({ vmid }) => vmid),
    [101, 300],
  );
});
