/** Wires the rooms below the protocol: what `serve` and `stdio` have in common. */
import { join } from 'node:path';
import type { Config } from '../config/load.ts';
import type { Executor, ExecutorEvents, ExecutorStatus } from '../exec/executor.ts';
import { noExecutor } from '../exec/none.ts';
import { createConfirmations } from '../mcp/confirmations.ts';
import { createGate, type Gate } from '../mcp/gate.ts';
import { createServerBuilder, type ServerBuilder } from '../mcp/server.ts';
import type { TicketClaim } from '../mcp/tickets.ts';
import { type Audit, createAudit } from '../observe/audit.ts';
import { watchEventLoop } from '../observe/event-loop.ts';
import { createLog, type Log } from '../observe/log.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import type { Residue } from '../ops/files/unfinished.ts';
import { createOps } from '../ops/ops.ts';
import { createPlaces } from '../state/places.ts';
import { createUnfinished } from '../state/unfinished.ts';
import { createUsedTickets } from '../state/used-tickets.ts';
import { catalog } from '../tools/catalog.ts';
import type { IssuedUrl } from '../tools/define.ts';
import { type Api, createApi } from './api.ts';
import { createExecutor, nodeOpener } from './ssh.ts';
import { openTransferFolder, sweepRegularly } from './transfers.ts';

export interface Gateway {
  readonly log: Log;
  readonly executor: Executor;
  /** Undefined where there is no API token. */
  readonly api: Api | undefined;
  readonly metrics: Metrics;
  readonly gate: Gate;
  readonly buildServer: ServerBuilder;
  /** Every reason for which calls cannot be served now. */
  readonly troubles: () => Promise<readonly string[]>;
  /** Lets calls end, kills what does not within graceMs, records every outcome, lets go of the host. */
  close(graceMs: number): Promise<void>;
}

export interface StartInput {
  readonly config: Config;
  readonly version: string;
  /** Receives the log's lines. */
  readonly writeLog: (line: string) => void;
  readonly sessionCount: () => number;
  /** At least 32 random bytes, from which keys are derived; the same in all replicas. */
  readonly key: Buffer;
  /** Makes one-time URLs; undefined where there is no HTTP endpoint. */
  readonly issueUrl: ((claim: TicketClaim) => IssuedUrl) | undefined;
}

const maxLoopDelayMs = 1_000;
/** Each takes up to three of some fifty SSH channels: that commands find one, and none waits for another in a circle. */
const maxTransfers = 16;
const maxUsedConfirmations = 10_000;

