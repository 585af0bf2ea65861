import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, failure, GatewayError } from '../../../src/base/errors.ts';
import { createHosts, type OpenNode } from '../../../src/ops/hosts.ts';
import type { Inventory } from '../../../src/ops/inventory.ts';
import { createReach } from '../../../src/ops/reach.ts';
import type { Guest } from '../../../src/ops/survey.ts';
import { type StandHost, standHost } from './host-stand.ts';

const { signal } = new AbortController();
const failsWith = (code: ErrorCode) => (error: unknown) =>
  error instanceof GatewayError && error.code === code;

const nodelist = { pve1: { id: 1, online: 1, ip: '10.0.0.1' }, pve2: { id: 2, online: 1, ip: '10.0.0.2' } };
const members = (list: object = nodelist) => JSON.stringify({ nodename: 'pve1', version: 3, nodelist: list });

function cluster(options: {
  members?: () => string;
  addresses?: Record<string, { host: string; port?: number }>;
}) {
  const opened: { target: Parameters<OpenNode>[0]; host: StandHost }[] = [];
  const problems = new Map<string, string>();
  const first = standHost((script) =>
    script.includes('.members') ? (options.members?.() ?? members()) : 'pve2 ssh-ed25519 AAAA\n',
  );
  const addresses = Object.entries(options.addresses ?? {});
  const hosts = createHosts({
    first: first.executor,
    addresses: new Map(addresses.map(([name, { host, port }]) => [name, { host, port }])),
    openNode(target) {
      const { node } = target;
      const problem = () => problems.get(node);
      const host = standHost(
        () => node,
        () => (problem() === undefined ? {} : { problem: problem() ?? '' }),
      );
      opened.push({ target, host });
      return host.executor;
    },
  });
  return { hosts, first, opened, problems };
}

test('the first node is itself, asked for its name once', async () => {
  const { hosts, first, opened } = cluster({});
  assert.equal((await hosts.on('pve1', signal)).executor, first.executor);
  assert.equal((await hosts.here(signal)).node, 'pve1');
  assert.equal(first.asked.length, 1);
  assert.deepEqual(opened, []);
});

test('another node is opened once, at the address that the cluster names and with the keys that it keeps', async () => {
  const { hosts, first, opened } = cluster({});
  const site = await hosts.on('pve2', signal);
  assert.equal((await hosts.on('pve2', signal)).executor, site.executor);
  assert.deepEqual(
    opened.map(({ target }) => target),
    [{ node: 'pve2', address: { host: '10.0.0.2', port: undefined }, knownHosts: 'pve2 ssh-ed25519 AAAA\n' }],
  );
  const { argv } = first.asked.at(-1) ?? assert.fail();
  assert.deepEqual(argv.slice(-2), ['sh', 'pve2']);
  assert.doesNotMatch(argv[2] ?? '', /pve2/);
});

test('an address of its own wins over that of the cluster', async () => {
  const { hosts, opened } = cluster({ addresses: { pve2: { host: 'gate.lan', port: 2222 } } });
  await hosts.on('pve2', signal);
  assert.deepEqual(opened[0]?.target.address, { host: 'gate.lan', port: 2222 });
});

test('a node that joins is found, and one whose address changes is opened anew', async () => {
  let list: object = { pve1: nodelist.pve1 };
  const { hosts, opened, problems } = cluster({ members: () => members(list) });
  await assert.rejects(hosts.on('pve2', signal), failsWith('NODE_UNKNOWN'));
  list = nodelist;
  await hosts.on('pve2', signal);
  assert.equal(opened.length, 1);
  list = { ...nodelist, pve2: { ...nodelist.pve2, ip: '10.0.0.9' } };
  await hosts.on('pve2', signal);
  assert.equal(opened.length, 1, 'what works is not touched');
  problems.set('pve2', 'HOST_UNREACHABLE');
  await hosts.on('pve2', signal);
  assert.equal(opened[1]?.target.address.host, '10.0.0.9');
});

