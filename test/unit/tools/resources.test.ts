import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../../../src/ops/cluster.ts';
import { resourceLine, resourceRow } from '../../../src/tools/resource.ts';
import { type Choice, choose } from '../../../src/tools/resource-choice.ts';
import { sparkline } from '../../../src/tools/sparkline.ts';

function resource(id: string, more: Partial<Resource> = {}): Resource {
  return {
    ...{ id, kind: 'vm', name: undefined, vmid: undefined, node: 'pve1', status: 'running', pool: undefined },
    ...{ tags: [], lock: undefined, template: false, shared: false, content: [] },
    ...{ cpuShare: undefined, cpus: undefined, memoryBytes: undefined, maxMemoryBytes: undefined },
    ...{ diskBytes: undefined, maxDiskBytes: undefined, uptimeS: undefined },
    ...more,
  };
}

const found = [
  resource('node/pve1', { kind: 'node', name: 'pve1', status: 'online', cpuShare: 0.1, uptimeS: 9 }),
  resource('lxc/100', { kind: 'container', name: 'Web-1', tags: ['prod'], cpuShare: 0.5, memoryBytes: 5 }),
  resource('qemu/300', { name: 'db', pool: 'lab', status: 'stopped', node: 'pve2', memoryBytes: 7 }),
  resource('storage/pve1/local', { kind: 'storage', name: 'local', status: 'available', diskBytes: 1 }),
];

const choices: readonly (readonly [Partial<Choice>, readonly string[]])[] = [
  [{}, ['node/pve1', 'lxc/100', 'qemu/300', 'storage/pve1/local']],
  [{ type: 'container' }, ['lxc/100']],
  [{ status: 'stopped' }, ['qemu/300']],
  [{ node: 'pve2' }, ['qemu/300']],
  [{ pool: 'lab' }, ['qemu/300']],
  [{ tag: 'prod' }, ['lxc/100']],
  [{ tag: 'pro' }, []],
  [{ name: 'WEB' }, ['lxc/100']],
  [{ name: 'b', status: 'running' }, ['lxc/100']],
  [{ sort: 'cpu' }, ['lxc/100', 'node/pve1', 'qemu/300', 'storage/pve1/local']],
  [{ sort: 'memory' }, ['qemu/300', 'lxc/100', 'node/pve1', 'storage/pve1/local']],
  [{ sort: 'name' }, ['qemu/300', 'storage/pve1/local', 'node/pve1', 'lxc/100']],
];
for (const [choice, ids] of choices)
  test(`of all resources ${JSON.stringify(choice)} leaves ${ids.join(', ') || 'none'}`, () =>
    assert.deepEqual(
      choose(found, { sort: 'id', ...choice }).map(({ id }) => id),
      ids,
    ));

test('a row has what is known, and a line says it', () => {
  const row = resourceRow(
    resource('qemu/300', {
      ...{
        vmid: 300,
        name: 'db',
        cpuShare: 0.12345,
        cpus: 2,
        memoryBytes: 1024 ** 3,
        maxMemoryBytes: 4 * 1024 ** 3,
      },
      ...{
        uptimeS: 90_000,
        tags: ['a', 'b'],
        pool: 'lab',
        lock: 'backup',
        template: true,
        diskBytes: 0,
        maxDiskBytes: 0,
      },
    }),
  );
  assert.deepEqual(row, {
    ...{ id: 'qemu/300', type: 'vm', status: 'running', name: 'db', vmid: 300, node: 'pve1', pool: 'lab' },
    ...{ tags: ['a', 'b'], lock: 'backup', template: true, cpu_percent: 12.3, cpus: 2 },
    ...{ memory_bytes: 1_073_741_824, memory_max_bytes: 4_294_967_296, disk_max_bytes: 0 },
    uptime_seconds: 90_000,
  });
  assert.equal(
    resourceLine(row),
    'vm 300 db: running on pve1; CPU 12.3 % of 2 cores, memory 1 GiB of 4 GiB, up 1 d 1 h, template, locked (backup), pool lab, tags a b',
  );
  assert.deepEqual(resourceRow(resource('sdn/x', { kind: 'sdn', node: undefined })), {
    id: 'sdn/x',
    type: 'sdn',
    status: 'running',
  });
});

test('names can neither break a line nor turn its direction', () => {
  const line = resourceLine(
    resourceRow(resource('lxc/100', { vmid: 100, name: 'a\n\u001b[2J\u202e', pool: 'p\r', tags: ['t\n'] })),
  );
  assert.doesNotMatch(line, /[\p{Cc}\u202e]/u);
});

test('a sparkline has a step for each value and nothing for a gap', () => {
  assert.equal(sparkline([0, 1, 2, 4, null, 8]), '▁▂▃▅ █');
  assert.equal(sparkline([0, 0]), '▁▁');
  assert.equal(sparkline([null]), ' ');
  assert.equal(sparkline([-1, 3]), '▁█');
  assert.equal(sparkline([]), '');
});