/** Throws ConfigError where the host cannot be trusted or the key cannot be used. */
export async function startGateway({
  config,
  version,
  writeLog,
  sessionCount,
  key,
  issueUrl,
}: StartInput): Promise<Gateway> {
  const log = createLog({ level: config.LOG_LEVEL, write: writeLog });
  const connected = connectionEvents(log);
  const first = await createExecutor(config, connected.eventsOf());
  const executor = first ?? noExecutor;
  let otherNodes: () => readonly ExecutorStatus[] = () => [];
  const metrics = createMetrics({
    version,
    gauges: { ssh: () => sumOf([executor.status(), ...otherNodes()]), sessions: sessionCount },
  });
  connected.report(metrics);
  const api = createApi(config, { log, onRequest: metrics.apiRequested });
  const audit = createAudit({ file: config.AUDIT_FILE });
  const eventLoop = watchEventLoop();
  const unfinished = createUnfinished<Residue>({ directory: join(config.STATE_DIR, 'unfinished') });
  const ops = createOps({
    first,
    openNode: nodeOpener(config, connected.eventsOf),
    addresses: config.SSH_NODES,
    pve: api?.pve,
    driverName: config.CONTAINER_DRIVER,
    files: {
      route: config.TRANSFER_ROUTE,
      stagingDirectory: config.STAGING_DIR,
      timeoutMs: config.TRANSFER_TIMEOUT * 1000,
      unfinished,
      folder: openTransferFolder(config.TRANSFER_DIR),
    },
  });
  otherNodes = ops.hosts.status;
  const sweeping = sweepRegularly({ files: ops.files, connected: () => executor.status().connected, log });
  const gate = createGate({
    tools: catalog,
    rules: {
      toolsets: config.TOOLSETS,
      readOnly: config.READ_ONLY,
      hostExec: config.ENABLE_HOST_EXEC,
      destructive: config.ENABLE_DESTRUCTIVE,
      requireConfirmation: config.REQUIRE_CONFIRMATION,
      allowedVmids: config.ALLOWED_VMIDS,
      deniedVmids: config.DENIED_VMIDS,
      dangerousCommands: config.ENABLE_DANGEROUS_COMMANDS,
      allowedPaths: config.ALLOWED_PATHS,
      deniedPaths: config.DENIED_PATHS,
      setuid: config.ALLOW_SETUID,
    },
    limits: {
      maxChars: config.CHARACTER_LIMIT,
      maxTimeoutS: config.COMMAND_TIMEOUT_MAX,
      maxFileBytes: config.MAX_FILE_SIZE,
      maxInlineBytes: config.INLINE_MAX_BYTES,
      downloadSources: config.DOWNLOAD_URLS,
    },
    ops,
    audit,
    metrics,
    log,
    transports: { ssh: first !== undefined, api: api !== undefined },
    confirmations: createConfirmations({
      key,
      used: createUsedTickets({ max: maxUsedConfirmations, since: Date.now() }),
    }),
    transferPlaces: createPlaces({ each: config.MAX_TRANSFERS, total: maxTransfers }),
    issueUrl,
  });
  return {
    log,
    executor,
    api,
    metrics,
    gate,
    buildServer: createServerBuilder({ gate, version, maxChars: config.CHARACTER_LIMIT }),
    troubles: () => troublesOf({ gate, audit, executor: first, api, delayMs: eventLoop.recentDelayMs() }),
    async close(graceMs) {
      await gate.drain(graceMs);
      sweeping.close();
      unfinished.close();
      await audit.close();
      await api?.close();
      await ops.hosts.close();
      await executor.close();
      eventLoop.close();
      metrics.close();
    },
  };
}

/** The executor exists before the metrics that count its connections: events wait for them here. */
function connectionEvents(log: Log) {
  let metrics: Metrics | undefined;
  return {
    /** Of the node that is named, or the first. */
    eventsOf(node?: string): ExecutorEvents {
      const where = node === undefined ? {} : { node };
      return {
        connected() {
          metrics?.sshConnected();
          log.info('connected to the host', where);
        },
        disconnected: () => log.info('a connection to the host has ended', where),
        connectFailed(code) {
          metrics?.sshConnectFailed(code);
          log.warn('could not connect to the host', { ...where, code });
        },
      };
    },
    report(receiver: Metrics) {
      metrics = receiver;
    },
  };
}

function sumOf(statuses: readonly ExecutorStatus[]) {
  const sum = (of: (status: ExecutorStatus) => number) => statuses.reduce((all, one) => all + of(one), 0);
  return {
    connections: sum(({ connections }) => connections),
    channels: sum(({ channels }) => channels),
    queued: sum(({ queued }) => queued),
  };
}

async function troublesOf(parts: {
  gate: Gate;
  audit: Audit;
  executor: Executor | undefined;
  api: Api | undefined;
  delayMs: number;
}): Promise<readonly string[]> {
  const reasons: string[] = [];
  if (parts.gate.draining) reasons.push('the gateway is shutting down');
  const auditProblem = await parts.audit.problem();
  if (auditProblem !== undefined) reasons.push(`the audit log cannot be written (${auditProblem})`);
  const ssh = parts.executor?.status();
  if (ssh?.connected === false)
    reasons.push(`there is no connection to the host (${ssh.problem ?? 'not yet'})`);
  // With both ways one of them is enough to serve most calls.
  const api = ssh === undefined ? parts.api : undefined;
  const { reachable, problem = 'not yet' } = api?.pve.status() ?? { reachable: true };
  if (!reachable) reasons.push(`the REST API cannot be used (${problem})`);
  const powerless = api?.problem();
  if (powerless !== undefined) reasons.push(powerless);
  if (parts.delayMs > maxLoopDelayMs) reasons.push('the gateway is overloaded');
  return reasons;
}
