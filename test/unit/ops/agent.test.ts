import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { wholeText } from '../../../src/exec/capture.ts';
import { createAgent } from '../../../src/ops/agent.ts';
import type { Heard } from '../pve/https-server.ts';
import { failsWith, type GuestNode, startGuestNode, vm } from './guest-node.ts';

const { signal } = new AbortController();
let node: GuestNode;
let agent: ReturnType<typeof createAgent>;
before(async () => {
  node = await startGuestNode();
  agent = createAgent(node.room);
});
after(() => node.close());
beforeEach(async () => {
  node.resources = [vm];
  node.answer = () => undefined;
  await node.room.inventory.now(300, signal);
  node.writes.length = node.reads.length = 0;
});

type Said = { data: unknown } | { status: number; text: string };

/** An agent whose commands, from the first on, go through these states; the last is told once. */
function commands(...runs: (readonly Said[])[]): { asked: string[]; started: string[][] } {
  const asked: string[] = [];
  const started: string[][] = [];
  const left = runs.map((states) => [...states]);
  node.answer = ({ path, query, body }: Heard) => {
    if (path.endsWith('/agent/exec')) {
      started.push(new URLSearchParams(body).getAll('command'));
      return { data: { pid: started.length } };
    }
    if (!path.endsWith('/agent/exec-status')) return undefined;
    asked.push(`${path} ${query}`);
    const pid = Number(query.get('pid'));
    return left[pid - 1]?.shift() ?? { status: 500, text: 'Agent error: PID ld does not exist' };
  };
  return { asked, started };
}

const run = (more: { argv?: string[]; timeoutMs?: number; signal?: AbortSignal } = {}) =>
  agent.exec(
    {
      vmid: 300,
      command: more.argv ?? ['prog', 'an arg'],
      timeoutMs: more.timeoutMs ?? 10_000,
      maxBytes: 1_000,
    },
    { signal: more.signal ?? signal },
  );

const running: Said = { data: { exited: 0 } };

test('a program and its arguments are started as they are, and its bytes come back as they were', async () => {
  const shown = Buffer.from('grün\0\u{1f600}').toString('latin1');
  const { asked, started } = commands([
    running,
    running,
    { data: { exited: 1, exitcode: 3, 'out-data': shown, 'err-data': 'x' } },
  ]);
  const result = await run();
  assert.deepEqual(started, [['prog', 'an arg']]);
  assert.equal(asked.length, 3);
  assert.deepEqual(
    [result.exitCode, wholeText(result.stdout), wholeText(result.stderr), result.cut],
    [3, 'grün\0\u{1f600}', 'x', false],
  );
});

test('a signal becomes the exit code that shells tell, and a cut of the agent is told', async () => {
  commands([{ data: { exited: '1', signal: '9', 'out-truncated': 1, 'out-data': 'a'.repeat(5_000) } }]);
  const { exitCode, cut, stdout } = await run();
  assert.deepEqual([exitCode, cut, stdout.totalBytes], [137, true, 5_000]);
  assert.ok(stdout.head.length + stdout.tail.length <= 1_000);
});

test('an agent that cannot be heard for a while is asked again', async () => {
  commands([
    { status: 500, text: 'QEMU guest agent is not running' },
    { status: 500, text: "VM 300 qga command 'guest-exec-status' failed - got timeout" },
    { data: { exited: 1, exitcode: 0 } },
  ]);
  assert.equal((await run()).exitCode, 0);
});

test('a machine that moves meanwhile is followed', async () => {
  const { asked } = commands([
    { status: 500, text: "Configuration file 'nodes/pve1/qemu-server/300.conf' does not exist" },
    { data: { exited: 1, exitcode: 0 } },
  ]);
  const before = node.answer;
  node.answer = (heard) => {
    if (asked.length > 0) node.resources = [{ ...vm, node: 'pve2' }];
    return before(heard);
  };
  assert.equal((await run()).exitCode, 0);
  assert.match(asked[1] ?? '', /^\/nodes\/pve2\/qemu\/300\/agent\/exec-status pid=1$/);
});

test('an end that was lost is unknown, and nothing is said to have failed', async () => {
  for (const text of ['Agent error: PID ld does not exist', 'VM 300 is not running']) {
    commands([running, { status: 500, text }]);
    await assert.rejects(run(), failsWith('AGENT_COMMAND_UNSEEN', new RegExp(text)));
  }
});

