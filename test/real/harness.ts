/** A whole gateway in front of OpenSSH's sshd and containers with namespaces of their own. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@modelcontextprotocol/client';
import { serve } from '../../src/cli/serve.ts';
import { load } from '../../src/config/load.ts';
import { connectLegacy, connectModern, token } from '../gateway/harness.ts';
import { realStand } from './stand/available.ts';
import { type NodeOptions, type StandNode, startNode } from './stand/node.ts';

/** Handed to node:test: skips with the reason where the stand cannot be had. */
export const onStand = realStand.available ? {} : { skip: realStand.reason };

export interface RealGateway {
  readonly node: StandNode;
  readonly url: URL;
  readonly client: Client;
  legacy(): ReturnType<typeof connectLegacy>;
  call(tool: string, args: Record<string, unknown>, signal?: AbortSignal): ReturnType<Client['callTool']>;
  /** Runs a command in container 100. */
  exec(command: string, args?: Record<string, unknown>, signal?: AbortSignal): ReturnType<Client['callTool']>;
  audit(): Promise<string>;
  close(): Promise<void>;
}

export async function startRealGateway(
  options: { node?: NodeOptions; env?: Record<string, string> } = {},
): Promise<RealGateway> {
  const node = await startNode(options.node);
  const { host, port, fingerprint, keyFile } = node.sshd;
  const stateDir = await mkdtemp(join(tmpdir(), 'gateway-real-'));
  const env = {
    I_ACCEPT_RISKS: 'true',
    HOST: host,
    SSH_PORT: String(port),
    SSH_KEY: keyFile,
    SSH_HOST_KEY: fingerprint,
    MCP_AUTH_TOKEN: token,
    ENABLE_HOST_EXEC: 'true',
    SERVER_PORT: '0',
    METRICS_PORT: '0',
    STATE_DIR: stateDir,
    ...options.env,
  };
  const { config } = load({ env, command: 'serve' });
  const serving = await serve({ config, version: '0.0.0-test', writeLog: () => {} });
  const url = new URL(serving.url);
  const client = await connectModern(url, token);
  const call: RealGateway['call'] = (name, args, signal) =>
    client.callTool({ name, arguments: args }, { timeout: 120_000, ...(signal && { signal }) });
  return {
    node,
    url,
    client,
    legacy: () => connectLegacy(url, token),
    call,
    exec: (command, args = {}, signal) =>
      call('proxmox_container_exec_command', { vmid: 100, command, ...args }, signal),
    audit: () => readFile(config.AUDIT_FILE, 'utf8'),
    async close() {
      await client.close();
      await serving.close();
      await node.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** A word that only one test's processes have in their command lines. */
export function newMarker(): string {
  return `marker${randomBytes(8).toString('hex')}`;
}
