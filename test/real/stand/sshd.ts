/** OpenSSH's own server on a free loopback port, with keys, settings and a log of its own. */
import { type ChildProcessWithoutNullStreams, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './ports.ts';
import type { NamespaceProcess } from './processes.ts';
import { setReferenced, startWorld, type World, type WorldOptions } from './world.ts';

export interface SshdOptions extends WorldOptions {
  /** The world it serves; without one it makes its own and closes it too. */
  readonly world?: World;
  readonly maxSessions?: number;
  readonly maxStartups?: string;
  readonly clientAliveIntervalS?: number;
  /** An address of the world's own network, where it listens on port 22; without it, on a free loopback port. */
  readonly address?: string;
  /** A private key that is accepted, in place of a new one. */
  readonly clientKey?: string;
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
  /** Type and key, as a line of known_hosts has them. */
  hostKey(): string;
  log(): string;
  /** Connections that stand, those still at authentication included. */
  sessions(): Promise<number>;
  close(): Promise<void>;
}

const loopback = '127.0.0.1';
const files = {
  config: '/etc/ssh/sshd_config',
  hostKey: '/etc/ssh/host_ed25519',
  rsaHostKey: '/etc/ssh/host_rsa',
  authorizedKeys: '/etc/ssh/authorized_keys',
  clientKey: '/root/.stand-client-key',
  log: '/var/log/sshd.log',
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
  await generateKeys(world, [
    ['ed25519', files.hostKey],
    ['rsa', files.rsaHostKey],
    ['ed25519', files.clientKey],
  ]);
  if (options.clientKey !== undefined) await useKey(world, options.clientKey);
  world.write(files.authorizedKeys, readFileSync(world.path(`${files.clientKey}.pub`)));
  let fingerprint = fingerprintOf(world, files.hostKey);
  const listener = createListener(world, options.address === undefined ? 'machine' : 'world');
  const port = await listen(options, world, listener);
  return {
    host: options.address ?? loopback,
    port,
    get fingerprint() {
      return fingerprint;
    },
    keyFile: world.path(files.clientKey),
    privateKey: readFileSync(world.path(files.clientKey), 'utf8'),
    async rotateHostKey() {
      await generateKeys(world, [['ed25519', files.hostKey]]);
      await listener.stop();
      await listener.start();
      fingerprint = fingerprintOf(world, files.hostKey);
      return fingerprint;
    },
    async stop() {
      await listener.stop();
      await listener.killSessions();
    },
    start: listener.start,
    killSessions: listener.killSessions,
    hostKey: () =>
      readFileSync(world.path(`${files.hostKey}.pub`), 'utf8')
        .split(' ')
        .slice(0, 2)
        .join(' '),
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
    const port = options.address === undefined ? await freePort() : 22;
    world.write(files.config, configuration(options, port));
    try {
      await listener.start();
      return port;
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

function createListener(world: World, network: 'world' | 'machine') {
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
        network,
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
    `ListenAddress ${options.address ?? loopback}`,
    `HostKey ${files.hostKey}`,
    `HostKey ${files.rsaHostKey}`,
    'PidFile /run/sshd.pid',
    `AuthorizedKeysFile ${files.authorizedKeys}`,
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

/** In place of what is there, with the public half beside it. */
async function generateKeys(world: World, keys: readonly (readonly ['ed25519' | 'rsa', string])[]) {
  const all = keys.map(async ([type, path]) => {
    const size = type === 'rsa' ? '-b 2048' : '';
    const { code, stderr } = await world.run(
      `rm -f ${path}; ssh-keygen -q -t ${type} ${size} -N '' -f ${path}`,
    );
    if (code !== 0) throw new Error(`no key: ${stderr}`);
  });
  await Promise.all(all);
}

async function useKey(world: World, privateKey: string): Promise<void> {
  world.write(files.clientKey, privateKey, 0o600);
  const { code, stderr } = await world.run(`ssh-keygen -y -f ${files.clientKey} >${files.clientKey}.pub`);
  if (code !== 0) throw new Error(`no key: ${stderr}`);
}

function fingerprintOf(world: World, path: string): string {
  const [, blob = ''] = readFileSync(world.path(`${path}.pub`), 'utf8').split(' ');
  const digest = createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}
