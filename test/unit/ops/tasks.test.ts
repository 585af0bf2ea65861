import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createApiSource } from '../../../src/ops/api-source.ts';
import { createInventory } from '../../../src/ops/inventory.ts';
import { createTaskList } from '../../../src/ops/tasks.ts';
import { createPve } from '../../../src/pve/client.ts';
import { createTasks } from '../../../src/pve/tasks.ts';
import { give, type Heard, startStandIn } from '../pve/https-server.ts';
import { failsWith, type GuestNode, startGuestNode, wait } from './guest-node.ts';

const { signal } = new AbortController();
let node: GuestNode;
let tasks: ReturnType<typeof createTaskList>;
before(async () => {
  node = await startGuestNode();
  tasks = createTaskList(node.room);
});
after(() => node.close());
beforeEach(() => {
  node.answer = () => undefined;
});

function upid(id: string, { type = 'vzdump', of = 'pve1', started = '6B00EE32' } = {}): string {
  return `UPID:${of}:00003979:000A1A35:${started}:${type}:${id}:root@pam!lab:`;
}

const entry = (of: string, more: object = {}) => ({ upid: of, starttime: 1, ...more });

test('without node and guest the cluster is asked; the latest come first, each once', async () => {
  node.answer = ({ path }: Heard) => {
    if (path !== '/cluster/tasks') return undefined;
    const data = [
      entry(upid('100', { started: '6B00EE30' }), { endtime: 1_795_223_090, status: 'OK', saved: '1' }),
      entry(upid('101', { started: '6B00EE33' })),
      entry(upid('102', { started: '6B00EE32' }), { endtime: 1_795_223_091, status: 'WARNINGS: 2' }),
      entry(upid('103', { started: '6B00EE31' }), { endtime: '1795223092', status: 'job errors' }),
      entry(upid('101', { started: '6B00EE33' })),
      entry('UPID:not:one'),
    ];
    return { data };
  };
  const found = await tasks.find({}, signal);
  assert.deepEqual(
    found.tasks.map(({ id, state, exit, endedAt }) => [id, state, exit, endedAt?.toISOString()]),
    [
      ['101', 'running', undefined, undefined],
      ['102', 'warnings', 'WARNINGS: 2', '2026-11-21T01:04:51.000Z'],
      ['103', 'failed', 'job errors', '2026-11-21T01:04:52.000Z'],
      ['100', 'ok', 'OK', '2026-11-21T01:04:50.000Z'],
    ],
  );
  assert.deepEqual([found.complete, found.silent], [false, []]);
  const failed = await tasks.find({ state: 'failed' }, signal);
  assert.deepEqual(
    failed.tasks.map(({ id }) => id),
    ['103'],
  );
});

test('the tasks of a guest are looked for on every node; one that is silent is named', async () => {
  const asked: string[] = [];
  node.answer = ({ path, query }: Heard) => {
    if (!path.endsWith('/tasks')) return undefined;
    asked.push(`${path} ${query}`);
    if (path === '/nodes/pve2/tasks') return { status: 595, text: 'Connection refused' };
    return {
      data: [
        entry(upid('100'), { endtime: 2, status: 'OK' }),
        entry(upid('101'), { endtime: 2, status: 'OK' }),
      ],
    };
  };
  const found = await tasks.find({ vmid: 100, state: 'ok' }, signal);
  assert.deepEqual(
    [found.tasks.map(({ id }) => id), found.silent, found.complete],
    [['100'], ['pve2'], true],
  );
  assert.ok(
    asked.includes('/nodes/pve1/tasks limit=500&vmid=100&statusfilter=ok&source=archive'),
    asked.join('\n'),
  );
  await assert.rejects(tasks.find({ node: 'pve2' }, signal), failsWith('API_NO_ANSWER'));
});

test('of a long log the end is read', async () => {
  const asked: string[] = [];
  const standIn = await startStandIn(({ path, query }, response) => {
    if (path === '/cluster/resources')
      return give(response, [{ type: 'node', node: 'pve1', id: 'node/pve1' }]);
    if (path.endsWith('/status'))
      return give(response, { status: 'stopped', exitstatus: 'interrupted by signal' });
    asked.push(String(query));
    const first = Number(query.get('start')) + 1;
    const lines = Array.from({ length: Number(query.get('limit')) }, (_none, index) => ({
      n: first + index,
      t: `line ${first + index}`,
    }));
    return give(response, lines, { total: 1_000 });
  });
  const { host, port } = standIn;
  const pve = createPve({
    endpoints: [{ host, port }],
    token: () => 'root@pam!lab=secret',
    trust: { kind: 'off' },
  });
  const inventory = createInventory({ ssh: undefined, api: createApiSource({ pve }) });
  const list = createTaskList({ pve, inventory, tasks: createTasks({ pve }) });
  try {
    const shown = await list.show(upid('100'), 3, signal);
    assert.deepEqual(shown.log.lines, ['line 998', 'line 999', 'line 1000']);
    assert.deepEqual([shown.log.total, shown.state, shown.exit], [1_000, 'failed', 'interrupted by signal']);
    assert.deepEqual(asked, ['start=0&limit=3', 'start=997&limit=3']);
    const bare = await list.show(upid('100'), 0, signal);
    assert.deepEqual(bare.log, { lines: [], total: 1_000 });
  } finally {
    await pve.close();
    await standIn.stop();
  }
});

test('a task of a node that the cluster does not have is not asked for', async () => {
  const before = node.reads.length;
  const none = ['', 'UPID', `${upid('100')}\n`, upid('../../../access'), upid('1?x=1')];
  for (const strange of [upid('100', { of: 'pve9' }), upid('100', { of: 'localhost' }), ...none])
    for (const use of [
      tasks.show(strange, 1, signal),
      tasks.stop(strange, signal),
      tasks.wait(strange, wait()),
    ])
      await assert.rejects(use, failsWith('INVALID_ARGUMENT', /this cluster has no such task/));
  assert.deepEqual(
    node.reads.slice(before).filter((path) => path.includes('tasks')),
    [],
  );
});

test('stopping waits until the task has ended, and leaves one that has as it is', async () => {
  let looks = 0;
  node.writes.length = 0;
  node.answer = ({ method, path }: Heard) => {
    if (method === 'DELETE') return { data: null };
    if (!path.endsWith('/status')) return undefined;
    looks += 1;
    return {
      data: looks < 3 ? { status: 'running' } : { status: 'stopped', exitstatus: 'unexpected status' },
    };
  };
  const { before: was, after: is } = await tasks.stop(upid('100'), signal);
  assert.deepEqual([was.state, is.state, is.exit], ['running', 'failed', 'unexpected status']);
  assert.equal(node.writes.length, 1);
  assert.match(node.writes[0] ?? '', /^DELETE \/nodes\/pve1\/tasks\/UPID%3Apve1/);
  const again = await tasks.stop(upid('100'), signal);
  assert.deepEqual([again.before.state, node.writes.length], ['failed', 1]);
});

test('a task that was told to end, and of which nothing is heard then, is not known to have ended', async () => {
  let told = false;
  node.answer = ({ method, path }: Heard) => {
    if (method === 'DELETE') {
      told = true;
      return { data: null };
    }
    if (!path.endsWith('/status')) return undefined;
    return told ? { status: 500, text: 'broken' } : { data: { status: 'running' } };
  };
  await assert.rejects(tasks.stop(upid('100'), signal), failsWith('API_OUTCOME_UNKNOWN', /told to end/));
});
