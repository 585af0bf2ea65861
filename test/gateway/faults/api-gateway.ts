/** A gateway that reaches the lab's nodes by their API alone, with its secrets in files that can be exchanged. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@modelcontextprotocol/client';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { serve } from '../../../src/cli/serve.ts';
import { load } from '../../../src/config/load.ts';
import { freePort } from '../../real/stand/ports.ts';
import { connectModern, settingsFor, token } from '../harness.ts';

export interface ApiGateway {
  readonly lab: Lab;
  readonly client: Client;
  call(name: string, args?: Record<string, unknown>): Promise<Awaited<ReturnType<Client['callTool']>>>;
  setSecret(secret: string): Promise<void>;
  setFingerprints(...fingerprints: readonly string[]): Promise<void>;
  /** How often that was asked for, in the lab's own paths. */
  heard(method: string, path: RegExp): number;
  /** All that is written for people: the log, the audit log and the metrics. */
  written(): Promise<string>;
  close(): Promise<void>;
}

export async function startApiGateway(nodes: readonly string[] = ['pve1']): Promise<ApiGateway> {
  const lab = await startLab({ nodes });
  const stateDir = await mkdtemp(join(tmpdir(), 'gateway-api-'));
  const secretFile = join(stateDir, 'secret');
  const fingerprintFile = join(stateDir, 'fingerprints');
  const members = [...lab.nodes.values()];
  const setFingerprints = (...fingerprints: readonly string[]) =>
    writeFile(fingerprintFile, `${fingerprints.join(',')}\n`, { mode: 0o600 });
  const setSecret = (secret: string) => writeFile(secretFile, `${secret}\n`, { mode: 0o600 });
  await setSecret(lab.apiTokenSecret);
  await setFingerprints(...members.map(({ apiFingerprint }) => apiFingerprint));
  const env = {
    ...settingsFor(lab, stateDir),
    METRICS_PORT: String(await freePort()),
    ENABLE_SSH: 'false',
    TOOLSETS: 'all',
    PROXMOX_HOST: members.map(({ apiPort }) => `${lab.host}:${apiPort}`).join(','),
    PROXMOX_TOKEN_ID: lab.apiTokenId,
    PROXMOX_TOKEN_SECRET: '',
    PROXMOX_TLS_FINGERPRINT: '',
    PROXMOX_TOKEN_SECRET_FILE: secretFile,
    PROXMOX_TLS_FINGERPRINT_FILE: fingerprintFile,
  };
  const log: string[] = [];
  const { config, serving } = await begun(env, log).catch(async (error: unknown) => {
    await lab.close();
    throw error;
  });
  const client = await connectModern(new URL(serving.url), token);
  return {
    ...{ lab, client, setSecret, setFingerprints },
    call: (name, args = {}) => client.callTool({ name, arguments: args }),
    heard: (method, path) =>
      lab.api.control.requests.filter((request) => request.method === method && path.test(request.path))
        .length,
    async written() {
      const metrics = await fetch(`http://127.0.0.1:${config.METRICS_PORT}/metrics`);
      return [...log, await readFile(config.AUDIT_FILE, 'utf8'), await metrics.text()].join('\n');
    },
    async close() {
      await client.close();
      await serving.close();
      await lab.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

async function begun(env: Record<string, string>, log: string[]) {
  const { config } = load({ env, command: 'serve' });
  const writeLog = (line: string) => void log.push(line);
  return { config, serving: await serve({ config, version: '0.0.0-test', writeLog }) };
}
