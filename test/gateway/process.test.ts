import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { type Lab, startLab } from '../../lab/lab.ts';
import { connectModern, eventually, failureOf, ordersTo, settingsFor, token } from './harness.ts';
import { spawnGateway } from './process.ts';

describe('the process', () => {
  let lab: Lab;
  let stateDir: string;
  before(async () => {
    lab = await startLab();
    stateDir = await mkdtemp(join(tmpdir(), 'process-'));
  });
  after(async () => {
    await lab.close();
    await rm(stateDir, { recursive: true, force: true });
  });
  const settings = (env: Record<string, string> = {}) => ({
    ...settingsFor(lab, stateDir),
    METRICS_PORT: '0',
    ...env,
  });
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(settings()).filter(([name]) => !names.includes(name)));
  const refusal = async (env: Record<string, string>) => {
    const gateway = spawnGateway('serve', env);
    const code = await eventually(() => gateway.child.exitCode ?? undefined, 15_000);
    return { code, stderr: gateway.stderr() };
  };

  test('everything that is missing is reported at once', async () => {
    const { code, stderr } = await refusal({});
    assert.equal(code, 78);
    for (const name of ['I_ACCEPT_RISKS', 'HOST', 'SSH_KEY', 'MCP_AUTH_TOKEN'])
      assert.match(stderr, new RegExp(`^  ${name} `, 'm'));
  });

  test('without a pin the key seen is shown as the line to add, and no login is tried', async () => {
    const before = lab.control.authAttempts;
    const { code, stderr } = await refusal(without('SSH_HOST_KEY'));
    assert.equal(code, 78);
    assert.ok(stderr.includes(`SSH_HOST_KEY=${lab.hostKeyFingerprint}\n`), stderr);
    assert.equal(lab.control.authAttempts, before);
  });

  test('an encrypted key without its passphrase, and a port in use, are told', async () => {
    const key = join(stateDir, 'key');
    await writeFile(key, 'not a key');
    const bad = await refusal({ ...without('SSH_PASSWORD'), SSH_KEY: key });
    assert.match(bad.stderr, /SSH_KEY does not hold a private key/);
    const first = spawnGateway('serve', settings());
    const { port } = await first.url();
    const second = await refusal(settings({ SERVER_PORT: port }));
    assert.match(second.stderr, /SERVER_PORT is \d+, .*in use/);
    assert.equal(await first.stop('SIGTERM'), 0);
  });

  test('the first key is remembered when asked for, and only that one accepted afterwards', async () => {
    const env = { ...without('SSH_HOST_KEY'), SSH_TRUST_ON_FIRST_USE: 'true' };
    const gateway = spawnGateway('serve', env);
    const url = await gateway.url();
    await eventually(async () => {
      const answer = await fetch(new URL('/readyz', url));
      return answer.ok ? true : undefined;
    });
    const remembered = await readFile(join(stateDir, 'known_hosts'), 'utf8');
    assert.ok(remembered.includes(lab.hostKeyFingerprint));
    assert.equal(await gateway.stop('SIGTERM'), 0);
  });

  test('the order to stop kills what runs, records it and exits 0', async () => {
    const gateway = spawnGateway('serve', settings());
    const client = await connectModern(await gateway.url(), token);
    const call = client
      .callTool({ name: 'proxmox_container_exec_command', arguments: { vmid: 100, command: 'sleep 88' } })
      .catch(() => undefined);
    const audit = async () => await readFile(join(stateDir, 'audit.jsonl'), 'utf8');
    const begun = await eventually(async () =>
      (await audit()).split('\n').find((line) => line.includes('sleep 88')),
    );
    assert.equal(await gateway.stop('SIGTERM'), 0);
    const answer = await call;
    assert.ok(answer, 'the answer was cut off');
    assert.equal(failureOf(answer).code, 'CANCELLED');
    const { requestId } = JSON.parse(begun) as { requestId: string };
    const end = (await audit())
      .split('\n')
      .find((line) => line.includes('"finish"') && line.includes(requestId));
    assert.match(end ?? '', /"outcome":"cancelled"/);
    assert.ok(ordersTo(lab).some((line) => line.includes('kill -TERM -')));
  });

  test('over stdio only the protocol is on stdout, and it ends with its client', async () => {
    const client = new Client({ name: 'stdio-test', version: '1' });
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: ['src/main.ts', 'stdio'],
      env: { PATH: process.env.PATH ?? '', ...without('MCP_AUTH_TOKEN') },
      stderr: 'ignore',
    });
    await client.connect(transport);
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === 'proxmox_container_exec_command'));
    const result = await client.callTool({
      name: 'proxmox_container_exec_command',
      arguments: { vmid: 100, command: 'hostname' },
    });
    assert.equal((result.structuredContent as { stdout: string }).stdout, 'web1\n');
    const { pid } = transport;
    await client.close();
    await eventually(() => (isAlive(pid) ? undefined : true));

    const silent = spawnGateway('stdio', settings({ LOG_LEVEL: 'debug' }));
    await eventually(() => (silent.stderr().includes('connected') ? true : undefined));
    silent.child.stdin?.end();
    assert.equal(await eventually(() => silent.child.exitCode ?? undefined), 0);
    assert.equal(silent.stdout(), '');
  });
});

function isAlive(pid: number | null): boolean {
  if (pid === null) return false;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
