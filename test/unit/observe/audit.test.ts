import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { GatewayError } from '../../../src/base/errors.ts';
import { type Audit, type AuditIntent, type AuditOutcome, createAudit } from '../../../src/observe/audit.ts';

const folder = mkdtempSync(join(tmpdir(), 'audit-test-'));
after(() => rmSync(folder, { recursive: true }));

let count = 0;
function open(t: TestContext): { audit: Audit; file: string } {
  const file = join(folder, String(++count), 'audit.jsonl');
  const audit = createAudit({ file });
  t.after(() => audit.close());
  return { audit, file };
}

function linesOf(file: string): Record<string, unknown>[] {
  const text = readFileSync(file, 'utf8');
  assert.ok(text.endsWith('\n'));
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const intent: AuditIntent = {
  requestId: 'r1',
  principal: 'alice',
  client: '192.0.2.7',
  tool: 'proxmox_container_exec_command',
  effect: 'disrupt',
  vmid: 100,
  node: 'pve1',
  arguments: { vmid: 100, command: 'id' },
};
const outcome: AuditOutcome = {
  requestId: 'r1',
  principal: 'alice',
  tool: 'proxmox_container_exec_command',
  vmid: 100,
  outcome: 'ok',
  exitCode: 0,
  durationMs: 12.5,
  bytes: 42,
};

async function recorded(t: TestContext, args: unknown): Promise<Record<string, unknown>> {
  const { audit, file } = open(t);
  await audit.begin({ ...intent, arguments: args });
  const [line] = linesOf(file);
  return line?.arguments as Record<string, unknown>;
}

const isUnavailable = (error: unknown) => error instanceof GatewayError && error.code === 'AUDIT_UNAVAILABLE';

test('a call leaves its intent and then its outcome, under one request id', async (t) => {
  const { audit, file } = open(t);
  await audit.begin(intent);
  assert.equal(linesOf(file).length, 1, 'the intent is there before anything is carried out');
  await audit.finish(outcome);
  const [begin, finish] = linesOf(file);
  const { time: beganAt, ...began } = begin ?? {};
  const { time: endedAt, ...ended } = finish ?? {};
  assert.deepEqual(began, { event: 'begin', ...intent });
  assert.deepEqual(ended, { event: 'finish', ...outcome });
  for (const time of [beganAt, endedAt])
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('a refusal is one line with its code and reason', async (t) => {
  const { audit, file } = open(t);
  await audit.refuse(intent, {
    outcome: 'denied',
    code: 'PERMISSION_DENIED',
    reason: 'the gateway is read-only\n(READ_ONLY)',
  });
  const [{ time: _, ...line } = {}] = linesOf(file);
  const reason = 'the gateway is read-only\\u{a}(READ_ONLY)';
  assert.deepEqual(line, {
    event: 'refuse',
    ...intent,
    outcome: 'denied',
    code: 'PERMISSION_DENIED',
    reason,
  });
});

test('lines stand in the order of the calls, whole', async (t) => {
  const { audit, file } = open(t);
  const ids = Array.from({ length: 200 }, (_, index) => `r${index}`);
  await Promise.all(ids.map((requestId) => audit.begin({ ...intent, requestId })));
  assert.deepEqual(
    linesOf(file).map(({ requestId }) => requestId),
    ids,
  );
});

test('an earlier log is continued, and neither file nor folder is open to others', async (t) => {
  const { audit, file } = open(t);
  await audit.begin(intent);
  await audit.close();
  const second = createAudit({ file });
  t.after(() => second.close());
  await second.begin(intent);
  assert.equal(linesOf(file).length, 2);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(join(file, '..')).mode & 0o777, 0o700);
});

test('of the content of a file the size is recorded, and of what names it every word', async (t) => {
  const named = { container_path: '/srv/a', local_path: 'in/a', permissions: '640', sha256: 'ab', size: 6 };
  const args = await recorded(t, { ...named, content: 'c4n4ry' });
  assert.deepEqual(args, { ...named, content: '*** (6 bytes)' });
  assert.deepEqual(await recorded(t, { content: 'é'.repeat(1_000_000) }), { content: '*** (2000000 bytes)' });
});

test('values of env and stdin are never recorded, their names and sizes are', async (t) => {
  const args = await recorded(t, { env: { PGPASSWORD: 'c4n4ry', LANG: 'c4n4ry' }, stdin: 'c4n4ry é' });
  assert.deepEqual(args, { env: { PGPASSWORD: '***', LANG: '***' }, stdin: '*** (9 bytes)' });
});

test('secrets in other arguments are masked as far as they can be known', async (t) => {
  const args = await recorded(t, {
    command: 'PASSWORD=c4n4ry curl -H "Authorization: Bearer c4n4ry" http://u:c4n4ry@h/; id',
    password: 'c4n4ry',
    nested: { apiKey: 'c4n4ry', list: ['login --token c4n4ry', 'token=c4n4ry'] },
  });
  assert.doesNotMatch(JSON.stringify(args), /c4n4ry/);
  assert.match(String(args.command), /^PASSWORD=\*\*\* curl .*; id$/);
});

test('a command in words hides what its options say is secret, and nothing else', async (t) => {
  for (const command of [
    ['mysql', '--password', 'c4n4ry', '-e', 'show tables'],
    ['sshpass', '-p', 'c4n4ry', 'ssh', 'db'],
  ]) {
    const told = JSON.stringify(await recorded(t, { command, params: { 'input-data': 'c4n4ry' } }));
    assert.doesNotMatch(told, /c4n4ry/);
    assert.match(told, /"command":"(mysql|sshpass) .*\*\*\*/);
  }
  const plain = ['systemctl', 'restart', 'nginx'];
  assert.deepEqual(await recorded(t, { command: plain }), { command: plain });
});

test('an argument cannot forge a line or hide in one', async (t) => {
  const { audit, file } = open(t);
  const forged = 'id\n{"event":"finish","requestId":"r1"}\u202e';
  await audit.begin({ ...intent, tool: `x\n${forged}`, arguments: { command: forged, [`k\n${forged}`]: 1 } });
  assert.equal(linesOf(file).length, 1);
  assert.doesNotMatch(readFileSync(file, 'utf8'), /\u202e/);
});

test('what is long is cut: texts, names, lists, and depth', async (t) => {
  const args = await recorded(t, {
    command: 'x'.repeat(100_000),
    list: Array.from({ length: 1000 }, (_, index) => index),
    map: Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, index])),
    ['n'.repeat(1000)]: 1,
    deep: { a: { b: { c: { d: { e: 'x' } } } } },
  });
  assert.equal(String(args.command).length, 8001);
  assert.equal((args.list as unknown[]).length, 50);
  assert.equal(Object.keys(args.map as object).length, 50);
  assert.ok(Object.keys(args).every((name) => name.length <= 101));
  assert.doesNotMatch(JSON.stringify(args.deep), /"x"/);
});

