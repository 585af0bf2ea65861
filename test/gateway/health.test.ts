import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startLab } from '../../lab/lab.ts';
import { serve } from '../../src/cli/serve.ts';
import { load } from '../../src/config/load.ts';
import { freePort, isFree } from '../real/stand/ports.ts';
import {
  eventually,
  failureOf,
  ordersTo,
  settingsFor,
  startTestGateway,
  type TestGateway,
} from './harness.ts';

async function get(gateway: TestGateway, path: string) {
  const answer = await fetch(new URL(path, gateway.url));
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

describe('seeing how it is', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
    await eventually(async () => ((await get(gateway, '/readyz')).status === 200 ? true : undefined));
  });
  after(() => gateway.close());

  test('a gateway with its host is healthy and ready', async () => {
    assert.deepEqual(await get(gateway, '/health'), {
      status: 200,
      body: { status: 'healthy', service: 'proxmox-mcp-gateway', ssh_connected: true },
    });
    assert.deepEqual(await get(gateway, '/livez'), { status: 200, body: { status: 'alive' } });
    assert.deepEqual(await get(gateway, '/readyz'), { status: 200, body: { status: 'ready' } });
  });

  test('metrics count calls by tool, effect and outcome, on a listener of their own', async () => {
    const client = await gateway.modern();
    await client.callTool({ name: 'proxmox_list_containers', arguments: {} });
    await client.callTool({ name: 'proxmox_container_status', arguments: { vmid: 999 } });
    const text = await (await fetch(gateway.metricsUrl)).text();
    assert.match(
      text,
      /proxmox_mcp_tool_calls_total\{tool="proxmox_list_containers",effect="read",outcome="ok"\} 1/,
    );
    assert.match(
      text,
      /proxmox_mcp_tool_calls_total\{tool="proxmox_container_status",effect="read",outcome="error"\} 1/,
    );
    for (const name of [
      'ssh_connections 1',
      'ssh_queue_length 0',
      'sessions',
      'build_info',
      'ssh_auth_failures_total 0',
    ])
      assert.ok(text.includes(`proxmox_mcp_${name}`), name);
    assert.match(text, /nodejs_eventloop_lag/);
    assert.equal((await fetch(new URL('/metrics', gateway.url))).status, 404);
  });
});

test('without its host it is degraded and unready, fails fast, and recovers by itself', async () => {
  const gateway = await startTestGateway();
  try {
    const client = await gateway.modern();
    const list = () => client.callTool({ name: 'proxmox_list_containers', arguments: {} });
    assert.notEqual((await list()).isError, true);
    gateway.lab.control.refuseConnections(true);
    gateway.lab.control.dropConnections();
    const health = await eventually(async () => {
      const answer = await get(gateway, '/health');
      return answer.body.ssh_connected === false ? answer : undefined;
    });
    assert.equal(health.status, 200);
    assert.equal(health.body.status, 'degraded');
    assert.equal((await get(gateway, '/readyz')).status, 503);
    const failure = failureOf(await list());
    assert.equal(failure.code, 'HOST_UNREACHABLE');
    assert.equal(failure.outcome, 'not_started');
    assert.equal(failure.retryable, true);
    gateway.lab.control.refuseConnections(false);
    await eventually(async () => ((await get(gateway, '/readyz')).status === 200 ? true : undefined), 15_000);
    assert.notEqual((await list()).isError, true);
  } finally {
    await gateway.close();
  }
});

test('wrong credentials are told, and not tried again and again', async () => {
  const gateway = await startTestGateway({ env: { SSH_PASSWORD: 'not-the-password' } });
  try {
    const client = await gateway.modern();
    const list = async () =>
      failureOf(await client.callTool({ name: 'proxmox_list_containers', arguments: {} }));
    assert.equal((await list()).code, 'SSH_AUTH_FAILED');
    const attempts = gateway.lab.control.authAttempts;
    assert.equal((await list()).code, 'SSH_AUTH_FAILED');
    assert.equal(gateway.lab.control.authAttempts, attempts);
    const { body } = await get(gateway, '/health');
    assert.equal(body.status, 'degraded');
    assert.equal(body.ssh_connected, false);
    assert.doesNotMatch(gateway.log.join(''), /not-the-password/);
  } finally {
    await gateway.close();
  }
});

