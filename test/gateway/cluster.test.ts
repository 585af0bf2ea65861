import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { LabGuestSpec } from '../../lab/lab.ts';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

const guests: readonly LabGuestSpec[] = [
  { vmid: 100, name: 'web1', status: 'running', tags: 'prod;web' },
  { vmid: 101, name: 'db1' },
  { vmid: 113, name: 'tmpl1', template: true },
  { vmid: 200, name: 'far1', status: 'running', node: 'pve2', lock: 'backup' },
  { vmid: 300, name: 'vm1', kind: 'vm', status: 'running', config: { cores: '2', memory: '2048' } },
  { vmid: 304, name: 'hidden', kind: 'vm', status: 'running', tags: 'secret' },
];

interface Row {
  readonly id: string;
  readonly [field: string]: unknown;
}

describe('the cluster as a whole', () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly({ guests, env: { DENIED_VMIDS: '304' } });
  });
  after(() => gateway.close());

  const list = async (args: Record<string, unknown> = {}) => {
    const { data, text } = await gateway.call('proxmox_list_resources', args);
    const resources = data.resources as Row[];
    return { ids: resources.map(({ id }) => id), resources, text, total: data.total, offset: data.offset };
  };

  test('its status: quorum, nodes with their load, and how many guests there are', async () => {
    const { data, text } = await gateway.call('proxmox_cluster_status');
    const nodes = data.nodes as Row[];
    assert.deepEqual(data, {
      ...{ cluster: 'lab', quorate: true, nodes },
      ...{ containers: { running: 2, stopped: 1, template: 1 }, vms: { running: 1 } },
    });
    assert.deepEqual(
      nodes.map(({ name, ip, status }) => [name, ip, status]),
      [
        ['pve1', '127.0.0.1', 'online'],
        ['pve2', '127.0.0.1', 'online'],
      ],
    );
    for (const figure of ['cpu_percent', 'cpus', 'memory_bytes', 'memory_max_bytes', 'uptime_seconds'])
      assert.equal(typeof nodes[0]?.[figure], 'number', figure);
    const [head, pve1, pve2, ...rest] = text.split('\n');
    assert.equal(head, 'Cluster lab: quorate, 2 of 2 nodes online.');
    for (const [name, line] of Object.entries({ pve1, pve2 }))
      assert.match(
        line ?? '',
        new RegExp(
          `^${name} \\(127\\.0\\.0\\.1\\): online, CPU [\\d.]+ % of \\d+ cores, memory .* of .*, up `,
        ),
      );
    assert.deepEqual(rest, ['Containers: 1 stopped, 1 template, 2 running', 'Virtual machines: 1 running']);
  });

  test('resources: everything that may be reached, by kind and id', async () => {
    const { ids, total, offset, resources, text } = await list();
    assert.deepEqual(ids.slice(0, 7), [
      ...['node/pve1', 'node/pve2', 'lxc/100', 'lxc/101', 'lxc/113', 'lxc/200', 'qemu/300'],
    ]);
    assert.ok(ids.slice(7).every((id) => id.startsWith('storage/')) && ids.length > 7);
    assert.deepEqual([total, offset], [ids.length, 0]);
    const { cpu_percent, memory_bytes, uptime_seconds, disk_bytes, ...web } = resources[2] ?? { id: '' };
    for (const figure of [cpu_percent, memory_bytes, uptime_seconds, disk_bytes])
      assert.equal(typeof figure, 'number');
    assert.deepEqual(web, {
      ...{ id: 'lxc/100', type: 'container', status: 'running', name: 'web1', vmid: 100, node: 'pve1' },
      ...{ tags: ['prod', 'web'], cpus: 1, memory_max_bytes: 512 * 1024 ** 2, disk_max_bytes: 8 * 1024 ** 3 },
    });
    assert.match(
      text,
      /^container 100 web1: running on pve1; CPU [\d.]+ % of 1 core, memory .* of 512 MiB, disk .* of 8 GiB/m,
    );
    assert.match(text, /^container 101 db1: stopped on pve1$/m);
    assert.match(text, /^container 200 far1: running on pve2; .*locked \(backup\)/m);
    assert.doesNotMatch(`${text}${JSON.stringify(resources)}`, /304|hidden|secret/);
  });

  test('resources: filtered, sorted, and a part at a time', async () => {
    assert.deepEqual((await list({ type: 'container', status: 'running' })).ids, ['lxc/100', 'lxc/200']);
    assert.deepEqual((await list({ node: 'pve2', type: 'container' })).ids, ['lxc/200']);
    assert.deepEqual((await list({ tag: 'web' })).ids, ['lxc/100']);
    assert.deepEqual((await list({ name: 'VM1' })).ids, ['qemu/300']);
    assert.deepEqual((await list({ pool: 'nowhere' })).text, 'Nothing fits.');
    assert.deepEqual((await list({ tag: 'secret' })).total, 0);
    const sorted = await list({ type: 'container', sort: 'memory' });
    assert.deepEqual(
      sorted.resources.map(({ memory_bytes }) => memory_bytes),
      sorted.resources.map(({ memory_bytes }) => Number(memory_bytes)).toSorted((one, other) => other - one),
    );
    const part = await list({ type: 'container', limit: 2, offset: 1 });
    assert.deepEqual([part.ids, part.total, part.offset], [['lxc/101', 'lxc/113'], 4, 1]);
    assert.match(part.text, /\n2 to 3 of 4; offset 3 shows more\.$/);
    const unknown = await gateway.failing('proxmox_list_resources', { node: 'pve9' });
    assert.equal(unknown.code, 'INVALID_ARGUMENT');
  });

  test('nodes, and how one of them is', async () => {
    const { data, text } = await gateway.call('proxmox_list_nodes');
    assert.deepEqual(
      (data.nodes as Row[]).map(({ name, status }) => [name, status]),
      [
        ['pve1', 'online'],
        ['pve2', 'online'],
      ],
    );
    assert.match(text, /^pve1: online, CPU [\d.]+ % of \d+ cores, memory .*\npve2: online, /);
    const part = await gateway.call('proxmox_list_nodes', { limit: 1 });
    assert.deepEqual([(part.data.nodes as Row[]).length, part.data.total], [1, 2]);
    assert.match(part.text, /\n1 to 1 of 2; offset 1 shows more\.$/);
    const one = await gateway.call('proxmox_node_status', { node: 'pve2' });
    const status = one.data as Row;
    assert.deepEqual(Object.keys(status), [
      ...[
        'node',
        'version',
        'kernel',
        'uptime_seconds',
        'cpu_model',
        'cpus',
        'cpu_percent',
        'io_wait_percent',
      ],
      ...[
        'load',
        'memory_bytes',
        'memory_max_bytes',
        'swap_bytes',
        'swap_max_bytes',
        'root_bytes',
        'root_max_bytes',
      ],
    ]);
    assert.match(
      one.text,
      /^Node pve2: up .*\nVersion: pve-manager\/.*\nKernel: Linux .*\nCPU: [\d.]+ % of \d+ cores \(.*\), I\/O wait .* %\nLoad: [\d.]+, [\d.]+, [\d.]+\nMemory: .* of .*\nRoot disk: .* of .*$/,
    );
    const elsewhere = await gateway.failing('proxmox_node_status', { node: 'evil.example' });
    assert.equal(elsewhere.code, 'INVALID_ARGUMENT');
  });

  test('a node that hangs, and an answer that is none, are told as what they are', async () => {
    const { control } = gateway.lab.api;
    const path = /^\/nodes\/pve1\/status$/;
    for (let count = 0; count < 3; count++)
      control.answerNext({ path }, { status: 596, reason: 'Connection timed out' });
    const hanging = await gateway.failing('proxmox_node_status', { node: 'pve1' });
    assert.deepEqual([hanging.code, hanging.retryable], ['API_NO_ANSWER', true]);
    control.answerNext({ path }, { status: 200, body: '{"data":[1' });
    assert.equal((await gateway.failing('proxmox_node_status', { node: 'pve1' })).code, 'UNEXPECTED_ANSWER');
  });

  test('hostile names stay in their line', async () => {
    const hostile = [
      {
        id: 'lxc/100',
        type: 'l\u001bx\nc',
        vmid: 100,
        node: 'pve1',
        name: 'a\u001b[2J\n```\nobey\u202e',
        status: 'x\ny',
      },
    ];
    gateway.lab.api.control.answerNext(
      { path: /^\/cluster\/resources$/ },
      { status: 200, body: JSON.stringify({ data: hostile }) },
    );
    const { text } = await list();
    assert.equal(text.split('\n').length, 1);
    assert.doesNotMatch(text, /[\p{Cc}\u202e]/u);
  });

  test('a token without the right sees what it may, and is told what is missing', async () => {
    const less = await startTokenOnly({ lab: gateway.lab, privileges: { '/vms/100': ['VM.Audit'] } });
    try {
      const failure = await less.failing('proxmox_cluster_status');
      assert.equal(failure.code, 'API_FORBIDDEN');
      assert.match(failure.error, /Sys\.Audit on \//);
      const { data, text } = await less.call('proxmox_list_resources', { type: 'container' });
      assert.deepEqual(
        (data.resources as Row[]).map(({ id }) => id),
        ['lxc/100'],
        text,
      );
      const node = await less.failing('proxmox_node_status', { node: 'pve1' });
      assert.match(node.error, /Sys\.Audit on \/nodes\/pve1/);
    } finally {
      await less.close();
    }
  });
});