test('the line of the largest body that can arrive stays bounded', async (t) => {
  const { audit, file } = open(t);
  const row = Array.from({ length: 50 }, () => '\u2028'.repeat(500));
  await audit.refuse(
    { ...intent, arguments: Array.from({ length: 50 }, () => row) },
    { outcome: 'error', code: 'INVALID_ARGUMENT', reason: 'x' },
  );
  const { size } = statSync(file);
  assert.ok(size <= 512 * 1024, `${size} bytes for one refused call`);
});

test('no other argument can push the command out of its record', async (t) => {
  const names = Array.from({ length: 50 }, (_, index) => `V${index}`.padEnd(128, '_'));
  const args = await recorded(t, {
    env: Object.fromEntries(names.map((name) => [name, 'x'])),
    stdin: 'x'.repeat(100_000),
    cwd: `/${'d'.repeat(4_095)}`,
    user: 'root',
    command: `reboot ${'x'.repeat(1_000)}`,
    vmid: 100,
  });
  assert.equal(args.command, `reboot ${'x'.repeat(1_000)}`);
  assert.equal(args.vmid, 100);
});

test('arguments that are no object are recorded as they are', async (t) => {
  for (const args of [undefined, null, 7, true]) assert.equal(await recorded(t, args), args);
  assert.deepEqual(await recorded(t, 'token=c4n4ry'), 'token=***');
});

test('where the log cannot be written nothing may begin, and that is told until it can', async (t) => {
  const { audit, file } = open(t);
  mkdirSync(file, { recursive: true });
  await assert.rejects(audit.begin(intent), isUnavailable);
  await audit.finish(outcome);
  await audit.refuse(intent, { outcome: 'denied', code: 'PERMISSION_DENIED', reason: 'x' });
  assert.equal(await audit.problem(), 'EISDIR');
  rmdirSync(file);
  assert.equal(await audit.problem(), undefined);
  await audit.begin(intent);
  assert.deepEqual(
    linesOf(file).map(({ event }) => event),
    ['check', 'begin'],
  );
});

test('a disk that is full is a log that cannot be written', {
  skip: process.platform !== 'linux' && 'needs /dev/full',
}, async (t) => {
  const audit = createAudit({ file: '/dev/full' });
  t.after(() => audit.close());
  assert.equal(await audit.problem(), 'ENOSPC');
  await assert.rejects(audit.begin(intent), isUnavailable);
  await assert.rejects(audit.begin(intent), isUnavailable);
  assert.equal(await audit.problem(), 'ENOSPC');
});

test('a healthy log is not written to for being asked', async (t) => {
  const { audit, file } = open(t);
  await audit.begin(intent);
  for (let asked = 0; asked < 3; asked++) assert.equal(await audit.problem(), undefined);
  assert.equal(linesOf(file).length, 1);
});