test('another host key gets no login', async () => {
  const gateway = await startTestGateway({ env: { SSH_HOST_KEY: `SHA256:${'A'.repeat(43)}` } });
  try {
    const client = await gateway.modern();
    const failure = failureOf(await client.callTool({ name: 'proxmox_list_containers', arguments: {} }));
    assert.equal(failure.code, 'HOST_KEY_REFUSED');
    assert.ok(failure.error.includes(gateway.lab.hostKeyFingerprint));
    assert.equal(gateway.lab.control.authAttempts, 0);
  } finally {
    await gateway.close();
  }
});

test('what cannot be recorded is not carried out', async () => {
  const gateway = await startTestGateway();
  const file = join(gateway.stateDir, 'audit.jsonl');
  try {
    await rm(file, { force: true });
    await mkdir(file);
    const client = await gateway.modern();
    const mark = gateway.lab.control.heardTotal;
    const call = () =>
      client.callTool({
        name: 'proxmox_container_exec_command',
        arguments: { vmid: 100, command: 'touch /tmp/x' },
      });
    const failure = failureOf(await call());
    assert.equal(failure.code, 'AUDIT_UNAVAILABLE');
    assert.ok(!ordersTo(gateway.lab, mark).some((line) => line.includes('touch /tmp/x')));
    const ready = await get(gateway, '/readyz');
    assert.equal(ready.status, 503);
    assert.match(JSON.stringify(ready.body), /audit/);
    await rm(file, { recursive: true });
    await eventually(async () => ((await get(gateway, '/readyz')).status === 200 ? true : undefined));
    assert.notEqual((await call()).isError, true);
  } finally {
    await gateway.close();
  }
});

test('it recovers also when its last connection dies while a further one has just failed', async () => {
  const gateway = await startTestGateway();
  try {
    const client = await gateway.modern();
    const ready = async () => ((await get(gateway, '/readyz')).status === 200 ? true : undefined);
    await eventually(ready);
    gateway.lab.control.refuseConnections(true);
    // One more than a connection takes, so that another is tried.
    const calls = Array.from({ length: 8 }, () =>
      client.callTool({
        name: 'proxmox_container_exec_command',
        arguments: { vmid: 100, command: 'sleep 20' },
      }),
    );
    await eventually(() =>
      gateway.log.some((line) => line.includes('could not connect')) ? true : undefined,
    );
    gateway.lab.control.dropConnections();
    for (const result of await Promise.all(calls))
      assert.match(failureOf(result).code, /^(CONNECTION_LOST|HOST_UNREACHABLE)$/);
    gateway.lab.control.refuseConnections(false);
    await eventually(ready, 15_000);
  } finally {
    await gateway.close();
  }
});

test('a start that fails leaves nothing behind: neither a port nor a connection', async () => {
  const lab = await startLab();
  const stateDir = await mkdtemp(join(tmpdir(), 'gateway-test-'));
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  const taken = String((blocker.address() as AddressInfo).port);
  const SERVER_PORT = String(await freePort());
  try {
    const env = { ...settingsFor(lab, stateDir), SERVER_PORT, METRICS_PORT: taken };
    const { config } = load({ env, command: 'serve' });
    await assert.rejects(serve({ config, version: '0', writeLog: () => {} }), /METRICS_PORT .* in use/);
    assert.equal(await isFree(Number(SERVER_PORT)), true);
    await eventually(() => lab.control.connections === 0 || undefined);
  } finally {
    blocker.close();
    await lab.close();
    await rm(stateDir, { recursive: true, force: true });
  }
});
