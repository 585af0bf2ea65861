/** Wires the rooms below the protocol: what `serve` and `stdio` have in common. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/load.ts';
import { ConfigError } from '../config/load.ts';
import { type Credential, keyProblem, type SshTarget, scanHostKeys } from '../exec/connect.ts';
import type { Executor, ExecutorEvents } from '../exec/executor.ts';
import { firstUse, type HostKeyPolicy, knownHosts, pinnedKeys } from '../exec/host-keys.ts';
import { createLocalExecutor } from '../exec/local.ts';
import { createSshExecutor } from '../exec/ssh.ts';
import { createGate, type Gate } from '../mcp/gate.ts';
import { createServerBuilder, type ServerBuilder } from '../mcp/server.ts';
import type { TicketClaim } from '../mcp/tickets.ts';
import { type Audit, createAudit } from '../observe/audit.ts';
import { watchEventLoop } from '../observe/event-loop.ts';
import { createLog, type Log } from '../observe/log.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import type { Residue } from '../ops/files/unfinished.ts';
import { createOps } from '../ops/ops.ts';
import { entry } from '../ops/run.ts';
import { createPlaces } from '../state/places.ts';
import { createRememberedKeys } from '../state/remembered-keys.ts';
import { createUnfinished } from '../state/unfinished.ts';
import { catalog } from '../tools/catalog.ts';
import type { IssuedUrl } from '../tools/define.ts';
import { openTransferFolder, sweepRegularly } from './transfers.ts';

export interface Gateway {
  readonly log: Log;
  readonly executor: Executor;
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
  /** Makes one-time URLs; undefined where there is no HTTP endpoint. */
  readonly issueUrl: ((claim: TicketClaim) => IssuedUrl) | undefined;
}

const maxLoopDelayMs = 1_000;
/** Each takes up to three of some fifty SSH channels: that commands find one, and none waits for another in a circle. */
const maxTransfers = 16;

/** Throws ConfigError where the host cannot be trusted or the key cannot be used. */
export async function startGateway({
  config,
  version,
  writeLog,
  sessionCount,
  issueUrl,
}: StartInput): Promise<Gateway> {
  const log = createLog({ level: config.LOG_LEVEL, write: writeLog });
  const connected = connectionEvents(log);
  const executor = await createExecutor(config, connected.events);
  const metrics = createMetrics({
    version,
    gauges: { ssh: () => executor.status(), sessions: sessionCount },
  });
  connected.report(metrics);
  const audit = createAudit({ file: config.AUDIT_FILE });
  const eventLoop = watchEventLoop();
  const unfinished = createUnfinished<Residue>({ directory: join(config.STATE_DIR, 'unfinished') });
  const ops = createOps({
    executor,
    driverName: config.CONTAINER_DRIVER,
    files: {
      route: config.TRANSFER_ROUTE,
      stagingDirectory: config.STAGING_DIR,
      timeoutMs: config.TRANSFER_TIMEOUT * 1000,
      unfinished,
      folder: openTransferFolder(config.TRANSFER_DIR),
    },
  });
  const sweeping = sweepRegularly({ files: ops.files, connected: () => executor.status().connected, log });
  const gate = createGate({
    tools: catalog,
    rules: {
      toolsets: config.TOOLSETS,
      readOnly: config.READ_ONLY,
      hostExec: config.ENABLE_HOST_EXEC,
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
    },
    ops,
    audit,
    metrics,
    log,
    transferPlaces: createPlaces({ each: config.MAX_TRANSFERS, total: maxTransfers }),
    issueUrl,
  });
  return {
    log,
    executor,
    metrics,
    gate,
    buildServer: createServerBuilder({ gate, version, maxChars: config.CHARACTER_LIMIT }),
    troubles: () => troublesOf({ gate, audit, executor, delayMs: eventLoop.recentDelayMs() }),
    async close(graceMs) {
      await gate.drain(graceMs);
      sweeping.close();
      unfinished.close();
      await audit.close();
      await executor.close();
      eventLoop.close();
      metrics.close();
    },
  };
}

