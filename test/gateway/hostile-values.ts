/** The catalogue of hostile inputs, where it lies beside the project, and the gateways that its entries are tried on. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, startTestGateway, type TestGateway, token } from './harness.ts';
import { spawnGateway } from './process.ts';
import { type execTool, initialize, modernCall } from './raw-http.ts';

export interface Entry {
  readonly field: string;
  readonly value: unknown;
  readonly why: string;
  readonly expect: string;
}

const file = fileURLToPath(new URL('../../../shared/security/hostile-inputs.json', import.meta.url));

/** Undefined where the catalogue is not there. */
export function readCatalogue(): readonly Entry[] | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Entry[]) : undefined;
}

interface Recipe {
  readonly $gen: string;
  readonly prefix: string;
  readonly unit: string;
  readonly count: number;
  readonly suffix: string;
}

/** The value itself, or what its recipe makes; fails on a recipe that is not known. */
export function hostileValue({ value }: Entry): unknown {
  if (typeof value !== 'object' || value === null || !('$gen' in value)) return value;
  const { $gen: recipe, prefix, unit, count, suffix } = value as unknown as Recipe;
  assert.equal(recipe, 'repeat', 'a recipe that this test does not know');
  return `${prefix}${unit.repeat(count)}${suffix}`;
}

export interface World {
  readonly gateway: TestGateway;
  /** The same with dangerous commands allowed, and a proxy at 127.0.0.1 that is believed. */
  readonly lax: TestGateway;
  readonly cleanUp: () => Promise<void>;
}

/** 101 exists and 998 does not; neither may be reached. */
export const deniedVmids = [101, 998] as const;

export async function startWorld(): Promise<World> {
  const gateway = await startTestGateway({ env: { DENIED_VMIDS: deniedVmids.join(',') } });
  const lax = await startTestGateway({
    env: {
      ENABLE_DANGEROUS_COMMANDS: 'true',
      TRUSTED_PROXIES: '127.0.0.1',
      CHARACTER_LIMIT: '2000',
    },
  });
  return { gateway, lax, cleanUp: async () => void (await Promise.all([gateway.close(), lax.close()])) };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** What a client of 2025 begins with, or another body. */
export async function send(
  { url }: TestGateway,
  {
    body = initialize,
    headers = {},
    query = '',
  }: { body?: string | Uint8Array<ArrayBuffer>; headers?: Record<string, string>; query?: string },
): Promise<Answer> {
  const answer = await fetch(url.href + query, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body,
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

interface Reply {
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** The message in an answer, whether it came as JSON or as an event. */
export function messageIn({ text }: Answer): Reply {
  const event = /^data: (.*)$/m.exec(text)?.[1];
  return JSON.parse(event ?? text) as Reply;
}

/** One call over bare HTTP, arguments as they are. */
export async function call(gateway: TestGateway, name: typeof execTool | (string & {}), args: unknown) {
  return messageIn(await send(gateway, modernCall(name, args)));
}

/** Proves that a gateway with this file of tokens ends at once, and names the setting. */
export async function doesNotStart(tokenFile: string): Promise<void> {
  const { child, stderr, stop } = spawnGateway('serve', {
    ...{ I_ACCEPT_RISKS: 'true', HOST: '127.0.0.1', SSH_PASSWORD: 'x', SERVER_PORT: '0', METRICS_PORT: '0' },
    ...{
      SSH_HOST_KEY: `SHA256:${'A'.repeat(43)}`,
      STATE_DIR: dirname(tokenFile),
      MCP_AUTH_TOKEN_FILE: tokenFile,
    },
  });
  try {
    const code = await eventually(() => child.exitCode ?? undefined, 15_000);
    assert.notEqual(code, 0);
    assert.match(stderr(), /MCP_AUTH_TOKEN/);
  } finally {
    await stop('SIGKILL');
  }
}