test('what keeps a command from starting is told', async () => {
  const said: readonly (readonly [string, number, Parameters<typeof failsWith>[0]])[] = [
    ['VM 300 is not running', 500, 'VM_NOT_RUNNING'],
    ['QEMU guest agent is not running', 500, 'AGENT_UNAVAILABLE'],
    ['No QEMU guest agent configured', 500, 'AGENT_NOT_CONFIGURED'],
    ['Permission check failed (/vms/300, VM.GuestAgent.Unrestricted)', 403, 'API_FORBIDDEN'],
    ['Broken pipe', 596, 'AGENT_COMMAND_UNSEEN'],
    ["VM 300 qga command 'guest-exec' failed - got timeout", 500, 'AGENT_COMMAND_UNSEEN'],
  ];
  for (const [text, status, code] of said) {
    node.answer = ({ method }: Heard) => (method === 'POST' ? { status, text } : undefined);
    await assert.rejects(run(), failsWith(code), text);
  }
  assert.equal(node.writes.length, said.length, 'nothing is sent twice');
});

test('a template is said to be one, and a container that got the id is not touched', async () => {
  node.answer = ({ path }: Heard) =>
    path.includes('/agent/') ? { status: 500, text: 'VM 300 is not running' } : undefined;
  node.resources = [{ ...vm, template: 1 }];
  await assert.rejects(run(), failsWith('GUEST_IS_TEMPLATE'));
  node.resources = [{ ...vm, id: 'lxc/300', type: 'lxc' }];
  await assert.rejects(run(), failsWith('NOT_A_VM'));
  const file = { vmid: 300, path: '/a', bytes: Buffer.alloc(1), overwrite: true };
  await assert.rejects(agent.files.write(file, signal), failsWith('NOT_A_VM'));
});

test('a command whose time is up is stopped where its machine is by then', async () => {
  const { started } = commands(Array<Said>(60).fill(running), [{ data: { exited: 1, exitcode: 0 } }]);
  const answer = node.answer;
  node.answer = (heard) => {
    if (started.length === 1) node.resources = [{ ...vm, node: 'pve2' }];
    return answer(heard);
  };
  await assert.rejects(run({ timeoutMs: 50 }), failsWith('COMMAND_TIMEOUT'));
  assert.deepEqual(
    node.writes.map((write) => write.split(' ')[1]),
    ['/nodes/pve1/qemu/300/agent/exec', '/nodes/pve2/qemu/300/agent/exec'],
  );
});

test('a command whose time is up is stopped, and brings what there was', async () => {
  const { started } = commands(
    [running, running, running, { data: { exited: 1, signal: 15, 'out-data': 'so far' } }],
    [{ data: { exited: 1, exitcode: 0 } }],
  );
  await assert.rejects(
    run({ timeoutMs: 100 }),
    (error: Error & { evidence?: { stdout?: string } }) =>
      failsWith('COMMAND_TIMEOUT', /It was stopped/)(error) && error.evidence?.stdout === 'so far',
  );
  assert.match(started[1]?.[2] ?? '', /kill -TERM -1 /);
});

test('one that cannot be stopped is said to be so', async () => {
  commands(Array<Said>(40).fill(running), [{ data: { exited: 1, exitcode: 1 } }]);
  await assert.rejects(run({ timeoutMs: 50 }), failsWith('COMMAND_TIMEOUT', /could be stopped is not known/));
});

test('a caller who goes away stops the command', async () => {
  const leaving = new AbortController();
  const { asked, started } = commands(
    [running, { data: { exited: 1, signal: 15 } }],
    [{ data: { exited: 1, exitcode: 0 } }],
  );
  const answer = node.answer;
  node.answer = (heard) => {
    const said = answer(heard);
    if (asked.length === 1) leaving.abort();
    return said;
  };
  await assert.rejects(run({ signal: leaving.signal }), failsWith('CANCELLED', /stopped/));
  assert.equal(started.length, 2);
});

test('what the agent does not tell is missing; with nothing at all, the reason is told', async () => {
  const answers: Record<string, Said> = {
    'get-host-name': { data: { result: { 'host-name': 'vm1' } } },
    'network-get-interfaces': {
      data: { result: [{ name: 'eth0', 'ip-addresses': [{ 'ip-address': '10.0.0.2' }] }] },
    },
    'get-fsinfo': { data: { result: [{ mountpoint: '/', name: 'sda1', type: 'ext4', 'used-bytes': 1 }] } },
  };
  const unsupported: Said = { status: 500, text: 'Agent error: The command has not been found' };
  node.answer = ({ path }: Heard) => {
    const verb = /\/agent\/([^/]+)$/.exec(path)?.[1];
    return verb === undefined ? undefined : (answers[verb] ?? unsupported);
  };
  assert.deepEqual(await agent.info(300, signal), {
    ...{ node: 'pve1', hostName: 'vm1', missing: ['system'] },
    interfaces: [{ name: 'eth0', mac: undefined, addresses: ['10.0.0.2'] }],
    fileSystems: [{ mountPoint: '/', device: 'sda1', type: 'ext4', usedBytes: 1, totalBytes: undefined }],
  });
  for (const verb of Object.keys(answers)) delete answers[verb];
  await assert.rejects(agent.info(300, signal), failsWith('API_REFUSED', /has not been found/));
});

