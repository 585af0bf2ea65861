/** The gateway's whole way from HTTP to the gate, with tools of its own that cannot be undone. */
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
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { failure } from '../../src/base/errors.ts';
import { createApp } from '../../src/http/app.ts';
import { bearerTokens } from '../../src/http/auth.ts';
import { listen } from '../../src/http/listen.ts';
import { createConfirmations } from '../../src/mcp/confirmations.ts';
import { createEndpoint } from '../../src/mcp/endpoint.ts';
import { createGate } from '../../src/mcp/gate.ts';
import { createServerBuilder } from '../../src/mcp/server.ts';
import { createSessionSealer } from '../../src/mcp/session-id.ts';
import { createSessions } from '../../src/mcp/sessions.ts';
import { createAudit } from '../../src/observe/audit.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import type { Ops } from '../../src/ops/ops.ts';
import type { LocatedGuest, Rules } from '../../src/policy/rules.ts';
import { createClosedSessions } from '../../src/state/closed-sessions.ts';
import { createPlaces } from '../../src/state/places.ts';
import { createUsedTickets } from '../../src/state/used-tickets.ts';
import { defineTool, type Tool } from '../../src/tools/define.ts';
import { Vmid } from '../../src/tools/params.ts';
import { type AuditLine, otherToken, token } from './harness.ts';

export interface Stand {
  readonly url: URL;
  /** What was carried out, in order; a test takes out what it has looked at. */
  readonly done: string[];
  /** Where the guest `web` is; a test may move it. */
  readonly web: { -readonly [K in keyof LocatedGuest]: LocatedGuest[K] };
  /** What a new look shows of `web` that a look of some seconds ago does not. */
  readonly becomes: Partial<Stand['web']>;
  readonly rules: { -readonly [K in keyof Rules]: Rules[K] };
  audit(): Promise<AuditLine[]>;
  metrics(): Promise<string>;
  close(): Promise<void>;
}

const Done = z.object({ message: z.string() });

function toolsThatNote(done: string[]): readonly Tool[] {
  const family = { toolset: 'snapshots', effect: 'destroy', needs: 'ssh', output: Done } as const;
  const note = async (words: string) => {
    done.push(words);
    return { message: words };
  };
  const show = ({ message }: z.output<typeof Done>) => message;
  return [
    defineTool({
      ...{ ...family, name: 'proxmox_erase', title: 'Erase snapshot', target: 'guest' },
      about: 'Erases a snapshot for good.',
      input: z.strictObject({
        vmid: Vmid,
        name: z.string(),
        password: z.string().optional(),
        purge: z.boolean().default(false),
      }),
      refuses: ({ name }) => (name === 'never' ? 'snapshots named never stay' : undefined),
      run: ({ vmid, name }) => note(`erased ${name} of ${vmid}`),
      show,
    }),
    defineTool({
      ...{ ...family, name: 'proxmox_any', title: 'Any call', target: 'cluster' },
      about: 'Reads or deletes, as the method says.',
      input: z.strictObject({
        method: z.enum(['GET', 'DELETE']),
        params: z.record(z.string(), z.unknown()).optional(),
      }),
      effectOf: ({ method }) => (method === 'GET' ? 'read' : 'destroy'),
      reaches: ({ params }) => [params?.vmid].flat().filter((vmid) => typeof vmid === 'number'),
      run: ({ method }) => note(method),
      show,
    }),
  ];
}

