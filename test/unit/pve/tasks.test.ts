import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { apiPath } from '../../../src/pve/api-path.ts';
import type { Pve } from '../../../src/pve/pve.ts';
import { createTasks, parseUpid, type TaskWait } from '../../../src/pve/tasks.ts';
import { transcripts, withoutTranscripts } from './golden.ts';
import { give, type Handler, refuse } from './https-server.ts';
import { endWorlds, failing, world } from './world.ts';

const upid = 'UPID:pve1:00003CD2:000A3CD3:6B00EE8B:vzstart:101:root@pam!golden:';
const action = 'start container 101';
const start = { method: 'POST', path: apiPath`/nodes/pve1/lxc/101/status/start`, action } as const;

/** A node on which one task runs; `state` is asked at each look at its status. */
interface Task {
  state: (look: number) => object | number;
  log: string[];
  readonly looks: () => number;
  readonly logReads: () => number;
}

async function taskWorld(state: Task['state'], log: string[] = []) {
  let looks = 0;
  let logReads = 0;
  const task: Task = { state, log, looks: () => looks, logReads: () => logReads };
  const handler: Handler = ({ method, path, query }, response) => {
    if (method === 'POST') return give(response, upid);
    const at = `/nodes/pve1/tasks/${encodeURIComponent(upid)}`;
    if (path === `${at}/log`) {
      logReads++;
      const from = Number(query.get('start'));
      const lines = task.log.slice(from, from + Number(query.get('limit')));
      const data = lines.map((t, index) => ({ n: from + index + 1, t }));
      return give(response, data, { total: task.log.length });
    }
    assert.equal(path, `${at}/status`);
    const answer = task.state(looks++);
    if (typeof answer === 'number') return refuse(response, answer, 'no');
    return give(response, answer);
  };
  const { node, pve } = await world(handler);
  return { node, task, tasks: createTasks({ pve }) };
}

const running = { status: 'running' };
const stopped = (exitstatus?: string) => ({ status: 'stopped', exitstatus });
const wait = (more: Partial<TaskWait> = {}): TaskWait => ({
  signal: new AbortController().signal,
  waitMs: undefined,
  ...more,
});

afterEach(endWorlds);

test('is followed to its end', async () => {
  const { task, tasks } = await taskWorld((look) => (look < 3 ? running : stopped('OK')), ['TASK OK']);
  const end = await tasks.run(start, wait());
  assert.deepEqual(end, { upid, node: 'pve1', state: 'ok', warnings: 0, log: ['TASK OK'] });
  assert.equal(task.looks(), 4);
});

test('its warnings are counted', async () => {
  const { tasks } = await taskWorld(() => stopped('WARNINGS: 12'), ['WARN: x', 'TASK WARNINGS: 12']);
  const end = await tasks.follow({ upid, action }, wait());
  assert.equal(end.state, 'warnings');
  assert.equal(end.warnings, 12);
  assert.deepEqual(end.log, ['WARN: x', 'TASK WARNINGS: 12']);
});

test('a failure is an error with its exit status and the end of its log', async () => {
  const log = [...Array.from({ length: 50 }, (_, line) => `line ${line}`), 'TASK ERROR: CT is locked\u202e'];
  const { task, tasks } = await taskWorld(() => stopped('CT is locked\u202e'), log);
  const error = await failing('TASK_FAILED', tasks.run(start, wait()));
  assert.ok(error.message.includes(upid) && error.message.includes(action), error.message);
  assert.doesNotMatch(error.message, /locked/);
  const lines = (error.evidence.stderr ?? '').split('\n');
  assert.equal(lines[0], 'CT is locked\\u{202e}');
  assert.equal(lines[1], 'line 31');
  assert.equal(lines.at(-1), 'TASK ERROR: CT is locked\\u{202e}');
  assert.equal(task.logReads(), 2);
});