/** The executor exists before the metrics that count its connections: events wait for them here. */
function connectionEvents(log: Log) {
  let metrics: Metrics | undefined;
  const events: ExecutorEvents = {
    connected() {
      metrics?.sshConnected();
      log.info('connected to the host');
    },
    disconnected: () => log.info('a connection to the host has ended'),
    connectFailed(code) {
      metrics?.sshConnectFailed(code);
      log.warn('could not connect to the host', { code });
    },
  };
  return {
    events,
    report(receiver: Metrics) {
      metrics = receiver;
    },
  };
}

async function troublesOf(parts: {
  gate: Gate;
  audit: Audit;
  executor: Executor;
  delayMs: number;
}): Promise<readonly string[]> {
  const reasons: string[] = [];
  if (parts.gate.draining) reasons.push('the gateway is shutting down');
  const auditProblem = await parts.audit.problem();
  if (auditProblem !== undefined) reasons.push(`the audit log cannot be written (${auditProblem})`);
  const { connected, problem } = parts.executor.status();
  if (!connected) reasons.push(`there is no connection to the host (${problem ?? 'not yet'})`);
  if (parts.delayMs > maxLoopDelayMs) reasons.push('the gateway is overloaded');
  return reasons;
}

async function createExecutor(config: Config, events: ExecutorEvents): Promise<Executor> {
  if (config.ENABLE_LOCAL_EXECUTION) return createLocalExecutor({ sudo: config.SSH_SUDO });
  const host = config.HOST ?? '';
  const credential = credentialOf(config);
  checkCredential(credential());
  const hostKeys = await hostKeyPolicy(config, host);
  const target: SshTarget = {
    host,
    port: config.SSH_PORT,
    username: config.SSH_USERNAME,
    credential,
    hostKeys,
  };
  const executor = createSshExecutor({ target, sudo: config.SSH_SUDO, texts: [entry], events });
  executor.start();
  return executor;
}

function credentialOf(config: Config): () => Credential {
  const { SSH_KEY: path, SSH_KEY_PASSPHRASE: passphrase, SSH_PASSWORD: password = '' } = config;
  if (path === undefined) return () => ({ kind: 'password', password });
  return () => ({ kind: 'key', key: readFileSync(path, 'utf8'), passphrase });
}

function checkCredential(credential: Credential): void {
  if (credential.kind !== 'key') return;
  const problem = keyProblem(credential.key, credential.passphrase);
  if (problem !== undefined) throw new ConfigError([{ setting: 'SSH_KEY', problem }]);
}

/** SECURITY: there is no way to accept just any key; without a pin the fingerprint seen is shown, and that is all. */
async function hostKeyPolicy(config: Config, host: string): Promise<HostKeyPolicy> {
  const { SSH_HOST_KEY: pins, SSH_KNOWN_HOSTS: file, SSH_PORT: port } = config;
  const policies: HostKeyPolicy[] = [];
  if (pins.length > 0) policies.push(pinnedKeys(pins));
  if (file !== undefined) policies.push(knownHosts({ text: () => readFileSync(file, 'utf8'), host, port }));
  if (policies.length === 0 && config.SSH_TRUST_ON_FIRST_USE) policies.push(trustOnFirstUse(config, host));
  if (policies.length > 0) return { accepts: (key) => policies.some((policy) => policy.accepts(key)) };
  const seen = await scanHostKeys({ host, port });
  const shown =
    seen.length === 0
      ? `. The host could not be asked for its keys now; on the host, run: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, and set SSH_HOST_KEY=SHA256:…`
      : `. ${host} shows the key below; compare it on the host (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then set:\nSSH_HOST_KEY=${seen[0]}\n`;
  throw new ConfigError([
    {
      setting: 'SSH_HOST_KEY',
      problem: `is not set, nor SSH_KNOWN_HOSTS, so the host cannot be told from an impostor${shown}`,
    },
  ]);
}

function trustOnFirstUse(config: Config, host: string): HostKeyPolicy {
  const remembered = createRememberedKeys({ file: join(config.STATE_DIR, 'known_hosts') });
  const name = `${host}:${config.SSH_PORT}`;
  return firstUse({
    remembered: () => remembered.find(name),
    remember: (fingerprint) => remembered.add(name, fingerprint),
  });
}
