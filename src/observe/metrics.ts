/** Prometheus metrics on a registry of their own, with labels from fixed sets only. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  /** `tool` and `effect` come from the catalogue, or are «unknown». */
  called(call: { tool: string; effect: string; outcome: string; seconds: number }): void;
  transferred(transfer: { direction: 'up' | 'down'; route: string; bytes: number; seconds: number }): void;
  callStarted(): void;
  callEnded(): void;
  sshConnected(): void;
  sshConnectFailed(code: string): void;
  /** A request to the REST API; `outcome` is «ok» or a code of the table of errors. */
  apiRequested(outcome: string): void;
  httpRefused(reason: 'auth' | 'host' | 'origin' | 'headers'): void;
  tokenReloadFailed(): void;
  /** The exposition text and its content type. */
  expose(): Promise<{ text: string; contentType: string }>;
  close(): void;
}

/** Values that are read when someone asks. */
export interface Gauges {
  readonly ssh: () => { connections: number; channels: number; queued: number };
  readonly sessions: () => number;
}

const latencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createMetrics({ version, gauges }: { version: string; gauges: Gauges }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const prefix = 'proxmox_mcp_';
  collectDefaultMetrics({ register: registry });
  // Gauges named as only counters may be; each stands there by kind as well, under a proper name.
  for (const kind of ['handles', 'requests', 'resources'])
    registry.removeSingleMetric(`nodejs_active_${kind}_total`);
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name: `${prefix}${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `${prefix}${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  const calls = counter('tool_calls_total', 'Tool calls by outcome.', ['tool', 'effect', 'outcome']);
  const duration = new Histogram({
    name: `${prefix}tool_call_duration_seconds`,
    help: 'Time from the arrival of a tool call to its answer.',
    labelNames: ['tool'],
    buckets: latencyBuckets,
    registers,
  });
  const inFlight = new Gauge({
    name: `${prefix}tool_calls_in_flight`,
    help: 'Tool calls under way.',
    registers,
  });
  const transferLabels = ['direction', 'route'];
  const moved = counter('transfer_bytes_total', 'Bytes of files that were transferred.', transferLabels);
  const moving = new Histogram({
    name: `${prefix}transfer_duration_seconds`,
    help: 'Time that the transfer of a file took.',
    labelNames: transferLabels,
    buckets: latencyBuckets,
    registers,
  });
  const connects = counter('ssh_connects_total', 'SSH connections opened, reconnects included.', []);
  const connectFailures = counter('ssh_connect_failures_total', 'SSH connects that failed, by code.', [
    'code',
  ]);
  const authFailures = counter('ssh_auth_failures_total', 'SSH logins that the host refused.', []);
  const apiRequests = counter('api_requests_total', 'Requests to the REST API, by outcome.', ['outcome']);
  const refused = counter('http_refused_total', 'HTTP requests refused before MCP.', ['reason']);
  const reloads = counter('token_reload_failures_total', 'Token file changes that were not usable.', []);
  gauge('ssh_connections', 'Open SSH connections.', () => gauges.ssh().connections);
  gauge('ssh_channels', 'SSH channels in use.', () => gauges.ssh().channels);
  gauge('ssh_queue_length', 'Commands waiting for an SSH channel.', () => gauges.ssh().queued);
  gauge('sessions', 'Open MCP sessions (2025 protocol revisions).', gauges.sessions);
  const build = new Gauge({
    name: `${prefix}build_info`,
    help: 'Version of the gateway and of Node.',
    labelNames: ['version', 'node'],
    registers,
  });
  build.set({ version, node: process.version }, 1);

  return {
    called({ tool, effect, outcome, seconds }) {
      calls.inc({ tool, effect, outcome });
      duration.observe({ tool }, seconds);
    },
    transferred({ direction, route, bytes, seconds }) {
      moved.inc({ direction, route }, bytes);
      moving.observe({ direction, route }, seconds);
    },
    callStarted: () => inFlight.inc(),
    callEnded: () => inFlight.dec(),
    sshConnected: () => connects.inc(),
    sshConnectFailed(code) {
      connectFailures.inc({ code });
      if (code === 'SSH_AUTH_FAILED') authFailures.inc();
    },
    apiRequested: (outcome) => apiRequests.inc({ outcome }),
    httpRefused: (reason) => refused.inc({ reason }),
    tokenReloadFailed: () => reloads.inc(),
    expose: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
    close: () => registry.clear(),
  };
}