test('all who want the same node at once get the same connection', async () => {
  const { hosts, opened } = cluster({});
  const sites = await Promise.all([1, 2, 3].map(() => hosts.on('pve2', signal)));
  assert.equal(opened.length, 1);
  assert.equal(new Set(sites.map(({ executor }) => executor)).size, 1);
});

test('after a refused host key the keys are read again, and the connection is another one', async () => {
  const { hosts, opened, problems } = cluster({});
  await hosts.on('pve2', signal);
  problems.set('pve2', 'HOST_UNREACHABLE');
  await hosts.on('pve2', signal);
  assert.equal(opened.length, 1);
  problems.set('pve2', 'HOST_KEY_REFUSED');
  await hosts.on('pve2', signal);
  assert.equal(opened.length, 2);
  assert.equal(opened[0]?.host.closed, true);
});

test('without credentials nothing but the first node can be reached', async () => {
  const { executor } = standHost(() => members());
  const hosts = createHosts({ first: executor, openNode: undefined, addresses: new Map() });
  await assert.rejects(hosts.on('pve2', signal), failsWith('NODE_OUT_OF_REACH'));
});

test('all who ask at once for the first node share one look', async () => {
  const { hosts, first } = cluster({});
  await Promise.all([1, 2, 3, 4].map(() => hosts.here(signal)));
  assert.equal(first.asked.length, 1);
});

test('nothing is opened any more when all ends, not even what was just going to be', async () => {
  const { hosts, opened } = cluster({});
  await hosts.here(signal);
  const late = hosts.on('pve2', signal);
  await hosts.close();
  await assert.rejects(late, failsWith('SHUTTING_DOWN'));
  assert.equal(opened.length, 0);
  await assert.rejects(hosts.on('pve2', signal), failsWith('SHUTTING_DOWN'));
});

test('in the end the connections to other nodes are closed, and not the first', async () => {
  const { hosts, first, opened } = cluster({});
  await hosts.on('pve2', signal);
  await hosts.close();
  assert.deepEqual([first.closed, opened[0]?.host.closed], [false, true]);
});

const guestOn = (node: string): Guest => ({
  vmid: 100,
  kind: 'container',
  node,
  name: 'web1',
  status: 'running',
  lock: undefined,
  template: false,
  tags: [],
});

function reachOver(known: Guest | undefined, now: string) {
  const { hosts } = cluster({});
  const inventory = { find: async () => known, get: async () => guestOn(now) } as unknown as Inventory;
  return createReach({ hosts, inventory });
}

const elsewhere = (here: string) => failure('CONTAINER_ELSEWHERE', { vmid: 100, node: 'pve2', here });

test('work goes to the node that has the container', async () => {
  const reach = reachOver(guestOn('pve2'), 'pve2');
  assert.equal(await reach(100, signal, async ({ node }) => node), 'pve2');
  await assert.rejects(
    reachOver(undefined, 'pve1')(100, signal, async () => {}),
    failsWith('CONTAINER_NOT_FOUND'),
  );
});

test('a container that has moved is followed once, and no other error is taken for that', async () => {
  const tried: string[] = [];
  const reach = reachOver(guestOn('pve1'), 'pve2');
  const found = await reach(100, signal, async ({ node }) => {
    tried.push(node);
    if (node === 'pve1') throw elsewhere(node);
    return node;
  });
  assert.deepEqual([found, tried], ['pve2', ['pve1', 'pve2']]);
  let attempts = 0;
  const always = reach(100, signal, async ({ node }) => {
    attempts++;
    throw elsewhere(node);
  });
  await assert.rejects(always, failsWith('CONTAINER_ELSEWHERE'));
  assert.equal(attempts, 2);
  const other = reach(100, signal, async () => {
    attempts++;
    throw failure('CONTAINER_NOT_RUNNING', { vmid: 100 });
  });
  await assert.rejects(other, failsWith('CONTAINER_NOT_RUNNING'));
  assert.equal(attempts, 3);
});
