/** A whole gateway that has an API token and no SSH, on a lab of two nodes. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@modelcontextprotocol/client';
import { type Lab, type LabGuestSpec, startLab } from '../../lab/lab.ts';
import { serve } from '../../src/cli/serve.ts';
import { load } from '../../src/config/load.ts';
import { type AuditLine, connectModern, type Failure, failureOf, textOf, token } from './harness.ts';

export interface TokenOnly {
  readonly lab: Lab;
  /** What the tool answers: its data and its words. */
  call(
    tool: string,
    args?: Record<string, unknown>,
  ): Promise<{ data: Record<string, unknown>; text: string }>;
  failing(tool: string, args?: Record<string, unknown>): Promise<Failure>;
  audit(): Promise<AuditLine[]>;
  close(): Promise<void>;
}

/** A token of the lab; without privileges one that may do everything. */
export async function startTokenOnly(
  options: {
    env?: Record<string, string>;
    guests?: readonly LabGuestSpec[];
    privileges?: Readonly<Record<string, readonly string[]>>;
    lab?: Lab;
  } = {},
): Promise<TokenOnly> {
  const { guests } = options;
  const lab = options.lab ?? (await startLab({ nodes: ['pve1', 'pve2'], ...(guests && { guests }) }));
  const id = `less@pve!t${Math.random().toString(36).slice(2, 8)}`;
  const secret = options.privileges && lab.api.addToken({ id, privileges: options.privileges });
  const stateDir = await mkdtemp(join(tmpdir(), 'token-only-'));
  const { config } = load({
    env: {
      I_ACCEPT_RISKS: 'true',
      PROXMOX_HOST: lab.host,
      PROXMOX_PORT: String(lab.apiPort),
      PROXMOX_TOKEN_ID: secret === undefined ? lab.apiTokenId : id,
      PROXMOX_TOKEN_SECRET: secret ?? lab.apiTokenSecret,
      PROXMOX_TLS_FINGERPRINT: lab.apiFingerprint,
      TOOLSETS: 'all',
      ENABLE_DESTRUCTIVE: 'true',
      MCP_AUTH_TOKEN: `alice:${token}`,
      SERVER_PORT: '0',
      METRICS_PORT: '0',
      STATE_DIR: stateDir,
      ...options.env,
    },
    command: 'serve',
  });
  const starting = serve({ config, version: '0.0.0-test', writeLog: () => {} });
  const serving = await starting.catch(async (error: unknown) => {
    await lab.close();
    throw error;
  });
  const url = new URL(serving.url);
  let client: Client | undefined;
  const send = async (tool: string, args: Record<string, unknown>) => {
    client ??= await connectModern(url, token);
    return await client.callTool({ name: tool, arguments: args });
  };
  return {
    lab,
    async call(tool, args = {}) {
      const result = await send(tool, args);
      if (result.isError === true) throw new Error(textOf(result));
      return { data: result.structuredContent as Record<string, unknown>, text: textOf(result) };
    },
    failing: async (tool, args = {}) => failureOf(await send(tool, args)),
    async audit() {
      // There is none before the first call.
      const text = await readFile(config.AUDIT_FILE, 'utf8').catch(() => '');
      const lines = text.split('\n');
      return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditLine);
    },
    async close() {
      await client?.close();
      await serving.close();
      if (options.lab === undefined) await lab.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
