/** SSH alone, the REST API alone, and both: what is offered, what works, and what one stands in for. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { LabGuestSpec } from '../../lab/lab.ts';
import { catalog } from '../../src/tools/catalog.ts';
import { type BothWays, startBothWays } from './both-ways.ts';
import { eventually, type Failure, failureOf } from './harness.ts';

const guests: readonly LabGuestSpec[] = [
  { vmid: 100, name: 'web1', status: 'running', tags: 'prod;web', description: 'front' },
  { vmid: 101, name: 'db1' },
  { vmid: 103, name: 'twin', status: 'running' },
  { vmid: 200, name: 'far1', node: 'pve2', status: 'running' },
  { vmid: 300, name: 'vm1', kind: 'vm', status: 'running' },
  { vmid: 301, name: 'twin', kind: 'vm' },
];

type Facts = Readonly<Record<string, unknown>>;

function callsOf(gateway: () => BothWays) {
  const call = (name: string, args: Facts = {}) => gateway().modern.callTool({ name, arguments: args });
  return {
    call,
    factsOf: async (name: string, args?: Facts): Promise<Facts> => {
      const result = await call(name, args);
      assert.notEqual(result.isError, true, JSON.stringify(result.content));
      return result.structuredContent as Facts;
    },
    failing: async (name: string, args?: Facts): Promise<Failure> => failureOf(await call(name, args)),
    listed: async () => (await gateway().modern.listTools()).tools.map(({ name }) => name),
  };
}

const everything = { TOOLSETS: 'all', ENABLE_DESTRUCTIVE: 'true', ENABLE_HOST_EXEC: 'true' };
const namesThat = (fit: (needs: string) => boolean) =>
  catalog.filter(({ needs }) => fit(needs)).map(({ name }) => name);

for (const way of ['ssh', 'api'] as const)
  describe(`${way} alone`, () => {
    let gateway: BothWays;
    before(async () => {
      gateway = await startBothWays({ ways: [way], guests, env: everything });
    });
    after(() => gateway.close());
    const { factsOf, failing, listed } = callsOf(() => gateway);

    test('offers what it can serve, and says of the rest what to set', async () => {
      assert.deepEqual(
        await listed(),
        namesThat((needs) => needs === way || needs === 'either'),
      );
      const command = { vmid: 100, command: 'true' };
      const { code, error, suggestion } =
        way === 'ssh'
          ? await failing('proxmox_list_vms')
          : await failing('proxmox_container_exec_command', command);
      assert.equal(code, way === 'ssh' ? 'API_NOT_CONFIGURED' : 'SSH_NOT_CONFIGURED');
      assert.match(error, /Nothing was changed/);
      assert.match(suggestion, way === 'ssh' ? /PROXMOX_TOKEN_ID/ : /SSH_KEY/);
    });

    test('is ready, and healthy', async () => {
      await eventually(async () => (await fetch(new URL('/readyz', gateway.url))).ok || undefined);
      const health = (await (await fetch(new URL('/health', gateway.url))).json()) as Facts;
      assert.equal(health.status, 'healthy');
      assert.deepEqual(
        [health.ssh_connected, health.api_connected],
        way === 'ssh' ? [true, undefined] : [false, true],
      );
    });

    test('lists and describes containers in the same shape', async () => {
      const { containers } = await factsOf('proxmox_list_containers');
      const told = (containers as Facts[]).map(({ vmid, name, node }) => [vmid, name, node]);
      assert.deepEqual(told, [
        [100, 'web1', 'pve1'],
        [101, 'db1', 'pve1'],
        [103, 'twin', 'pve1'],
        [200, 'far1', 'pve2'],
      ]);
      assert.deepEqual(await factsOf('proxmox_container_status', { vmid: 100 }), {
        ...{ vmid: 100, status: 'running', name: 'web1', node: 'pve1', tags: ['prod', 'web'] },
      });
      const config = await factsOf('proxmox_container_config', { vmid: 100 });
      assert.deepEqual([config.vmid, config.node, config.description], [100, 'pve1', 'front']);
      assert.equal((config.config as Facts).hostname, 'web1');
    });

    test('starts and stops containers, and both are done when the answer comes', async () => {
      const state = async () => (await factsOf('proxmox_container_status', { vmid: 101 })).status;
      const started = await factsOf('proxmox_start_container', { vmid: 101 });
      assert.deepEqual([started.message, await state()], ['Container 101 was started.', 'running']);
      const again = await factsOf('proxmox_start_container', { vmid: 101 });
      assert.equal(again.message, 'Container 101 is already running.');
      const stopped = await factsOf('proxmox_stop_container', { vmid: 101 });
      assert.deepEqual([stopped.message, await state()], ['Container 101 was stopped.', 'stopped']);
    });
  });

describe('both', () => {
  let gateway: BothWays;
  before(async () => {
    gateway = await startBothWays({ guests, env: { ...everything, DENIED_VMIDS: '103' } });
  });
  after(() => gateway.close());
  const { factsOf, failing, listed } = callsOf(() => gateway);

  test('offer everything', async () => {
    assert.deepEqual(
      await listed(),
      namesThat(() => true),
    );
  });

  test('take a name where they take an id, as long as it means one guest', async () => {
    assert.equal((await factsOf('proxmox_vm_status', { vmid: 'vm1' })).vmid, 300);
    const ran = await factsOf('proxmox_container_exec_command', { vmid: 'web1', command: 'hostname' });
    assert.equal(ran.stdout, 'web1\n');
    const nobody = await failing('proxmox_vm_status', { vmid: 'nobody' });
    assert.deepEqual([nobody.code, nobody.outcome], ['GUEST_NAME_UNKNOWN', 'not_started']);
    assert.equal((await failing('proxmox_vm_status', { vmid: 'web1' })).code, 'NOT_A_VM');
  });

  test('do not count a guest out of reach among those of a name, nor tell that it is there', async () => {
    assert.equal((await factsOf('proxmox_vm_status', { vmid: 'twin' })).vmid, 301);
    const unknown = await failing('proxmox_container_status', { vmid: 'twin' });
    assert.equal(unknown.code, 'NOT_A_CONTAINER');
    assert.doesNotMatch(unknown.error, /103/);
  });

  test('follow a guest that moves between two calls', async () => {
    assert.equal((await factsOf('proxmox_vm_status', { vmid: 300 })).node, 'pve1');
    gateway.lab.move(300, 'pve2');
    assert.equal((await factsOf('proxmox_vm_status', { vmid: 300 })).node, 'pve2');
    assert.match(String((await factsOf('proxmox_stop_vm', { vmid: 300 })).message), /stopped/);
    gateway.lab.move(300, 'pve1');
    assert.match(String((await factsOf('proxmox_start_vm', { vmid: 300 })).message), /started/);
  });

  test('work on by halves: containers without the API, virtual machines without SSH', async () => {
    gateway.lab.api.control.refuseConnections(true);
    gateway.lab.api.control.dropConnections();
    const ran = await factsOf('proxmox_container_exec_command', { vmid: 100, command: 'echo on' });
    assert.equal(ran.stdout, 'on\n');
    assert.equal((await failing('proxmox_list_nodes')).code, 'API_UNREACHABLE');
    assert.ok((await fetch(new URL('/readyz', gateway.url))).ok);
    gateway.lab.api.control.refuseConnections(false);
    gateway.lab.control.refuseConnections(true);
    gateway.lab.control.dropConnections();
    await eventually(async () => {
      const { nodes } = await factsOf('proxmox_list_nodes');
      return (nodes as Facts[]).length === 2 || undefined;
    });
    assert.equal((await factsOf('proxmox_vm_status', { vmid: 300 })).status, 'running');
    const without = await failing('proxmox_container_exec_command', { vmid: 100, command: 'true' });
    assert.match(without.code, /^(HOST_UNREACHABLE|CONNECTION_LOST)$/);
  });
});

test('a name of several guests is not guessed at', async () => {
  const gateway = await startBothWays({ ways: ['api'], guests, env: everything });
  try {
    const { failing } = callsOf(() => gateway);
    const { code, error } = await failing('proxmox_list_snapshots', { vmid: 'twin' });
    assert.equal(code, 'GUEST_NAME_AMBIGUOUS');
    assert.match(error, /103, 301/);
  } finally {
    await gateway.close();
  }
});
