import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, GatewayError } from '../../../src/base/errors.ts';
import type { Executor } from '../../../src/exec/executor.ts';
import { parseConfig } from '../../../src/ops/guest-conf.ts';
import { createHosts } from '../../../src/ops/hosts.ts';
import { createInventory } from '../../../src/ops/inventory.ts';
import { createSshSource } from '../../../src/ops/ssh-source.ts';
import { transcript, withoutTranscripts } from './golden.ts';
import { standHost } from './host-stand.ts';

const { signal } = new AbortController();

const ids = {
  100: { node: 'pve1', type: 'lxc' },
  200: { node: 'pve2', type: 'lxc' },
  300: { node: 'pve1', type: 'qemu' },
};
const survey = [JSON.stringify({ ids }), '{"nodename": "pve1"}', '', '@/var/lib/lxc/100/command'].join(
  '\n\u0001\n',
);

function inventoryOver(executor: Executor, driverName: 'auto' | 'lxc-attach' | 'pct') {
  const hosts = createHosts({ first: executor, openNode: undefined, addresses: new Map() });
  return createInventory({ ssh: createSshSource({ hosts, driverName }), api: undefined });
}

function cluster(config: string | number = '') {
  const { executor, asked } = standHost((script) => {
    if (script.includes('.vmlist')) return survey;
    return script.startsWith('command -v') ? '' : config;
  });
  return { inventory: inventoryOver(executor, 'auto'), asked };
}

const failsWith = (code: ErrorCode) => (error: unknown) =>
  error instanceof GatewayError && error.code === code;

test('containers are listed by id, virtual machines are not', async () => {
  const guests = await cluster().inventory.list(signal);
  assert.deepEqual(
    guests.map(({ vmid, status }) => [vmid, status]),
    [
      [100, 'running'],
      [200, 'unknown'],
    ],
  );
});

test('a guest is found, whatever it is, and one that is not there is not', async () => {
  const { inventory } = cluster();
  assert.equal((await inventory.find(300, signal))?.kind, 'vm');
  assert.equal(await inventory.find(101, signal), undefined);
});

test('finding again within a moment asks the host no more, getting always does', async () => {
  const { inventory, asked } = cluster();
  await inventory.find(100, signal);
  const before = asked.length;
  await inventory.find(200, signal);
  assert.equal(asked.length, before);
  await inventory.get(100, signal);
  assert.equal(asked.length, before + 1);
});

test('getting tells apart what is missing, what is no container, and what lives elsewhere', async () => {
  const { inventory } = cluster();
  await assert.rejects(inventory.get(101, signal), failsWith('CONTAINER_NOT_FOUND'));
  await assert.rejects(inventory.get(300, signal), failsWith('NOT_A_CONTAINER'));
  await assert.rejects(inventory.getOn('pve1', 200, signal), failsWith('CONTAINER_ELSEWHERE'));
  assert.equal((await inventory.get(200, signal)).node, 'pve2');
  assert.equal((await inventory.getOn('pve1', 100, signal)).vmid, 100);
});

test('a host that is none of Proxmox VE changes nothing and keeps what it said', async () => {
  const { executor } = standHost((script) => (script.includes('.vmlist') ? 9 : ''));
  await assert.rejects(inventoryOver(executor, 'pct').list(signal), (error) => {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.outcome, 'not_started');
    assert.equal(error.evidence.stderr, 'no!');
    return true;
  });
});

test('lxc-attach is chosen where the host has it, pct where not, and once', async () => {
  for (const [has, name] of [
    [0, 'lxc-attach'],
    [1, 'pct'],
  ] as const) {
    const { executor, asked } = standHost(() => has || '');
    const inventory = inventoryOver(executor, 'auto');
    assert.equal((await inventory.driver(signal)).name, name);
    assert.equal((await inventory.driver(signal)).name, name);
    assert.equal(asked.length, 1);
  }
});

test('a driver that the operator chose is not asked about', async () => {
  for (const driverName of ['lxc-attach', 'pct'] as const) {
    const { executor, asked } = standHost(() => '');
    assert.equal((await inventoryOver(executor, driverName).driver(signal)).name, driverName);
    assert.equal(asked.length, 0);
  }
});

test('a configuration is read from the node that has the container, its path as an argument', async () => {
  const { inventory, asked } = cluster('cores: 2\n');
  assert.deepEqual(await inventory.config(200, signal), {
    vmid: 200,
    node: 'pve2',
    description: '',
    config: { cores: '2' },
  });
  const { argv } = asked.at(-1) ?? assert.fail();
  assert.deepEqual(argv.slice(-2), ['sh', '/etc/pve/nodes/pve2/lxc/200.conf']);
  assert.doesNotMatch(argv[2] ?? '', /200/);
});

test('a configuration that cannot be read is a failure that changed nothing', async () => {
  await assert.rejects(cluster(1).inventory.config(100, signal), (error) => {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.outcome, 'not_started');
    return true;
  });
});

test('every question has a deadline and a bound on its answer', async () => {
  const { inventory, asked } = cluster();
  await inventory.config(100, signal);
  for (const { timeoutMs, maxBytes } of asked) {
    assert.ok(timeoutMs > 0 && timeoutMs <= 60_000);
    assert.ok(maxBytes > 0 && maxBytes <= 32 * 1024 * 1024);
  }
});

test('a real configuration: description decoded, keys as in the file', { skip: withoutTranscripts }, () => {
  assert.deepEqual(parseConfig(transcript('cat-conf-100')), {
    description: 'hello\nline2 100%',
    config: {
      arch: 'amd64',
      cores: '1',
      hostname: 'web1',
      memory: '300',
      net0: 'name=eth0,bridge=vmbr0,gw=10.99.0.1,hwaddr=BC:24:11:8B:B5:6B,ip=10.99.0.100/24,type=veth',
      ostype: 'debian',
      rootfs: 'local:100/subvol-100-disk-0.subvol,size=0T',
      swap: '0',
      tags: 'prod;web',
      unprivileged: '1',
    },
  });
  assert.equal(parseConfig(transcript('cat-conf-nodes-110')).description, 'line one\nüml & 100%');
});

test('snapshots are left out of a real configuration', { skip: withoutTranscripts }, () => {
  const { description, config } = parseConfig(transcript('conf-with-snapshots'));
  assert.equal(description, 'line one\nüml & 100%');
  assert.equal(config.parent, 's2');
  assert.equal('snaptime' in config, false);
});

test('raw keys repeat and are joined, in both of their forms', () => {
  const { config } = parseConfig('lxc.mount.entry: /a a none bind\nlxc.mount.entry = /b b none bind\n');
  assert.deepEqual(config, { 'lxc.mount.entry': '/a a none bind\n/b b none bind' });
});

test('a description that is not encoded right is shown as it is', () => {
  assert.equal(parseConfig('#100% sure\n').description, '100% sure');
});

test('a key cannot reach into the object that holds it', () => {
  const { config } = parseConfig('__proto__: x\nconstructor: y\n');
  assert.deepEqual(Object.entries(config), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
  assert.equal(Object.getPrototypeOf(config), Object.prototype);
});

test('an empty file is an empty configuration', () => {
  assert.deepEqual(parseConfig(''), { description: '', config: {} });
});
