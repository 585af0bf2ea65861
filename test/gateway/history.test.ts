import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

type Series = Record<string, (number | null)[]>;

describe('figures over time', () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly({
      guests: [
        { vmid: 100, name: 'web1', status: 'running' },
        { vmid: 300, name: 'vm1', kind: 'vm', status: 'running', node: 'pve2' },
        { vmid: 304, name: 'hidden', kind: 'vm', status: 'running' },
      ],
      env: { DENIED_VMIDS: '304' },
    });
  });
  after(() => gateway.close());

  test('of a node: series with their units, gaps as null, and a picture', async () => {
    const { data, text } = await gateway.call('proxmox_node_metrics', { node: 'pve1' });
    const series = data.series as Series;
    assert.deepEqual(data, { node: 'pve1', from: data.from, step_seconds: 60, series });
    assert.ok(Math.abs(Date.parse(String(data.from)) - Date.now() + 3_600_000) < 180_000);
    assert.deepEqual(Object.keys(series), [
      ...['cpu_percent', 'io_wait_percent', 'load', 'memory_bytes', 'swap_bytes', 'root_bytes'],
      ...['network_in_bytes_per_second', 'network_out_bytes_per_second'],
    ]);
    for (const values of Object.values(series)) {
      assert.equal(values.length, 60);
      assert.ok(values.includes(null));
      assert.ok(values.every((value) => value === null || Number.isFinite(value)));
    }
    const [head, cpu] = text.split('\n');
    assert.equal(
      head,
      `Node pve1, the last hour: 60 points of 1 min, from ${String(data.from).slice(0, 19).replace('T', ' ')} UTC.`,
    );
    assert.match(cpu ?? '', /^CPU {9}[▁-█ ]{60} last [\d.]+ %, mean [\d.]+ %, largest [\d.]+ %$/);
  });

  test('of a guest, by name and wherever it lives: fewer points, means or maxima', async () => {
    const args = { vmid: 'vm1', timeframe: 'week', points: 12 };
    const { data, text } = await gateway.call('proxmox_guest_metrics', args);
    const series = data.series as Series;
    assert.deepEqual([data.vmid, data.node, data.step_seconds], [300, 'pve2', 28 * 1_800]);
    assert.ok(Object.values(series).every((values) => values.length === 12));
    assert.match(text, /^vm1 \(guest 300\) on pve2, the last week: 12 points of 14 h, from /);
    // Of a virtual machine's disks Proxmox VE always says 0.
    assert.equal(series.disk_bytes, undefined);
    const ofContainer = await gateway.call('proxmox_guest_metrics', { vmid: 100 });
    assert.ok((ofContainer.data.series as Series).disk_bytes);
    const most = await gateway.call('proxmox_guest_metrics', { ...args, consolidate: 'maximum' });
    const largest = (most.data.series as Series).cpu_percent ?? [];
    assert.ok(largest.every((value, index) => Number(value) >= Number(series.cpu_percent?.[index])));
    const asked = gateway.lab.api.control.requests.filter(({ path }) => path.endsWith('/rrddata'));
    assert.deepEqual(asked.at(-1)?.params, { timeframe: 'week', cf: 'MAX' });
  });

  test('nothing, and nonsense in place of figures', async () => {
    const { control } = gateway.lab.api;
    const answer = (data: unknown) =>
      control.answerNext({ path: /rrddata$/ }, { status: 200, body: JSON.stringify({ data }) });
    answer([]);
    const none = await gateway.call('proxmox_guest_metrics', { vmid: 100 });
    assert.deepEqual(none.data, { vmid: 100, name: 'web1', node: 'pve1', step_seconds: 0, series: {} });
    assert.equal(none.text, 'web1 (guest 100) on pve1, the last hour: no figures.');
    answer([{ time: 60, cpu: '```\u001b', mem: {}, evil: 1 }, { time: null, cpu: 1 }, null]);
    assert.deepEqual((await gateway.call('proxmox_guest_metrics', { vmid: 100 })).data.series, {});
    answer({ time: 60 });
    assert.equal((await gateway.failing('proxmox_guest_metrics', { vmid: 100 })).code, 'UNEXPECTED_ANSWER');
  });

  test('guests out of reach, guests that are not there, and missing rights', async () => {
    assert.equal((await gateway.failing('proxmox_guest_metrics', { vmid: 304 })).code, 'PERMISSION_DENIED');
    assert.equal((await gateway.failing('proxmox_guest_metrics', { vmid: 999 })).code, 'GUEST_NOT_FOUND');
    assert.equal((await gateway.failing('proxmox_node_metrics', { node: 'pve9' })).code, 'INVALID_ARGUMENT');
    const less = await startTokenOnly({ lab: gateway.lab, privileges: { '/vms/300': ['VM.Audit'] } });
    try {
      const { error, code } = await less.failing('proxmox_node_metrics', { node: 'pve1' });
      assert.deepEqual([code, /Sys\.Audit on \/nodes\/pve1/.test(error)], ['API_FORBIDDEN', true], error);
      await less.call('proxmox_guest_metrics', { vmid: 300 });
    } finally {
      await less.close();
    }
  });
});
