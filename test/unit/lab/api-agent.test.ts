import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { agentsOf } from '../../../lab/api/agent-call.ts';
import { type Lab, startLab } from '../../../lab/lab.ts';
import {
  ask,
  assertAsGolden,
  assertSameShape,
  auditor,
  get,
  golden,
  type Login,
  loginWith,
  type Params,
  withoutTranscripts,
} from './rest-client.ts';

const agent = '/nodes/pve1/qemu/300/agent';
const exec = `${agent}/exec`;
const timeoutMs = 20;

interface Status {
  readonly exited: number;
  readonly exitcode?: number;
  readonly 'out-data'?: string;
  readonly 'err-data'?: string;
}

let lab: Lab;
let viewer: Login;

before(async () => {
  lab = await startLab();
  viewer = loginWith(lab, 'viewer', auditor);
});

beforeEach(() => {
  agentsOf(lab.cluster).timeoutMs = timeoutMs;
  agentsOf(lab.cluster).silent.clear();
});

after(() => lab.close());

async function start(command: readonly string[], more: Params = {}): Promise<number> {
  const answer = await ask(lab, 'POST', exec, { command, ...more });
  assert.equal(answer.status, 200, answer.reason);
  return (answer.data as { pid: number }).pid;
}

async function ended(pid: number): Promise<Status> {
  for (;;) {
    const status = await get<Status>(lab, `${agent}/exec-status`, { pid });
    if (status.exited === 1) return status;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('the agent against the transcripts', { skip: withoutTranscripts }, () => {
  test('tells what a real one tells', async () => {
    const shapes = [
      ['get-osinfo', 'qemu-300-agent-osinfo'],
      ['get-host-name', 'qemu-300-agent-hostname'],
      ['network-get-interfaces', 'qemu-300-agent-net'],
      ['get-timezone', 'qemu-300-agent-timezone'],
      ['get-time', 'qemu-300-agent-time'],
      ['info', 'qemu-300-agent-info'],
    ] as const;
    for (const [name, id] of shapes)
      assertSameShape(await get(lab, `${agent}/${name}`), golden(id).body.data, name);
    const real = (golden('qemu-300-agent-index').body.data as { name: string }[]).map(({ name }) => name);
    for (const { name } of await get<{ name: string }[]>(lab, agent)) assert.ok(real.includes(name), name);
  });

  test('runs commands with the same outcome', async () => {
    const cases = [
      ['agent-exec-status', ['sh', '-c', 'echo out; echo err >&2; exit 7'], {}],
      ['agent-exec-json-status', ['cat'], { 'input-data': 'grün\n' }],
      ['agent-exec-killed-status', ['sh', '-c', 'kill -9 $$'], {}],
    ] as const;
    for (const [id, command, more] of cases)
      assert.deepEqual(await ended(await start(command, more)), golden(id).body.data, id);
    const pid = await start(['sleep', '30']);
    assertAsGolden(await ask(lab, 'GET', `${agent}/exec-status`, { pid }), 'agent-exec-running');
  });

  test('tells the outcome once', async () => {
    const pid = await start(['true']);
    assert.equal((await ended(pid)).exitcode, 0);
    assertAsGolden(await ask(lab, 'GET', `${agent}/exec-status`, { pid }), 'agent-exec-status-again');
    assertAsGolden(
      await ask(lab, 'GET', `${agent}/exec-status`, { pid: 999_999 }),
      'agent-exec-status-badpid',
    );
  });

  test('refuses in the same words', async () => {
    const command = ['true'];
    const unknown = '/nodes/pve1/qemu/999/agent/exec';
    const operator = loginWith(lab, 'op', ['VM.GuestAgent.Audit']);
    assertAsGolden(await ask(lab, 'POST', exec), 'agent-exec-nocommand');
    assertAsGolden(await ask(lab, 'POST', exec, { command }, operator), 'agent-exec-op');
    assertAsGolden(await ask(lab, 'POST', unknown, { command }), 'agent-exec-999');
    assertAsGolden(
      await ask(lab, 'GET', `${agent}/get-osinfo`, {}, loginWith(lab, 'bare', [])),
      'agent-osinfo-bare',
    );
    assertAsGolden(await ask(lab, 'POST', `${agent}/ping`, {}, viewer), 'agent-ping-viewer');
    assertAsGolden(await ask(lab, 'GET', `${agent}/nosuch`), 'qemu-300-agent-nope');
  });

  test('goes silent as a real one does', async () => {
    assertAsGolden(await ask(lab, 'POST', exec, { command: ['nosuchcmd'] }), 'agent-exec-notfound');
    assertAsGolden(await ask(lab, 'POST', exec, { command: ['echo', '日本'] }), 'agent-exec-wide-arg');
    assertAsGolden(await ask(lab, 'POST', exec, { command: ['echo', 'grün'] }), 'agent-exec-latin-arg');
    assert.equal(
      (await ended(await start(['echo', 'grün'])))['out-data'],
      'grÃ¼n\n',
      'bytes shown as Latin-1',
    );
  });

  test('is missed where it is not, and where the machine is off', async () => {
    agentsOf(lab.cluster).silent.add(300);
    assertAsGolden(await ask(lab, 'POST', `${agent}/ping`), 'agent-gone-ping');
    assertAsGolden(await ask(lab, 'GET', `${agent}/get-osinfo`), 'agent-gone-osinfo');
    agentsOf(lab.cluster).silent.clear();
    const guest = lab.cluster.guests.get(300);
    assert.ok(guest);
    lab.node.halt(guest);
    assertAsGolden(await ask(lab, 'POST', `${agent}/ping`), 'agent-stopped-ping');
    assertAsGolden(await ask(lab, 'POST', exec, { command: ['true'] }), 'agent-stopped-exec');
    lab.node.boot(guest);
    guest.config.delete('agent');
    assert.equal((await ask(lab, 'POST', `${agent}/ping`)).reason, 'No QEMU guest agent configured');
    guest.config.set('agent', '1');
  });

  test('reads and writes files', async () => {
    const file = '/tmp/golden.txt';
    const write = (params: Params) => ask(lab, 'POST', `${agent}/file-write`, { content: 'x', ...params });
    assertAsGolden(await write({ file, content: 'hello\n' }), 'agent-file-write');
    assertAsGolden(await ask(lab, 'GET', `${agent}/file-read`, { file }), 'agent-file-read');
    assertAsGolden(await ask(lab, 'GET', `${agent}/file-read`, { file: '/nope' }), 'agent-file-read-missing');
    assertAsGolden(await write({ file: '/no/such/f' }), 'agent-file-write-baddir');
    assertAsGolden(await ask(lab, 'GET', `${agent}/file-read`, { file }, viewer), 'agent-file-read-viewer');
  });
});

describe('the agent', () => {
  test('gives any byte back, as Latin-1 or in base64', async () => {
    const file = '/root/bytes';
    const bytes = Buffer.from(Array.from({ length: 256 }, (_none, byte) => byte));
    const content = bytes.toString('base64');
    assert.equal((await ask(lab, 'POST', `${agent}/file-write`, { file, content, encode: 0 })).status, 200);
    const read = (params: Params) => get<{ content: string }>(lab, `${agent}/file-read`, { file, ...params });
    assert.deepEqual(Buffer.from((await read({})).content, 'latin1'), bytes);
    assert.equal((await read({ decode: 0 })).content, content);
    assert.deepEqual(await read({ offset: 2, count: 3 }), {
      ...{ content: '\u0002\u0003\u0004', 'bytes-read': 3, truncated: 1 },
    });
    const shown = await ended(await start(['cat', file]));
    assert.deepEqual(Buffer.from(shown['out-data'] ?? '', 'latin1'), bytes);
  });

  test('writes characters as one byte each, and none that need more', async () => {
    const file = '/root/umlaut';
    const write = (content: string) => ask(lab, 'POST', `${agent}/file-write`, { file, content });
    await write('ü');
    assert.equal((await ended(await start(['wc', '-c', file])))['out-data'], '1 /root/umlaut\n');
    assert.match((await write('日')).reason, /Wide character/);
    const long = await write('x'.repeat(61_441));
    assert.deepEqual(long.errors, { content: 'value may only be 61440 characters long' });
    const broken = await ask(lab, 'POST', `${agent}/file-write`, { file, content: 'a===', encode: 0 });
    assert.match(broken.reason, /Base64 data/);
  });

  test('has a machine of its own, with a shell, whose processes can be killed', async () => {
    const script = 'echo one > /root/f; cat /root/f; hostname; id -u; pwd';
    assert.equal((await ended(await start(['sh', '-c', script])))['out-data'], 'one\nvm1\n0\n/\n');
    const pid = await start(['sh', '-c', 'echo begun; sleep 60']);
    assert.equal((await ended(await start(['kill', '-9', `-${pid}`]))).exitcode, 0);
    const { exited, ...rest } = (await ended(pid)) as unknown as Record<string, unknown>;
    assert.deepEqual(
      { exited, ...rest },
      { exited: 1, signal: 9, 'out-data': 'begun\n', 'out-truncated': 0 },
    );
  });

  test('does not get much output across, and it is lost then', async () => {
    const pid = await start(['sh', '-c', 'head -c 7000000 /dev/zero']);
    const answer = await eventually(async () => {
      const asked = await ask(lab, 'GET', `${agent}/exec-status`, { pid });
      return asked.status === 200 ? undefined : asked;
    });
    assert.equal(answer.reason, "VM 300 qga command 'guest-exec-status' failed - got timeout");
    assert.equal((await ask(lab, 'GET', `${agent}/exec-status`, { pid })).status, 500);
  });

  test('forgets what ran before a restart', async () => {
    const pid = await start(['sleep', '60']);
    const guest = lab.cluster.guests.get(300);
    assert.ok(guest);
    lab.node.halt(guest);
    lab.node.boot(guest);
    assert.match((await ask(lab, 'GET', `${agent}/exec-status`, { pid })).reason, /does not exist/);
  });

  test('tells processors and file systems', async () => {
    const systems = await get<{ result: { mountpoint: string }[] }>(lab, `${agent}/get-fsinfo`);
    assert.deepEqual(
      systems.result.map(({ mountpoint }) => mountpoint),
      ['/', '/boot/efi'],
    );
    const processors = await get<{ result: object[] }>(lab, `${agent}/get-vcpus`);
    assert.equal(processors.result.length, 1);
  });
});

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('containers', { skip: withoutTranscripts }, () => {
  test('tell their addresses while they run', async () => {
    const path = (vmid: number) => `/nodes/pve1/lxc/${vmid}/interfaces`;
    assertSameShape(await get(lab, path(100)), golden('lxc-100-interfaces').body.data);
    assertAsGolden(await ask(lab, 'GET', path(102)), 'lxc-101-interfaces');
    assertAsGolden(await ask(lab, 'GET', path(999)), 'lxc-999-interfaces');
  });
});