export async function startStand(
  options: { key?: Buffer; ttlMs?: number; rules?: Partial<Rules> } = {},
): Promise<Stand> {
  const { key = Buffer.alloc(32, 7), ttlMs = 300_000 } = options;
  const directory = await mkdtemp(join(tmpdir(), 'confirmation-'));
  const auditFile = join(directory, 'audit.jsonl');
  const done: string[] = [];
  const web: Stand['web'] = { vmid: 101, node: 'pve1', kind: 'container', name: 'web', tags: [] };
  const becomes: Stand['becomes'] = {};
  const rules: Stand['rules'] = {
    ...{ toolsets: ['all'], readOnly: false, hostExec: false, destructive: true, requireConfirmation: false },
    ...{ allowedVmids: [], deniedVmids: [], dangerousCommands: false, setuid: false },
    ...{ allowedPaths: [], deniedPaths: [] },
    ...options.rules,
  };
  const inventory = {
    find: async (vmid: number) => (vmid === web.vmid ? { ...web } : undefined),
    now: async (vmid: number) => {
      if (vmid !== web.vmid) throw failure('GUEST_NOT_FOUND', { vmid });
      return { ...web, ...becomes };
    },
    findNamed: async (name: string) => (name === web.name ? [{ ...web }] : []),
  };
  const log = createLog({ level: 'error', write: () => {} });
  const audit = createAudit({ file: auditFile });
  const gauges = { ssh: () => ({ connections: 0, channels: 0, queued: 0 }), sessions: () => 0 };
  const metrics = createMetrics({ version: '0', gauges });
  const gate = createGate({
    tools: toolsThatNote(done),
    rules,
    limits: {
      ...{ maxChars: 10_000, maxTimeoutS: 300, maxFileBytes: 1, maxInlineBytes: 1, downloadSources: [] },
    },
    // These tools need no more of it.
    ops: { inventory } as unknown as Ops,
    ...{ audit, metrics, log },
    transports: { ssh: true, api: true },
    confirmations: createConfirmations({
      key,
      ttlMs,
      used: createUsedTickets({ max: 800, since: Date.now() }),
    }),
    transferPlaces: createPlaces({ each: 1, total: 1 }),
    issueUrl: undefined,
  });
  const buildServer = createServerBuilder({ gate, version: '0', maxChars: 10_000 });
  const sessions = createSessions({
    ...{ buildServer, maxSessions: 50, log },
    sealer: createSessionSealer({ key }),
    closedSessions: createClosedSessions({ max: 100 }),
  });
  const endpoint = createEndpoint({ buildServer, sessions, log });
  const authenticator = bearerTokens({ text: `alice:${token}\nbob:${otherToken}`, onInvalid: () => {} });
  const app = createApp({
    ...{ endpoint, authenticator, log, allowedHosts: [], allowedOrigins: [], trustedProxies: [] },
    vitals: { ssh: () => ({ connected: true }), api: () => undefined, troubles: async () => [] },
    onRefused: () => {},
  });
  const listener = await listen({ host: '127.0.0.1', port: 0, maxConnections: 50, handler: app });
  return {
    url: new URL(`http://127.0.0.1:${listener.port}/mcp`),
    ...{ done, web, becomes, rules },
    audit: async () =>
      (await readFile(auditFile, 'utf8'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as AuditLine),
    metrics: async () => (await metrics.expose()).text,
    async close() {
      listener.stopAccepting();
      await endpoint.close();
      await listener.close(200);
      authenticator.close();
      await audit.close();
      metrics.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** What a person does with a form; `asked` keeps the words of the questions. */
export interface Person {
  readonly asked: string[];
  answer: () => { action: 'accept' | 'decline' | 'cancel'; content?: Record<string, boolean> };
}

export function personWho(answer: Person['answer']): Person {
  return { asked: [], answer };
}

type Era = 'modern' | 'legacy';
export const eras: readonly Era[] = ['modern', 'legacy'];

export interface Caller {
  call(name: string, args: Record<string, unknown>): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

/** A client of either era; without a person it does not say that it can ask one. */
export async function connect(era: Era, url: URL, person?: Person, bearer = token): Promise<Caller> {
  const headers = { requestInit: { headers: { authorization: `Bearer ${bearer}` } } };
  const capabilities = person === undefined ? {} : { elicitation: { form: {} } };
  const reply = (message: string) => {
    person?.asked.push(message);
    return person?.answer() ?? { action: 'cancel' as const };
  };
  if (era === 'legacy') {
    const client = new LegacyClient({ name: 'legacy', version: '1' }, { capabilities });
    if (person !== undefined)
      client.setRequestHandler(ElicitRequestSchema, ({ params }) => reply(params.message));
    await client.connect(new LegacyTransport(url, headers) as Transport);
    return {
      call: (name, args) => client.callTool({ name, arguments: args }),
      close: () => client.close(),
    };
  }
  const client = new ModernClient(
    { name: 'modern', version: '1' },
    { capabilities, versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  if (person !== undefined)
    client.setRequestHandler('elicitation/create', ({ params }) => reply(params.message));
  await client.connect(new ModernTransport(url, headers));
  return { call: (name, args) => client.callTool({ name, arguments: args }), close: () => client.close() };
}