test('what was killed has failed', async () => {
  for (const state of [stopped('unexpected status'), stopped(), stopped('WARNINGS: many'), stopped('ok')]) {
    const { tasks } = await taskWorld(() => state);
    await failing('TASK_FAILED', tasks.run(start, wait()));
  }
});

test('a wait that is over leaves it running, and says how far it is', async () => {
  const { tasks } = await taskWorld(() => running, ['copying 10%', 'copying 20%']);
  const end = await tasks.run(start, wait({ waitMs: 120 }));
  assert.deepEqual(end, {
    upid,
    node: 'pve1',
    state: 'running',
    warnings: 0,
    log: ['copying 10%', 'copying 20%'],
  });
});

test('without a wait it is looked at once', async () => {
  const { task, tasks } = await taskWorld(() => running);
  assert.equal((await tasks.run(start, wait({ waitMs: 0 })))?.state, 'running');
  assert.equal(task.looks(), 1);
});

test('a long task is not asked about all the time', async () => {
  const { task, tasks } = await taskWorld(() => running);
  await tasks.run(start, wait({ waitMs: 1_500 }));
  assert.ok(task.looks() > 3 && task.looks() < 12, `${task.looks()} looks`);
});

test('the latest line of its log is heard meanwhile, cleaned', async () => {
  const { task, tasks } = await taskWorld(() => {
    task.log.push(`copying ${task.log.length}\u0007`, '');
    return task.log.length < 30 ? running : stopped('OK');
  }, ['begun']);
  const heard: string[] = [];
  const slow = tasks.follow(
    { upid, action },
    wait({ waitMs: 2_000, onState: (text) => void heard.push(text) }),
  );
  await slow;
  assert.ok(heard.length >= 1);
  assert.match(heard[0] ?? '', /^copying \d+\\u\{7\}$/);
});

test('while its node is away it goes on being followed', async () => {
  const { task, tasks } = await taskWorld((look) => (look < 4 ? 596 : stopped('OK')), ['TASK OK']);
  const end = await tasks.run(start, wait());
  assert.equal(end?.state, 'ok');
  assert.equal(task.looks(), 5);
});

test('a log that cannot be read does not hide how it ended', async () => {
  const { node, tasks } = await taskWorld(() => stopped('OK'));
  const { handler } = node;
  node.handler = (heard, response) =>
    heard.path.endsWith('/log') ? refuse(response, 500, 'no log') : handler(heard, response);
  assert.deepEqual((await tasks.run(start, wait()))?.log, []);
});

describe('a call that stops waiting', () => {
  test('leaves the task running, and says which', async () => {
    const { task, tasks } = await taskWorld(() => running);
    const controller = new AbortController();
    task.state = () => {
      setTimeout(() => controller.abort(), 10);
      return running;
    };
    for (const call of [
      tasks.run(start, wait({ signal: controller.signal })),
      tasks.follow({ upid, action }, wait({ signal: controller.signal })),
    ]) {
      const error = await failing('TASK_LEFT_RUNNING', call);
      assert.ok(error.message.includes(upid), error.message);
      assert.equal(error.outcome, 'unknown');
    }
  });

  test('before anything was sent has started nothing', async () => {
    const { node, tasks } = await taskWorld(() => running);
    await failing('CANCELLED_EARLY', tasks.run(start, wait({ signal: AbortSignal.abort() })));
    assert.equal(node.heard.length, 0);
  });
});

describe('a task that cannot be looked at', () => {
  for (const status of [400, 401, 403])
    test(`goes on where the call has begun it, though ${status} is the answer`, async () => {
      const { tasks } = await taskWorld(() => status);
      for (const call of [tasks.run(start, wait()), tasks.send(start, wait())]) {
        const error = await failing('TASK_LEFT_RUNNING', call);
        assert.ok(error.cause instanceof Error);
      }
    });

  test('is a refusal where the caller named it', async () => {
    const { task, tasks } = await taskWorld(() => 403);
    await failing('API_FORBIDDEN', tasks.follow({ upid, action }, wait()));
    task.state = () => 400;
    await failing('API_REFUSED', tasks.follow({ upid, action }, wait()));
    await failing('INVALID_ARGUMENT', tasks.follow({ upid: 'UPID:pve1:../..:', action }, wait()));
  });
});

