/** A whole gateway behind a real proxy, set up as one would for that proxy. */
import { type AuditLine, token } from '../gateway/harness.ts';
import { onStand, type RealGateway, startRealGateway } from './harness.ts';
import { freePort } from './stand/ports.ts';
import { type FrontProxy, type ProxyPlace, startCaddy, startNginx, withProxies } from './stand/proxies.ts';
import { connectRemote, type Era, publicAddress, publicName, type Remote } from './stand/remote.ts';

/** Handed to node:test: skips with the reason where stand or proxies cannot be had. */
export const onSite = { ...onStand, ...withProxies };

export interface Way {
  readonly name: string;
  readonly start: (place: ProxyPlace) => Promise<FrontProxy>;
  readonly scheme: 'http' | 'https';
  /** Whether it tells the gateway by which name and from where a client came. */
  readonly tells: boolean;
  /** Whether it takes in a whole body before it passes on any of it. */
  readonly holdsBack: boolean;
}

const caddy: Way = {
  name: 'Caddy',
  start: (place) => startCaddy({ ...place, tls: false }),
  scheme: 'http',
  tells: true,
  holdsBack: false,
};

export const usualNginx: Way = {
  name: 'nginx as it comes',
  start: (place) => startNginx({ ...place, settings: 'usual' }),
  scheme: 'http',
  tells: false,
  holdsBack: true,
};

export const caddyWithTls: Way = {
  ...caddy,
  name: 'Caddy with TLS',
  start: (place) => startCaddy({ ...place, tls: true }),
  scheme: 'https',
};

export const ways: readonly Way[] = [
  caddy,
  caddyWithTls,
  { ...caddy, name: 'nginx for streams', start: (place) => startNginx({ ...place, settings: 'streaming' }) },
  usualNginx,
];

/** As far as the gateway lets files be. */
export const maxFileBytes = 48 * 1024 * 1024;

export interface Site {
  readonly way: Way;
  readonly gateway: RealGateway;
  readonly proxy: FrontProxy;
  connect(era: Era, input?: { endpoint?: URL; headers?: Record<string, string> }): Promise<Remote>;
  audit(): Promise<AuditLine[]>;
  close(): Promise<void>;
}

export async function startSite(way: Way, env: Record<string, string> = {}): Promise<Site> {
  const port = await freePort(publicAddress);
  const gateway = await startRealGateway({
    env: {
      PUBLIC_URL: `${way.scheme}://${publicName}:${port}`,
      MAX_FILE_SIZE: String(maxFileBytes),
      // SECURITY: a proxy that sets no X-Forwarded-For passes on the client's own, which must not be believed.
      ...(way.tells && { TRUSTED_PROXIES: '127.0.0.1' }),
      ...env,
    },
  });
  try {
    return siteOf(way, gateway, await way.start({ upstream: new URL(gateway.url.origin), port }));
  } catch (error) {
    await gateway.close();
    throw error;
  }
}

function siteOf(way: Way, gateway: RealGateway, proxy: FrontProxy): Site {
  const remotes: Remote[] = [];
  return {
    way,
    gateway,
    proxy,
    async connect(era, { endpoint = new URL('/mcp', proxy.url), headers = {} } = {}) {
      const authorized = { authorization: `Bearer ${token}`, ...headers };
      const remote = await connectRemote({ era, endpoint, ca: proxy.ca, headers: authorized });
      remotes.push(remote);
      return remote;
    },
    async audit() {
      const lines = (await gateway.audit()).split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as AuditLine);
    },
    async close() {
      await Promise.allSettled(remotes.map((remote) => remote.close()));
      await proxy.close();
      await gateway.close();
    },
  };
}
