/** What the suite is run against: the fixtures behind the product's HTTP stack, and the product itself. */
import { randomBytes } from 'node:crypto';
import { createApp } from '../../src/http/app.ts';
import { anyone } from '../../src/http/auth.ts';
import { listen } from '../../src/http/listen.ts';
import { createEndpoint } from '../../src/mcp/endpoint.ts';
import { createSessionSealer } from '../../src/mcp/session-id.ts';
import { createSessions } from '../../src/mcp/sessions.ts';
import { createLog } from '../../src/observe/log.ts';
import { createClosedSessions } from '../../src/state/closed-sessions.ts';
import { startTestGateway } from '../gateway/harness.ts';
import { buildFixtureServer } from './fixtures/server.ts';

export interface Served {
  readonly url: string;
  /** What it had to complain about, for the case of a failure. */
  readonly log: readonly string[];
  close(): Promise<void>;
}

/** Everybody may call: the suite has no way to send a token. */
export async function serveFixtures(): Promise<Served> {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', write: (line) => void lines.push(line) });
  const sessions = createSessions({
    buildServer: buildFixtureServer,
    sealer: createSessionSealer({ key: randomBytes(32) }),
    closedSessions: createClosedSessions({ max: 1_000 }),
    maxSessions: 200,
    log,
  });
  const endpoint = createEndpoint({ buildServer: buildFixtureServer, sessions, log });
  const app = createApp({
    endpoint,
    authenticator: anyone('conformance'),
    vitals: { ssh: () => ({ connected: true }), api: () => undefined, troubles: async () => [] },
    allowedHosts: [],
    allowedOrigins: [],
    trustedProxies: [],
    onRefused: () => {},
    log,
  });
  const listener = await listen({ host: '127.0.0.1', port: 0, maxConnections: 200, handler: app });
  return {
    url: `http://127.0.0.1:${listener.port}/mcp`,
    log: lines,
    async close() {
      listener.stopAccepting();
      await endpoint.close();
      await listener.close(500);
    },
  };
}

/** The whole gateway on the lab, for everybody on this machine. */
export async function serveProduct(): Promise<Served> {
  const gateway = await startTestGateway({
    api: true,
    env: { MCP_AUTH_TOKEN: '', ALLOW_UNAUTHENTICATED: 'true', METRICS_PORT: '0' },
  });
  return { url: gateway.url.href, log: gateway.log, close: () => gateway.close() };
}
