/** A whole gateway on a lab of two nodes that it reaches over SSH, over the API, or both. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client as ModernClient } from '@modelcontextprotocol/client';
import type { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { type Lab, type LabGuestSpec, startLab } from '../../lab/lab.ts';
import { serve } from '../../src/cli/serve.ts';
import { load } from '../../src/config/load.ts';
import { type AuditLine, connectLegacy, connectModern, overApi, token } from './harness.ts';

export interface BothWays {
  readonly lab: Lab;
  readonly url: URL;
  readonly modern: ModernClient;
  readonly legacy: LegacyClient;
  /** The tools called since the last time, as the audit log has them: «tool outcome». */
  audited(): Promise<string[]>;
  close(): Promise<void>;
}

export async function startBothWays(
  options: {
    ways?: readonly ('ssh' | 'api')[];
    env?: Record<string, string>;
    guests?: readonly LabGuestSpec[];
  } = {},
): Promise<BothWays> {
  const { ways = ['ssh', 'api'], env = {}, guests } = options;
  const lab = await startLab({ nodes: ['pve1', 'pve2'], ...(guests && { guests }) });
  const stateDir = await mkdtemp(join(tmpdir(), 'both-ways-'));
  const { config } = load({
    env: {
      I_ACCEPT_RISKS: 'true',
      MCP_AUTH_TOKEN: `alice:${token}`,
      SERVER_PORT: '0',
      METRICS_PORT: '0',
      STATE_DIR: stateDir,
      ...(ways.includes('ssh') && overSsh(lab)),
      ...(ways.includes('api') && overApi(lab)),
      ...env,
    },
    command: 'serve',
  });
  const starting = serve({ config, version: '0.0.0-test', writeLog: () => {} });
  const serving = await starting.catch(async (error: unknown) => {
    await lab.close();
    throw error;
  });
  const url = new URL(serving.url);
  const [modern, legacy] = [await connectModern(url, token), await connectLegacy(url, token)];
  let seen = 0;
  return {
    ...{ lab, url, modern, legacy },
    async audited() {
      const text = await readFile(config.AUDIT_FILE, 'utf8').catch(() => '');
      const lines = text.split('\n').filter((line) => line !== '');
      const fresh = lines.slice(seen).map((line) => JSON.parse(line) as AuditLine);
      seen = lines.length;
      return fresh
        .filter(({ event }) => event === 'finish' || event === 'refuse')
        .map(({ tool, outcome }) => `${String(tool)} ${String(outcome)}`);
    },
    async close() {
      await Promise.allSettled([modern.close(), legacy.close()]);
      await serving.close();
      await lab.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** Settings that lead to the lab. */
export function overSsh(lab: Lab): Record<string, string> {
  return {
    HOST: lab.host,
    SSH_PORT: String(lab.sshPort),
    SSH_PASSWORD: lab.password,
    SSH_HOST_KEY: lab.hostKeyFingerprint,
  };
}
