import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { figuresOver, resolutions, type Timeframe } from '../../../lab/api/history-figures.ts';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { ask, assertAsGolden, auditor, get, golden, loginWith, withoutTranscripts } from './rest-client.ts';

type Row = Readonly<Record<string, number | null>>;

const container = '/nodes/pve1/lxc/100/rrddata';

let lab: Lab;

before(async () => {
  lab = await startLab();
});

after(() => lab.close());

/** A row that has every figure. */
function whole(rows: readonly Row[]): Row {
  const found = rows.find((row) => Object.keys(row).length > 1 && !Object.values(row).includes(null));
  assert.ok(found);
  return found;
}

describe('figures over time against the transcripts', { skip: withoutTranscripts }, () => {
  test('have the names of a real node', async () => {
    const [real] = golden('lxc-100-rrd-hour').body.data as Row[];
    const rows = await get<Row[]>(lab, container, { timeframe: 'hour', cf: 'AVERAGE' });
    assert.deepEqual(Object.keys(whole(rows)).sort(), Object.keys(real ?? {}).sort());
  });

  test('are refused in its words', async () => {
    assertAsGolden(await ask(lab, 'GET', container), 'lxc-100-rrd-missing');
    assertAsGolden(await ask(lab, 'GET', container, { timeframe: 'century' }), 'lxc-100-rrd-bad');
    const missing = '/nodes/pve1/lxc/999/rrddata';
    assertAsGolden(await ask(lab, 'GET', missing, { timeframe: 'hour' }), 'lxc-999-rrd');
    const denied = await ask(lab, 'GET', '/nodes/pve1/syslog', { limit: 2 }, loginWith(lab, 'op', auditor));
    assertAsGolden(denied, 'node-syslog-op');
  });
});

describe('figures over time', () => {
  const series = { cpu: { level: 0.2, swing: 0.1 }, maxcpu: 4 };
  const nowS = Date.UTC(2026, 10, 21, 12) / 1000;
  const over = (timeframe: Timeframe, cf: 'AVERAGE' | 'MAX' = 'AVERAGE') =>
    figuresOver({ subject: 'one', series, timeframe, cf, nowS });

  test('are the same at each look, and higher at most than on average', () => {
    assert.deepEqual(over('day'), over('day'));
    const [average, most] = [over('day'), over('day', 'MAX')];
    for (const [at, { cpu = 0 }] of average.entries()) assert.ok((most[at]?.cpu ?? 0) >= (cpu ?? 0));
  });

  test('have rows at even times, and gaps of either kind', () => {
    for (const [timeframe, { stepS, rows }] of Object.entries(resolutions)) {
      const times = over(timeframe as Timeframe).map(({ time }) => time);
      assert.equal(times.length, rows);
      assert.ok(times.every((time, at) => at === 0 || time - (times[at - 1] ?? 0) === stepS));
      assert.ok((times.at(-1) ?? 0) <= nowS);
    }
    const rows = over('hour');
    assert.equal(rows.filter((row) => Object.keys(row).length === 1).length, 3);
    assert.equal(rows.filter((row) => row.cpu === null && row.maxcpu === 4).length, 1);
  });

  test('are told of nodes, machines and storages', async () => {
    const shown = async (path: string) => whole(await get<Row[]>(lab, path, { timeframe: 'week' }));
    const node = await shown('/nodes/pve1/rrddata');
    assert.ok((node.memused ?? 0) < (node.memtotal ?? 0) && (node.cpu ?? 1) < 1);
    assert.equal((await shown('/nodes/pve1/qemu/300/rrddata')).maxmem, 128 * 1024 ** 2);
    const storage = await shown('/nodes/pve1/storage/local/rrddata');
    assert.ok((storage.used ?? 0) > 0 && (storage.used ?? 0) < (storage.total ?? 0));
    assert.equal((await shown('/nodes/pve1/lxc/102/rrddata')).cpu, 0, 'a guest that is off does nothing');
    const decade = await get<Row[]>(lab, '/nodes/pve1/rrddata', { timeframe: 'decade' });
    assert.equal(decade.length, resolutions.decade.rows);
  });
});

describe('logs', () => {
  interface Line {
    readonly n: number;
    readonly t: string;
  }

  test('are paged', async () => {
    const { data, total } = await ask(lab, 'GET', '/nodes/pve1/syslog', { start: 3, limit: 2 });
    assert.deepEqual(
      (data as Line[]).map(({ n }) => n),
      [4, 5],
    );
    assert.equal(total, 200);
    assert.match((data as Line[])[0]?.t ?? '', /^\w{3} \d\d \d\d:\d\d:\d\d pve1 [\w-]+\[\d+\]: /);
  });

  test('are narrowed by service and time', async () => {
    const lines = await get<Line[]>(lab, '/nodes/pve1/syslog', { service: 'smartd', limit: 200 });
    assert.ok(lines.length > 0 && lines.every(({ t }) => t.includes(' smartd[')));
    assert.deepEqual(await get(lab, '/nodes/pve1/syslog', { until: '2001-01-01' }), [
      { n: 1, t: '-- No entries --' },
    ]);
  });

  test('have cursors at both ends of the journal', async () => {
    const lines = await get<string[]>(lab, '/nodes/pve1/journal', { lastentries: 3 });
    assert.equal(lines.length, 5);
    assert.ok(lines[0]?.startsWith('s=') && lines.at(-1)?.startsWith('s='));
  });
});
