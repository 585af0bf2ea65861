import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startLab } from '../../lab/lab.ts';
import { freePort } from '../real/stand/ports.ts';
import {
  connectLegacy,
  otherToken,
  settingsFor,
  startTestGateway,
  type TestGateway,
  token,
} from './harness.ts';
import { spawnGateway } from './process.ts';

const accept = 'application/json, text/event-stream';

function initialize(protocolVersion: string) {
  const params = { protocolVersion, capabilities: {}, clientInfo: { name: 't', version: '1' } };
  return { jsonrpc: '2.0', id: 1, method: 'initialize', params };
}

describe('sessions of the 2025 revisions', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
  });
  after(() => gateway.close());

  const post = (body: unknown, headers: Record<string, string> = {}) =>
    fetch(gateway.url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept, ...headers },
      body: JSON.stringify(body),
    });
  const open = async (version = '2025-06-18') => {
    const answer = await post(initialize(version));
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), new RegExp(`"protocolVersion":"${version}"`));
    return answer.headers.get('mcp-session-id') ?? '';
  };
  const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' };

  test('each revision is negotiated as asked', async () => {
    for (const version of ['2025-11-25', '2025-06-18', '2025-03-26']) {
      const id = await open(version);
      const answer = await post(list, { 'mcp-session-id': id, 'mcp-protocol-version': version });
      assert.match(await answer.text(), /proxmox_list_containers/);
    }
  });

  test('a session belongs to the principal that opened it', async () => {
    const id = await open();
    const other = { 'mcp-session-id': id, authorization: `Bearer ${otherToken}` };
    assert.equal((await post(list, other)).status, 404);
    assert.equal((await post(list, { 'mcp-session-id': id })).status, 200);
  });

  test('a closed, a forged and an altered session id are not found', async () => {
    const id = await open();
    const headers = { authorization: `Bearer ${token}`, 'mcp-session-id': id };
    assert.equal((await fetch(gateway.url, { method: 'DELETE', headers })).status, 200);
    assert.equal((await post(list, { 'mcp-session-id': id })).status, 404);
    const another = await open();
    const altered = `${another.slice(0, 10)}${another[10] === 'A' ? 'B' : 'A'}${another.slice(11)}`;
    assert.equal((await post(list, { 'mcp-session-id': altered })).status, 404);
    assert.equal((await post(list, { 'mcp-session-id': 'x.y' })).status, 404);
  });

  test('batches are known to 2025-03-26 and to nothing later', async () => {
    const batch = [list, { ...list, id: 3 }];
    const old = await open('2025-03-26');
    const answer = await (await post(batch, { 'mcp-session-id': old })).text();
    assert.equal(answer.match(/proxmox_list_containers/g)?.length, 2);
    const newer = await open('2025-06-18');
    assert.equal((await post(batch, { 'mcp-session-id': newer })).status, 400);
  });

  test('a second request of an id that is under way is refused, not given the first one’s answer', async () => {
    const id = await open();
    const call = (command: string) => {
      const params = { name: 'proxmox_container_exec_command', arguments: { vmid: 100, command } };
      return post({ jsonrpc: '2.0', id: 77, method: 'tools/call', params }, { 'mcp-session-id': id });
    };
    const first = call('sleep 0.5; echo first');
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal((await call('echo second')).status, 400);
    assert.match(await (await first).text(), /first/);
    assert.match(await (await call('echo third')).text(), /third/);
  });

  test('a batch in which one id stands twice is refused whole', async () => {
    const version = '2025-03-26';
    const headers = { 'mcp-session-id': await open(version), 'mcp-protocol-version': version };
    const twice = await post([list, { ...list, method: 'ping' }], headers);
    assert.equal(twice.status, 400);
    const once = await post([list, { ...list, id: 3, method: 'ping' }], headers);
    assert.equal(once.status, 200);
    assert.match(await once.text(), /proxmox_list_containers/);
  });

  test('equal request ids of many clients get each its own answer', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => open()));
    const answers = await Promise.all(
      ids.map(async (id, index) => {
        const command = `echo marker-${index}-end`;
        const params = { name: 'proxmox_container_exec_command', arguments: { vmid: 100, command } };
        const body = { jsonrpc: '2.0', id: 7, method: 'tools/call', params };
        return await (await post(body, { 'mcp-session-id': id })).text();
      }),
    );
    for (const [index, answer] of answers.entries())
      assert.deepEqual([...new Set(answer.match(/marker-\d+-end/g))], [`marker-${index}-end`]);
  });
});

test('a session goes on after the gateway was killed and started again between two calls', async () => {
  const lab = await startLab();
  const stateDir = await mkdtemp(join(tmpdir(), 'sessions-'));
  const env = { ...settingsFor(lab, stateDir), SERVER_PORT: String(await freePort()), METRICS_PORT: '0' };
  const first = spawnGateway('serve', env);
  let second: ReturnType<typeof spawnGateway> | undefined;
  try {
    const client = await connectLegacy(await first.url(), token);
    const call = async () => {
      const result = await client.callTool({
        name: 'proxmox_container_exec_command',
        arguments: { vmid: 100, command: 'hostname' },
      });
      return (result.structuredContent as { stdout: string }).stdout;
    };
    assert.equal(await call(), 'web1\n');
    await first.stop('SIGKILL');
    second = spawnGateway('serve', env);
    await second.url();
    assert.equal(await call(), 'web1\n');
    await client.close();
  } finally {
    await first.stop('SIGKILL');
    await second?.stop('SIGKILL');
    await lab.close();
    await rm(stateDir, { recursive: true, force: true });
  }
});
