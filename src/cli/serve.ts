/** `serve`: the gateway over Streamable HTTP. */
import { join } from 'node:path';
import { readSettingFile } from '../config/kinds.ts';
import { type Config, ConfigError } from '../config/load.ts';
import { createApp } from '../http/app.ts';
import { type Authenticator, anyone, bearerTokens } from '../http/auth.ts';
import { type Listener, listen } from '../http/listen.ts';
import { metricsPage } from '../http/metrics.ts';
import { createEndpoint } from '../mcp/endpoint.ts';
import { createSessionSealer } from '../mcp/session-id.ts';
import { createSessions, type Sessions } from '../mcp/sessions.ts';
import { createTickets } from '../mcp/tickets.ts';
import { createClosedSessions } from '../state/closed-sessions.ts';
import { keepKey } from '../state/key-file.ts';
import { createUsedTickets } from '../state/used-tickets.ts';
import { type Gateway, startGateway } from './start.ts';

export interface Serving {
  readonly url: string;
  /** Stops taking work, lets calls end, kills what does not. */
  close(): Promise<void>;
}

/** How long calls under way may go on after the order to stop; the compose file gives 15 s in all. */
const drainMs = 5_000;
const maxSessions = 2_000;
const maxClosedSessions = 50_000;
const maxUsedTickets = 50_000;
const maxConnections = 5_000;
const maxMetricsConnections = 50;

/** Throws ConfigError where a setting turns out not to work. */
export async function serve(input: {
  config: Config;
  version: string;
  writeLog: (line: string) => void;
}): Promise<Serving> {
  const { config } = input;
  const key = stateKey(config);
  const sealer = createSessionSealer({ key });
  const tickets = createTickets({ key, ttlMs: config.TRANSFER_URL_TTL * 1000 });
  const used = createUsedTickets({ max: maxUsedTickets, since: Date.now() });
  let sessions: Sessions | undefined;
  let origin = '';
  const gateway = await startGateway({
    ...input,
    key,
    sessionCount: () => sessions?.count ?? 0,
    issueUrl(claim) {
      const { token, expiresAt } = tickets.issue(claim);
      return { url: `${config.PUBLIC_URL ?? origin}/transfers/${token}`, expiresAt };
    },
  });
  const { buildServer, log } = gateway;
  sessions = createSessions({
    buildServer,
    sealer,
    closedSessions: createClosedSessions({ max: maxClosedSessions }),
    maxSessions,
    log,
  });
  const endpoint = createEndpoint({ buildServer, sessions, log });
  const authenticator = createAuthenticator(config, gateway);
  const app = createApp({
    endpoint,
    authenticator,
    vitals: {
      ssh: () => (config.ssh ? gateway.executor.status() : undefined),
      api: () => gateway.api?.pve.status(),
      troubles: gateway.troubles,
    },
    allowedHosts: [...config.ALLOWED_HOSTS, ...hostOf(config.PUBLIC_URL)],
    allowedOrigins: config.ALLOWED_ORIGINS,
    trustedProxies: config.TRUSTED_PROXIES,
    onRefused: gateway.metrics.httpRefused,
    log,
    transfers: { tickets, used, gate: gateway.gate },
  });
  const listeners = await openListeners(config, gateway, app).catch(async (error: unknown) => {
    await endpoint.close();
    authenticator.close();
    await gateway.close(0);
    throw error;
  });
  const [main] = listeners;
  // SECURITY: never from a request's Host header, which its sender chooses.
  origin = `http://${main.host.includes(':') ? `[${main.host}]` : main.host}:${main.port}`;
  const url = `${origin}/mcp`;
  log.info('listening', { url });
  return {
    url,
    async close() {
      log.info('shutting down');
      for (const listener of listeners) listener.stopAccepting();
      await gateway.gate.drain(drainMs);
      await endpoint.close();
      await Promise.all(listeners.map((listener) => listener.close(500)));
      authenticator.close();
      await gateway.close(0);
      log.info('stopped');
    },
  };
}

function hostOf(publicUrl: string | undefined): string[] {
  return publicUrl === undefined ? [] : [new URL(publicUrl).hostname];
}

function stateKey(config: Config): Buffer {
  try {
    return keepKey(join(config.STATE_DIR, 'session.key'));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
    throw new ConfigError([
      {
        setting: 'STATE_DIR',
        problem: `is ${config.STATE_DIR}, which cannot be used (${code}): make it a folder that the gateway may write`,
      },
    ]);
  }
}

function createAuthenticator(config: Config, { log, metrics }: Gateway): Authenticator {
  const { MCP_AUTH_TOKEN: text, tokenFile } = config;
  if (text === undefined) {
    log.warn('serving without a token: everything on this machine can use the gateway');
    return anyone('anyone');
  }
  return bearerTokens({
    text,
    reread: tokenFile === undefined ? undefined : () => readSettingFile(tokenFile).replace(/[\r\n]+$/, ''),
    onInvalid() {
      metrics.tokenReloadFailed();
      log.error('the token file has changed and is not usable; the tokens known so far stay in force');
    },
  });
}

async function openListeners(
  config: Config,
  { metrics }: Gateway,
  app: Parameters<typeof listen>[0]['handler'],
): Promise<readonly [Listener, ...Listener[]]> {
  const main = await open('SERVER_PORT', {
    host: config.SERVER_HOST,
    port: config.SERVER_PORT,
    maxConnections,
    handler: app,
  });
  if (config.METRICS_PORT === 0) return [main];
  const scraped = await open('METRICS_PORT', {
    host: config.METRICS_HOST,
    port: config.METRICS_PORT,
    maxConnections: maxMetricsConnections,
    handler: metricsPage(metrics),
  }).catch(async (error: unknown) => {
    main.stopAccepting();
    await main.close(0);
    throw error;
  });
  return [main, scraped];
}

async function open(setting: string, input: Parameters<typeof listen>[0]): Promise<Listener> {
  try {
    return await listen(input);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
    const hint = code === 'EADDRINUSE' ? 'it is in use: choose another port' : code;
    throw new ConfigError([
      { setting, problem: `is ${input.port}, which cannot be listened on at ${input.host} (${hint})` },
    ]);
  }
}
