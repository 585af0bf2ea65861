/** The suite of file transfers on OpenSSH's sshd and containers with namespaces of their own. */

import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Site, vmids, type Where } from '../files/site.ts';
import { fileSuite } from '../files/suite.ts';
import { connectLegacy, connectModern, otherToken, token } from '../gateway/harness.ts';
import { onStand, startRealGateway } from './harness.ts';
import type { Guest } from './stand/guests.ts';
import { freePort } from './stand/ports.ts';

const guests: readonly Guest[] = [
  { kind: 'container', vmid: vmids.usual, name: 'web1', running: true },
  { kind: 'container', vmid: vmids.stopped, name: 'db1' },
  { kind: 'container', vmid: vmids.bare, name: 'bare1', running: true },
  { kind: 'container', vmid: vmids.mortal, name: 'mortal1', running: true },
];

const oddities = {
  socket: (path: string) =>
    `perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un($ARGV[0])) or die' ${path}`,
  device: (path: string) => `touch ${path} && mount --bind /dev/zero ${path}`,
  pseudo: (path: string) => `touch ${path} && mount --bind /proc/version ${path}`,
};

async function start(env: Record<string, string>): Promise<Site> {
  const stateDir = await mkdtemp(join(tmpdir(), 'files-real-'));
  const metricsPort = await freePort();
  const gateway = await startRealGateway({
    node: { guests },
    env: {
      ...{ STATE_DIR: stateDir, METRICS_PORT: String(metricsPort) },
      ...{ MCP_AUTH_TOKEN: `alice:${token}\nbob:${otherToken}`, ...env },
    },
  });
  const { node, url } = gateway;
  const { world } = node;
  const run = async (where: Where, line: string, vmid: number = vmids.usual) => {
    const quoted = `'${line.replaceAll("'", `'\\''`)}'`;
    const ran = await world.run(where === 'host' ? line : `lxc-attach -n ${vmid} -- /bin/sh -c ${quoted}`);
    if (ran.code !== 0) throw new Error(`${line}: ${ran.stderr}`);
  };
  // Something that is not to be run stands before it.
  await run('container', 'mount --bind /dev/null /usr/bin/sha256sum', vmids.bare);
  const clients: { close(): Promise<void> }[] = [];
  const keep = async <C extends { close(): Promise<void> }>(connecting: Promise<C>): Promise<C> => {
    const client = await connecting;
    clients.push(client);
    return client;
  };
  return {
    url,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    stateDir,
    longBytes: 1000 * 1024 * 1024,
    modern: (bearer = token) => keep(connectModern(url, bearer)),
    legacy: (bearer = token) => keep(connectLegacy(url, bearer)),
    audit: async () =>
      (await gateway.audit())
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    mount: (where, path, freeBytes) =>
      run(where, `mkdir -p ${path} && mount -t tmpfs -o size=${freeBytes} tmpfs ${path}`),
    freeze: (where, path) => run(where, `mount -o remount,bind,ro ${path}`),
    async plant(where, kind, path) {
      await run(where, oddities[kind](path));
      return true;
    },
    slowPct: (ms) => node.turn('pct-delay-ms', ms),
    async processes() {
      const proc = world.path('/proc');
      return readdirSync(proc)
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => cmdlineOf(`${proc}/${pid}`));
    },
    async close() {
      await Promise.allSettled(clients.map((client) => client.close()));
      await gateway.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

function cmdlineOf(directory: string): string {
  try {
    return readFileSync(`${directory}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

fileSuite(start, onStand);