test('a guest that tells nonsense, or far too much, is told of as far as it makes sense', async () => {
  const results: Record<string, unknown> = {
    'get-osinfo': { 'pretty-name': 'x'.repeat(100_000) },
    'get-host-name': { 'host-name': null },
    'network-get-interfaces': [
      { name: 'eth0', 'ip-addresses': Array(1_000).fill({ 'ip-address': '10.0.0.1', prefix: 8 }) },
      { name: null },
      ...Array<object>(500).fill({ name: 'veth', 'ip-addresses': null }),
    ],
    'get-fsinfo': [
      { mountpoint: null },
      { mountpoint: '/', 'total-bytes': 5 },
      { mountpoint: 'x'.repeat(1_000) },
    ],
  };
  node.answer = ({ path }: Heard) => {
    const result = results[/\/agent\/([^/]+)$/.exec(path)?.[1] ?? ''];
    return result === undefined ? undefined : { data: { result } };
  };
  const facts = await agent.info(300, signal);
  assert.ok((facts.system?.name ?? '').length < 400);
  assert.equal(facts.hostName, undefined);
  assert.deepEqual([facts.interfaces?.length, facts.interfaces?.[0]?.addresses.length], [100, 20]);
  assert.deepEqual(
    facts.fileSystems?.map(({ mountPoint }) => mountPoint),
    ['/'],
  );
  assert.deepEqual(facts.missing, ['network after the first 100']);
  results['get-osinfo'] = { 'pretty-name': 'x'.repeat(2_000_000) };
  assert.deepEqual((await agent.info(300, signal)).missing, ['system', 'network after the first 100']);
});

/** A guest with one file. `parts`: whether the node can read a part of it. */
function file(bytes: Buffer, { parts }: { parts: boolean }): void {
  node.answer = ({ path, query }: Heard) => {
    if (!path.endsWith('/agent/file-read')) return undefined;
    if (query.get('file') !== '/there')
      return {
        status: 500,
        text: "Agent error: failed to open file '/x' (mode: 'r'): No such file or directory",
      };
    if (!parts && query.has('offset'))
      return {
        status: 400,
        text: 'Parameter verification failed. offset: property is not defined in schema',
      };
    const offset = Number(query.get('offset') ?? 0);
    const count = Number(query.get('count') ?? 16 * 1024 * 1024);
    return { data: { content: bytes.subarray(offset, offset + count).toString('latin1') } };
  };
}

for (const parts of [true, false])
  test(`files are read in parts${parts ? '' : ' where the node knows none'}, and it is known whether they go on`, async () => {
    file(Buffer.from('aü\0zzz'), { parts });
    const read = (offset: number, maxBytes: number) =>
      agent.files.read({ vmid: 300, path: '/there', offset, maxBytes }, signal);
    assert.deepEqual(await read(1, 3), { bytes: Buffer.from('ü\0'), more: true });
    assert.deepEqual(await read(4, 3), { bytes: Buffer.from('zzz'), more: false });
    assert.deepEqual(await read(99, 3), { bytes: Buffer.alloc(0), more: false });
    const missing = agent.files.read({ vmid: 300, path: '/x', offset: 0, maxBytes: 1 }, signal);
    await assert.rejects(missing, failsWith('FILE_NOT_FOUND'));
  });

test('a file is only replaced where that is asked for, and any bytes arrive', async () => {
  file(Buffer.from('old'), { parts: true });
  const bytes = Buffer.from([0, 255, 10, 61, 38]);
  const write = (path: string, overwrite: boolean) =>
    agent.files.write({ vmid: 300, path, bytes, overwrite }, signal);
  await assert.rejects(write('/there', false), failsWith('FILE_EXISTS'));
  assert.deepEqual(node.writes, []);
  const answer = node.answer;
  node.answer = (heard) => (heard.method === 'POST' ? { data: null } : answer(heard));
  await write('/there', true);
  assert.deepEqual(node.sent, { file: '/there', content: bytes.toString('base64'), encode: '0' });
  await write('/new', false);
  assert.equal(node.writes.length, 2);
});

const refusals = [
  ["failed to open file '/a/b' (mode: 'wb'): No such file or directory", 'DIRECTORY_NOT_FOUND'],
  ["failed to open file '/a' (mode: 'wb'): Is a directory", 'IS_DIRECTORY'],
  ["failed to open file '/a' (mode: 'wb'): Permission denied", 'NOT_WRITABLE'],
  ["failed to write to file '/a': No space left on device", 'API_FAILED'],
] as const;
for (const [text, code] of refusals)
  test(`«${text}» is ${code}`, async () => {
    node.answer = ({ method }: Heard) =>
      method === 'POST' ? { status: 500, text: `Agent error: ${text}` } : undefined;
    const write = agent.files.write(
      { vmid: 300, path: '/a', bytes: Buffer.alloc(1), overwrite: true },
      signal,
    );
    await assert.rejects(write, failsWith(code));
  });
