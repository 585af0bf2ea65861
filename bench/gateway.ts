/** The gateway as a process of its own, as the image runs it: compiled, with the same options. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { imageFlags } from '../test/gateway/process.ts';
import type { StandNode } from '../test/real/stand/node.ts';

export const token = 'bench-token-0123456789';

export interface BenchGateway {
  readonly url: URL;
  /** From the start of the process until it listens. */
  readonly startMs: number;
  /** Resident memory in bytes. */
  rss(): number;
  fileDescriptors(): number;
  metrics(): Promise<string>;
  close(): Promise<void>;
}

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const startTimeoutMs = 10_000;

/** Without a node it has no SSH. Throws with what the gateway said where it does not listen within ten seconds. */
export async function startGateway(
  node: StandNode | undefined,
  env: Readonly<Record<string, string>> = {},
): Promise<BenchGateway> {
  const stateDir = await mkdtemp(join(tmpdir(), 'gateway-bench-'));
  const metricsPort = 20_000 + Math.floor(Math.random() * 12_000);
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...imageFlags(), program, 'serve'], {
    env: {
      ...{ PATH: process.env.PATH, HOME: '/nonexistent', NODE_ENV: 'production', I_ACCEPT_RISKS: 'true' },
      ...wayTo(node),
      ...{ MCP_AUTH_TOKEN: token, ENABLE_HOST_EXEC: 'true', STATE_DIR: stateDir },
      ...{ SERVER_PORT: '0', METRICS_PORT: String(metricsPort), ...env },
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const url = await listening(child);
  const startMs = performance.now() - startedAt;
  return {
    url,
    startMs,
    rss: () => rssOf(child.pid),
    fileDescriptors: () => readdirSync(`/proc/${child.pid}/fd`).length,
    metrics: async () => await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await exited;
      }
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

function wayTo(node: StandNode | undefined): Record<string, string> {
  if (node === undefined) return {};
  const { host, port, fingerprint, keyFile } = node.sshd;
  return { HOST: host, SSH_PORT: String(port), SSH_KEY: keyFile, SSH_HOST_KEY: fingerprint };
}

async function listening(child: ChildProcess): Promise<URL> {
  let said = '';
  return await new Promise<URL>((resolve, reject) => {
    const fail = () => reject(new Error(`the gateway does not listen: ${said}`));
    const timer = setTimeout(fail, startTimeoutMs);
    child.once('exit', fail);
    child.stderr?.on('data', (chunk: Buffer) => {
      if (said.length > 100_000) return;
      said += chunk.toString();
      const address = /"url":"([^"]+)"/.exec(said)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(new URL(address));
    });
  });
}

function rssOf(pid: number | undefined): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}
