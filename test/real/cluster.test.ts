/** Containers of every node of a cluster, each reached over a connection to its own node. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { serve } from '../../src/cli/serve.ts';
import { load } from '../../src/config/load.ts';
import { connectModern, eventually, failureOf, token } from '../gateway/harness.ts';
import { onStand } from './harness.ts';
import { type Cluster, startCluster } from './stand/cluster.ts';

type Facts = Readonly<Record<string, unknown>>;

describe('a cluster of two nodes', onStand, () => {
  let cluster: Cluster;
  let client: Client;
  let stateDir: string;
  let serving: Awaited<ReturnType<typeof serve>>;

  before(async () => {
    cluster = await startCluster();
    stateDir = await mkdtemp(join(tmpdir(), 'gateway-cluster-'));
    const { host, fingerprint, keyFile } = cluster.nodes.pve1.sshd;
    const env = {
      I_ACCEPT_RISKS: 'true',
      HOST: host,
      SSH_KEY: keyFile,
      SSH_HOST_KEY: fingerprint,
      MCP_AUTH_TOKEN: token,
      SERVER_PORT: '0',
      METRICS_PORT: '0',
      STATE_DIR: stateDir,
    };
    const { config } = load({ env, command: 'serve' });
    serving = await serve({ config, version: '0.0.0-test', writeLog: () => {} });
    client = await connectModern(new URL(serving.url), token);
  });
  after(async () => {
    await client?.close();
    await serving?.close();
    await cluster?.close();
    await rm(stateDir, { recursive: true, force: true });
  });

  const call = (name: string, args: Record<string, unknown>) =>
    client.callTool({ name, arguments: args }, { timeout: 60_000 });
  const factsOf = async (name: string, args: Record<string, unknown>): Promise<Facts> => {
    const result = await call(name, args);
    assert.notEqual(result.isError, true, JSON.stringify(result.content));
    return result.structuredContent as Facts;
  };
  const stdoutOf = async (vmid: number | string, command: string) =>
    (await factsOf('proxmox_container_exec_command', { vmid, command })).stdout;

  test('all containers are listed with what their own nodes say of them', async () => {
    const { containers } = await factsOf('proxmox_list_containers', {});
    assert.deepEqual(
      (containers as Facts[]).map(({ vmid, node, status }) => [vmid, node, status]),
      [
        [100, 'pve1', 'running'],
        [200, 'pve2', 'running'],
        [201, 'pve2', 'stopped'],
      ],
    );
  });

  test('commands run on the node that has the container, by id and by name', async () => {
    assert.equal(await stdoutOf(100, 'hostname'), 'web1\n');
    assert.equal(await stdoutOf(200, 'hostname'), 'far1\n');
    assert.equal(await stdoutOf('far1', 'hostname'), 'far1\n');
    assert.ok((await cluster.nodes.pve2.sshd.sessions()) >= 1, 'the other node has a connection of its own');
  });

  test('containers of the other node are started and stopped there', async () => {
    assert.equal((await factsOf('proxmox_start_container', { vmid: 201 })).success, true);
    assert.equal((await factsOf('proxmox_container_status', { vmid: 201 })).status, 'running');
    assert.equal((await factsOf('proxmox_stop_container', { vmid: 201 })).success, true);
    assert.equal((await factsOf('proxmox_container_status', { vmid: 201 })).status, 'stopped');
  });

  test('files go to the other node and come back, by staging there', async () => {
    const content = randomBytes(50_000).toString('base64');
    const container_path = '/root/over there';
    const file = { vmid: 200, container_path };
    const up = await factsOf('proxmox_upload_file_to_container', { ...file, content, encoding: 'base64' });
    assert.equal(up.route, 'staging');
    const down = await factsOf('proxmox_download_file_from_container', file);
    assert.deepEqual([down.content, down.route], [content, 'staging']);
    const { stdout } = await cluster.nodes.pve2.world.run('ls -d /var/tmp/proxmox-mcp-* 2>/dev/null');
    assert.equal(stdout, '');
  });

  test('a container that moves between two calls is followed, there and back', async () => {
    await stdoutOf(100, 'echo first >/root/where');
    await cluster.move(100, 'pve2');
    assert.equal(await stdoutOf(100, 'cat /root/where 2>/dev/null || echo second'), 'second\n');
    assert.equal((await factsOf('proxmox_container_status', { vmid: 100 })).node, 'pve2');
    await cluster.move(100, 'pve1');
    const moved = { vmid: 100, container_path: '/root/after', content: 'moved' };
    assert.equal((await factsOf('proxmox_upload_file_to_container', moved)).success, true);
    const { stdout } = await cluster.nodes.pve1.world.run('lxc-attach -n 100 -- cat /root/after');
    assert.equal(stdout, 'moved');
  });

  test('a node whose key is not the one that the cluster keeps is not trusted, and is as soon as it is', async () => {
    const { sshd } = cluster.nodes.pve2;
    await sshd.rotateHostKey();
    await sshd.killSessions();
    // A connection that has just been cut may still be taken for one that stands.
    await eventually(async () => {
      const refused = failureOf(await call('proxmox_container_exec_command', { vmid: 200, command: 'true' }));
      return refused.code === 'HOST_KEY_REFUSED' || undefined;
    });
    assert.equal(await stdoutOf(100, 'hostname'), 'web1\n', 'the first node works on');
    cluster.rememberKey('pve2');
    await eventually(async () => {
      const again = await call('proxmox_container_exec_command', { vmid: 200, command: 'hostname' });
      return again.isError !== true || undefined;
    });
  });

  test('a node that is down is told so, while the others work on', async () => {
    await cluster.nodes.pve2.sshd.stop();
    const refused = failureOf(await call('proxmox_container_exec_command', { vmid: 200, command: 'true' }));
    assert.match(refused.code, /^(HOST_UNREACHABLE|CONNECTION_LOST)$/);
    assert.equal(await stdoutOf(100, 'hostname'), 'web1\n');
    const { containers } = await factsOf('proxmox_list_containers', {});
    assert.deepEqual(
      (containers as Facts[]).map(({ vmid, status }) => [vmid, status]),
      [
        [100, 'running'],
        [200, 'unknown'],
        [201, 'unknown'],
      ],
    );
    await cluster.nodes.pve2.sshd.start();
  });
});
