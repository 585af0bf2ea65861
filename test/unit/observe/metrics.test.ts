import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { register } from 'prom-client';
import { createMetrics } from '../../../src/observe/metrics.ts';

function create(t: TestContext, values = { connections: 2, channels: 3, queued: 4, sessions: 5 }) {
  const metrics = createMetrics({
    version: '1.2.3',
    gauges: { ssh: () => values, sessions: () => values.sessions },
  });
  t.after(() => metrics.close());
  return metrics;
}

/** Prometheus reads a number in any case; prom-client writes «Nan». */
const sample =
  /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*",?)*\})? (Na[Nn]|[+-]?Inf|[-+\d.e]+)$/;

/** The samples by name and labels. Fails on a line that is neither comment nor sample. */
async function samples(metrics: ReturnType<typeof createMetrics>): Promise<Map<string, number>> {
  const { text } = await metrics.expose();
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || /^# (HELP|TYPE) [a-zA-Z_:][\w:]* \S/.test(line)) continue;
    const match = sample.exec(line);
    assert.ok(match, `no sample: ${line}`);
    found.set(`${match[1]}${match[2] ?? ''}`, Number(match[3]));
  }
  return found;
}

test('the page is Prometheus text', async (t) => {
  const metrics = create(t);
  assert.match((await metrics.expose()).contentType, /^text\/plain; version=0\.0\.4/);
  assert.ok((await samples(metrics)).size > 20);
});

test('a call is counted by tool, effect and outcome, and its time by tool', async (t) => {
  const metrics = create(t);
  metrics.called({ tool: 'a', effect: 'read', outcome: 'ok', seconds: 0.02 });
  metrics.called({ tool: 'a', effect: 'read', outcome: 'ok', seconds: 400 });
  metrics.called({ tool: 'a', effect: 'read', outcome: 'denied', seconds: 0 });
  const found = await samples(metrics);
  assert.equal(found.get('proxmox_mcp_tool_calls_total{tool="a",effect="read",outcome="ok"}'), 2);
  assert.equal(found.get('proxmox_mcp_tool_calls_total{tool="a",effect="read",outcome="denied"}'), 1);
  assert.equal(found.get('proxmox_mcp_tool_call_duration_seconds_bucket{le="0.025",tool="a"}'), 2);
  assert.equal(found.get('proxmox_mcp_tool_call_duration_seconds_bucket{le="300",tool="a"}'), 2);
  assert.equal(found.get('proxmox_mcp_tool_call_duration_seconds_count{tool="a"}'), 3);
});

test('a transfer is counted in bytes and seconds, by direction and route', async (t) => {
  const metrics = create(t);
  metrics.transferred({ direction: 'up', route: 'staging', bytes: 1000, seconds: 0.3 });
  metrics.transferred({ direction: 'up', route: 'staging', bytes: 24, seconds: 4 });
  metrics.transferred({ direction: 'down', route: 'stream', bytes: 0, seconds: 0.02 });
  const found = await samples(metrics);
  const up = 'direction="up",route="staging"';
  assert.equal(found.get(`proxmox_mcp_transfer_bytes_total{${up}}`), 1024);
  assert.equal(found.get('proxmox_mcp_transfer_bytes_total{direction="down",route="stream"}'), 0);
  assert.equal(found.get(`proxmox_mcp_transfer_duration_seconds_count{${up}}`), 2);
  assert.equal(found.get(`proxmox_mcp_transfer_duration_seconds_bucket{le="0.5",${up}}`), 1);
});

test('calls under way go up and down', async (t) => {
  const metrics = create(t);
  metrics.callStarted();
  metrics.callStarted();
  metrics.callEnded();
  assert.equal((await samples(metrics)).get('proxmox_mcp_tool_calls_in_flight'), 1);
});

test('what others know is read when somebody asks', async (t) => {
  const values = { connections: 2, channels: 3, queued: 4, sessions: 5 };
  const metrics = create(t, values);
  assert.equal((await samples(metrics)).get('proxmox_mcp_ssh_channels'), 3);
  Object.assign(values, { connections: 0, channels: 7, queued: 9, sessions: 11 });
  const found = await samples(metrics);
  assert.equal(found.get('proxmox_mcp_ssh_connections'), 0);
  assert.equal(found.get('proxmox_mcp_ssh_channels'), 7);
  assert.equal(found.get('proxmox_mcp_ssh_queue_length'), 9);
  assert.equal(found.get('proxmox_mcp_sessions'), 11);
});

test('connects, failures, refusals and reloads are counted', async (t) => {
  const metrics = create(t);
  metrics.sshConnected();
  metrics.sshConnectFailed('HOST_UNREACHABLE');
  metrics.sshConnectFailed('SSH_AUTH_FAILED');
  metrics.httpRefused('origin');
  metrics.tokenReloadFailed();
  const found = await samples(metrics);
  assert.equal(found.get('proxmox_mcp_ssh_connects_total'), 1);
  assert.equal(found.get('proxmox_mcp_ssh_connect_failures_total{code="HOST_UNREACHABLE"}'), 1);
  assert.equal(found.get('proxmox_mcp_ssh_connect_failures_total{code="SSH_AUTH_FAILED"}'), 1);
  assert.equal(found.get('proxmox_mcp_ssh_auth_failures_total'), 1);
  assert.equal(found.get('proxmox_mcp_http_refused_total{reason="origin"}'), 1);
  assert.equal(found.get('proxmox_mcp_token_reload_failures_total'), 1);
});

test('no label can hold a caller, a guest or an address', async (t) => {
  const metrics = create(t);
  metrics.called({ tool: 'a', effect: 'read', outcome: 'ok', seconds: 1 });
  metrics.sshConnectFailed('BUSY');
  metrics.httpRefused('host');
  const labels = new Set<string>();
  for (const name of (await samples(metrics)).keys())
    if (name.startsWith('proxmox_mcp_'))
      for (const [, label = ''] of name.matchAll(/[{,](\w+)=/g)) labels.add(label);
  assert.deepEqual([...labels].sort(), [
    'code',
    'effect',
    'le',
    'node',
    'outcome',
    'reason',
    'tool',
    'version',
  ]);
});

test('version and Node are told once', async (t) => {
  const found = await samples(create(t));
  assert.equal(found.get(`proxmox_mcp_build_info{version="1.2.3",node="${process.version}"}`), 1);
});

test('two gateways in one process do not share a registry, and none uses the global one', async (t) => {
  const one = create(t);
  const other = create(t);
  one.sshConnected();
  assert.equal((await samples(one)).get('proxmox_mcp_ssh_connects_total'), 1);
  assert.equal((await samples(other)).get('proxmox_mcp_ssh_connects_total'), 0);
  assert.deepEqual(register.getMetricsAsArray(), []);
});
