/** OpenSSH's own server on a free loopback port, with keys, settings and a log of its own. */
import { type ChildProcessWithoutNullStreams, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import ssh2 from 'ssh2';
import type { NamespaceProcess } from './processes.ts';
import { setReferenced, startWorld, type World, type WorldOptions } from './world.ts';

export interface SshdOptions extends WorldOptions {
  /** The world it serves; without one it makes its own and closes it too. */
  readonly world?: World;
  readonly maxSessions?: number;
  readonly maxStartups?: string;
  readonly clientAliveIntervalS?: number;
  /** Further lines of sshd_config. */
  readonly config?: readonly string[];
}

export interface Sshd {
  readonly host: string;
  readonly port: number;
  /** Of the ed25519 host key, as OpenSSH writes it: `SHA256:…`. Changes with rotateHostKey(). */
  readonly fingerprint: string;
  /** The client's private key, in the world's memory as all its files, so that none is left on the machine. */
  readonly keyFile: string;
  readonly privateKey: string;
  /** A new ed25519 host key; connections that stand keep standing. Gives back its fingerprint. */
  rotateHostKey(): Promise<string>;
  /** Ends the listener and every connection, as a host that goes down. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Kills the server's processes behind each connection; commands they started live on. Gives back how many. */
  killSessions(): Promise<number>;
  log(): string;
  /** Connections that stand, those still at authentication included. */
  sessions(): Promise<number>;
  close(): Promise<void>;
}

const host = '127.0.0.1';
const files = {
  config: '/etc/ssh/sshd_config',
  log: '/var/log/sshd.log',
  clientKey: '/root/.bench-client-key',
};
const startTimeoutMs = 10_000;

/** Throws with the server's log where it does not come up within ten seconds. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const world = options.world ?? (await startWorld(options));
  try {
    return await serve(options, world);
  } catch (error) {
    if (options.world === undefined) await world.close();
    throw error;
  }
}

async function serve(options: SshdOptions, world: World): Promise<Sshd> {
  const [hostKey, rsaKey, clientKey] = await Promise.all([
    generateKey('ed25519'),
    generateKey('rsa'),
    generateKey('ed25519'),
  ]);
  world.write(files.clientKey, clientKey.private, 0o600);
  world.write('/etc/ssh/host_ed25519', hostKey.private, 0o600);
  world.write('/etc/ssh/host_rsa', rsaKey.private, 0o600);
  world.write('/etc/ssh/authorized_keys', `${clientKey.public}\n`);
  let fingerprint = fingerprintOf(hostKey);
  const listener = createListener(world);
  const port = await listen(options, world, listener);
  return {
    host,
    port,
    get fingerprint() {
      return fingerprint;
    },
    keyFile: world.path(files.clientKey),
    privateKey: clientKey.private,
    async rotateHostKey() {
      const key = await generateKey('ed25519');
      world.write('/etc/ssh/host_ed25519', key.private, 0o600);
      await listener.stop();
      await listener.start();
      fingerprint = fingerprintOf(key);
      return fingerprint;
    },
    async stop() {
      await listener.stop();
      await listener.killSessions();
    },
    start: listener.start,
    killSessions: listener.killSessions,
    log: () => readLog(world),
    sessions: listener.countSessions,
    async close() {
      await listener.stop();
      await listener.killSessions();
      if (options.world === undefined) await world.close();
    },
  };
}

/** A port that was free a moment ago can be taken by now, hence three attempts. */
async function listen(options: SshdOptions, world: World, listener: { start(): Promise<void> }) {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    world.write(files.config, configuration(options, port));
    try {
      await listener.start();
      return port;
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

function createListener(world: World) {
  let listener: ChildProcessWithoutNullStreams | undefined;

  /** The listener's children, and those that outlived an earlier listener. */
  const servers = async (): Promise<NamespaceProcess[]> => {
    const all = await world.processes();
    return all.filter(({ name, parentPid }) => name.startsWith('sshd') && parentPid !== listener?.pid);
  };
  return {
    async start() {
      const earlier = readLog(world).length;
      const child = world.spawn(['/usr/libexec/standin/sshd', '-D', '-f', files.config, '-E', files.log], {
        network: 'machine',
      });
      listener = child;
      child.stdin.end();
      child.stdout.resume();
      child.stderr.resume();
      setReferenced(child, false);
      const deadline = performance.now() + startTimeoutMs;
      for (;;) {
        const log = readLog(world).slice(earlier);
        if (log.includes('Server listening on')) return;
        if (child.exitCode !== null || performance.now() > deadline) throw new Error(`sshd: ${log}`);
        await pause(5);
      }
    },
    async stop() {
      const child = listener;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      setReferenced(child, true);
      const gone = once(child, 'exit');
      for (const { pid, parentPid } of await world.processes())
        if (parentPid === child.pid) process.kill(pid, 'SIGTERM');
      await gone;
    },
    countSessions: async () => connections(await servers()),
    async killSessions() {
      const all = await servers();
      for (const { pid } of all) killIfThere(pid);
      return connections(all);
    },
  };
}

/** A connection is served by one process and those below it. */
function connections(servers: readonly NamespaceProcess[]): number {
  const known = new Set(servers.map(({ pid }) => pid));
  return servers.filter(({ parentPid }) => !known.has(parentPid)).length;
}

function readLog(world: World): string {
  const path = world.path(files.log);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function configuration(options: SshdOptions, port: number): string {
  const lines = [
    `Port ${port}`,
    `ListenAddress ${host}`,
    'HostKey /etc/ssh/host_ed25519',
    'HostKey /etc/ssh/host_rsa',
    'PidFile /run/sshd.pid',
    'AuthorizedKeysFile /etc/ssh/authorized_keys',
    'PermitRootLogin yes',
    `PasswordAuthentication ${options.password === undefined ? 'no' : 'yes'}`,
    'KbdInteractiveAuthentication no',
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PrintMotd no',
    'LogLevel VERBOSE',
    'AcceptEnv LANG LC_*',
    // What PAM sets on a Proxmox node.
    'SetEnv LANG=C.UTF-8 MOTD_SHOWN=pam',
    'Subsystem sftp /usr/lib/openssh/sftp-server',
  ];
  const { maxSessions, maxStartups, clientAliveIntervalS, config = [] } = options;
  if (maxSessions !== undefined) lines.push(`MaxSessions ${maxSessions}`);
  if (maxStartups !== undefined) lines.push(`MaxStartups ${maxStartups}`);
  if (clientAliveIntervalS !== undefined) lines.push(`ClientAliveInterval ${clientAliveIntervalS}`);
  if (servesInProgramOfItsOwn())
    lines.push('SshdSessionPath /usr/libexec/sshd-session', 'PerSourcePenalties no');
  return `${[...lines, ...config].join('\n')}\n`;
}

/** OpenSSH 9.8 split the program and began to punish addresses; before, both settings are unknown. */
function servesInProgramOfItsOwn(): boolean {
  const { stdout, stderr } = spawnSync('/usr/sbin/sshd', ['-V'], { encoding: 'utf8' });
  const [, major, minor] = /OpenSSH_(\d+)\.(\d+)/.exec(stdout + stderr) ?? [];
  return Number(major) * 1000 + Number(minor) >= 9008;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

type KeyPair = ReturnType<typeof ssh2.utils.generateKeyPairSync>;

async function generateKey(type: 'ed25519' | 'rsa'): Promise<KeyPair> {
  return await new Promise((resolve, reject) => {
    const done = (error: Error | null, key: KeyPair) => (error === null ? resolve(key) : reject(error));
    if (type === 'rsa') ssh2.utils.generateKeyPair('rsa', { bits: 2048 }, done);
    else ssh2.utils.generateKeyPair('ed25519', done);
  });
}

function fingerprintOf(key: KeyPair): string {
  const blob = Buffer.from(key.public.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}
