/** A whole gateway on the lab, with the clients that people use. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type Lab, type LabGuestSpec, startLab } from '../../lab/lab.ts';
import { serve } from '../../src/cli/serve.ts';
import { load } from '../../src/config/load.ts';
import { freePort } from '../real/stand/ports.ts';

export const token = 'alice-token-0123456789';
export const otherToken = 'bob-token-0123456789';

export interface AuditLine {
  readonly event: 'begin' | 'finish' | 'refuse' | 'check';
  readonly requestId: string;
  readonly [field: string]: unknown;
}

export interface TestGateway {
  readonly lab: Lab;
  readonly url: URL;
  readonly stateDir: string;
  readonly metricsUrl: string;
  readonly log: readonly string[];
  legacy(bearer?: string): Promise<LegacyClient>;
  modern(bearer?: string): Promise<ModernClient>;
  audit(): Promise<AuditLine[]>;
  close(): Promise<void>;
}

/** Settings of the gateway that reach the lab over SSH and ask for nothing of this machine. */
export function settingsFor(lab: Lab, stateDir: string): Record<string, string> {
  return {
    I_ACCEPT_RISKS: 'true',
    HOST: lab.host,
    SSH_PORT: String(lab.sshPort),
    SSH_USERNAME: lab.username,
    SSH_PASSWORD: lab.password,
    SSH_HOST_KEY: lab.hostKeyFingerprint,
    MCP_AUTH_TOKEN: `alice:${token}\nbob:${otherToken}`,
    SERVER_PORT: '0',
    METRICS_PORT: '0',
    STATE_DIR: stateDir,
  };
}

/** Settings that lead to the lab's REST API, besides or alone. */
export function overApi(lab: Lab): Record<string, string> {
  return {
    PROXMOX_HOST: lab.host,
    PROXMOX_PORT: String(lab.apiPort),
    PROXMOX_TOKEN_ID: lab.apiTokenId,
    PROXMOX_TOKEN_SECRET: lab.apiTokenSecret,
    PROXMOX_TLS_FINGERPRINT: lab.apiFingerprint,
  };
}

/** Over SSH, and with `api` over the REST API, too. */
export async function startTestGateway(
  options: {
    env?: Record<string, string>;
    guests?: readonly LabGuestSpec[];
    nodes?: readonly string[];
    api?: boolean;
  } = {},
): Promise<TestGateway> {
  const { guests, nodes, api = false } = options;
  const lab = await startLab({ ...(guests && { guests }), ...(nodes && { nodes }) });
  const stateDir = await mkdtemp(join(tmpdir(), 'gateway-test-'));
  const METRICS_PORT = String(await freePort());
  const env = { ...settingsFor(lab, stateDir), ...(api && overApi(lab)), METRICS_PORT, ...options.env };
  const log: string[] = [];
  const { config } = load({ env, command: 'serve' });
  const serving = await serve({
    config,
    version: '0.0.0-test',
    writeLog: (line) => void log.push(line),
  }).catch(async (error: unknown) => {
    await lab.close();
    throw error;
  });
  const url = new URL(serving.url);
  const clients: { close(): Promise<void> }[] = [];
  const keep = <C extends { close(): Promise<void> }>(client: C): C => {
    clients.push(client);
    return client;
  };
  return {
    lab,
    url,
    stateDir,
    metricsUrl: `http://127.0.0.1:${config.METRICS_PORT}/metrics`,
    log,
    legacy: async (bearer = token) => keep(await connectLegacy(url, bearer)),
    modern: async (bearer = token) => keep(await connectModern(url, bearer)),
    audit: async () => parseLines(await readFile(config.AUDIT_FILE, 'utf8')),
    async close() {
      await Promise.allSettled(clients.map((client) => client.close()));
      await serving.close();
      await lab.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** What shells opened ahead and the guard over process groups say to the node: nothing of it is a command. */
const upkeep = /gateway_order|declare -A until|^[+-] \d+( \d+)?\n$/;

/** What the node was asked to do, as far as it remembers, or since its total was `mark`. */
export function ordersTo({ control }: Lab, mark = 0): string[] {
  const { heard, heardTotal } = control;
  const since = Math.max(0, heard.length - (heardTotal - mark));
  return heard.slice(since).filter((text) => !upkeep.test(text));
}

export async function connectLegacy(url: URL, bearer: string): Promise<LegacyClient> {
  const client = new LegacyClient({ name: 'legacy-test', version: '1' });
  const transport = new LegacyTransport(url, {
    requestInit: { headers: { authorization: `Bearer ${bearer}` } },
  });
  // Its declarations were not written for exactOptionalPropertyTypes.
  await client.connect(transport as Transport);
  return client;
}

export async function connectModern(url: URL, bearer: string): Promise<ModernClient> {
  const client = new ModernClient(
    { name: 'modern-test', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  await client.connect(
    new ModernTransport(url, { requestInit: { headers: { authorization: `Bearer ${bearer}` } } }),
  );
  return client;
}

function parseLines(text: string): AuditLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditLine);
}

type AnyResult = Readonly<Record<string, unknown>>;

/** The text of the first content block. */
export function textOf(result: AnyResult): string {
  const [first] = result.content as { text: string }[];
  return first?.text ?? '';
}

export interface Failure {
  readonly error: string;
  readonly success: false;
  readonly code: string;
  readonly outcome: string;
  readonly retryable: boolean;
  readonly suggestion: string;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** What a failed call says; throws if it did not fail. */
export function failureOf(result: AnyResult): Failure {
  if (result.isError !== true) throw new Error(`the call succeeded: ${JSON.stringify(result)}`);
  return JSON.parse(textOf(result)) as Failure;
}

/** Waits until `look` gives something, at most waitMs. */
export async function eventually<T>(
  look: () => Promise<T | undefined> | T | undefined,
  waitMs = 5_000,
): Promise<T> {
  const until = performance.now() + waitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > until) throw new Error(`not within ${waitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