test('a node that is silent is not waited for longer than the call may last', async () => {
  const { pve } = await world(({ method }, response) => method === 'POST' && give(response, upid));
  const asked: (number | undefined)[] = [];
  const noting: Pve = {
    ...pve,
    request: (request, answer) => {
      if (request.method === 'GET') asked.push(request.timeoutMs);
      return pve.request({ ...request, ...(request.method === 'GET' && { timeoutMs: 50 }) }, answer);
    },
  };
  const end = await createTasks({ pve: noting }).run(start, wait({ waitMs: 10 }));
  assert.deepEqual(end, { upid, node: 'pve1', state: 'running', warnings: 0, log: [] });
  assert.deepEqual(asked, [2_000]);
});

test('a reading starts no task, whatever it answers; what else was sent is told with its task', async () => {
  const { task, tasks } = await taskWorld(() => stopped('OK'));
  const { answer, end } = await tasks.send(start, wait());
  assert.deepEqual([answer, end?.state, task.looks()], [upid, 'ok', 1]);
  const { pve } = await world((_, response) => give(response, upid));
  const read = { ...start, method: 'GET' } as const;
  assert.deepEqual(await createTasks({ pve }).send(read, wait()), { answer: upid, end: undefined });
});

test('what is done at once is no task', async () => {
  for (const data of [null, 'VM status: running\r\n', { pid: 1 }, 7]) {
    const { node, pve } = await world((_, response) => give(response, data));
    assert.equal(await createTasks({ pve }).run(start, wait()), undefined);
    assert.equal(node.heard.length, 1);
  }
});

test('a request whose answer does not come is unknown, and one that is refused has begun nothing', async () => {
  const { node, pve } = await world((_, response) => void response.socket?.destroy());
  const tasks = createTasks({ pve });
  await failing('API_OUTCOME_UNKNOWN', tasks.run(start, wait()));
  node.handler = (_, response) => refuse(response, 403, 'Permission check failed (/vms/101, VM.PowerMgmt)');
  assert.equal((await failing('API_FORBIDDEN', tasks.run(start, wait()))).outcome, 'not_started');
});

describe('the id of a task', () => {
  test('tells what it is about', () => {
    assert.deepEqual(parseUpid(upid), {
      upid,
      node: 'pve1',
      type: 'vzstart',
      id: '101',
      user: 'root@pam!golden',
      startedAt: new Date('2026-11-21T01:06:19Z'),
    });
    assert.equal(parseUpid('UPID:pve-2:00000001:123456789:60000000:bulk-start::root@pam:')?.id, '');
  });

  test('is nothing else', () => {
    const odd = [
      '',
      'UPID:',
      upid.slice(0, -1),
      `${upid}x`,
      `${upid}\n`,
      ` ${upid}`,
      upid.replace('pve1', '../x'),
    ];
    for (const text of [
      ...odd,
      upid.replace('pve1', ''),
      upid.replace('101', '1 0'),
      ...['../../../access', '100%2F..', '1?x=1', '1#x', 'ü'].map((id) => upid.replace('101', id)),
      ...['10.0.0.1', '-pve1'].map((node) => upid.replace('pve1', node)),
      upid.replace('root@pam', 'root/pam'),
      upid.replace('6B', 'XY'),
    ])
      assert.equal(parseUpid(text), undefined, JSON.stringify(text));
  });

  test('is known of every task that a real node has named', { skip: withoutTranscripts }, () => {
    const named = [...transcripts().values()].flatMap(({ body }) => {
      const data = typeof body === 'object' && body !== null && 'data' in body ? body.data : undefined;
      return typeof data === 'string' && data.startsWith('UPID:') ? [data] : [];
    });
    assert.ok(named.length > 30, `${named.length} tasks`);
    for (const text of named) assert.ok(parseUpid(text), text);
  });
});
