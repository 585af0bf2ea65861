/** The ways to run one command on the host: through the gateway, and as one would do without it. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client } from 'ssh2';
import type { Sshd } from '../test/real/stand/sshd.ts';
import type { Way } from './measure.ts';

const algorithms = { cipher: ['aes128-gcm@openssh.com' as const] };
const channelsPerConnection = 8;

export interface Channels {
  /** A fresh channel on a warm connection. */
  run(line: string): Way;
  close(): void;
}

/** Warm ssh2 connections, enough for that many callers. */
export async function openChannels(sshd: Sshd, callers: number): Promise<Channels> {
  const clients = await Promise.all(
    Array.from({ length: Math.ceil(callers / channelsPerConnection) }, () => connect(sshd)),
  );
  let next = 0;
  return {
    run(line) {
      const client = clients[next++ % clients.length];
      if (client === undefined) throw new RangeError('no connection');
      return () => runOn(client, line);
    },
    close() {
      for (const client of clients) client.end();
    },
  };
}

/** A connection for every call, as many servers do. */
export function freshConnection(sshd: Sshd, line: string): Way {
  return async () => {
    const client = await connect(sshd);
    try {
      await runOn(client, line);
    } finally {
      client.end();
    }
  };
}

export interface ControlMaster {
  run(line: string): Way;
  /** Either path may be on the host, and then begins with `host:`. */
  scp(from: string, to: string): Way;
  /** One command of the batch language of sftp. */
  sftp(order: string): Way;
  close(): void;
}

/** OpenSSH's own client on a connection that a master keeps. Throws where the master does not start. */
export function openControlMaster({ host, port, keyFile }: Sshd): ControlMaster {
  const folder = mkdtempSync(join(tmpdir(), 'bench-master-'));
  const options = ['-F', 'none', '-p', String(port), '-i', keyFile, '-S', join(folder, 'socket')];
  const trust = [
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'LogLevel=ERROR',
  ];
  const target = `root@${host}`;
  const master = spawnSync('ssh', [...options, ...trust, '-M', '-N', '-f', target], { stdio: 'ignore' });
  if (master.status !== 0) throw new Error(`ssh -M ended with ${master.status ?? master.signal}`);
  // Over the master's socket neither port nor key is asked for.
  const shared = ['-q', '-F', 'none', '-o', `ControlPath=${join(folder, 'socket')}`];
  const remote = (path: string) => path.replace(/^host:/, `${target}:`);
  return {
    run: (line) => program('ssh', [...options, target, line]),
    scp: (from, to) => program('scp', [...shared, remote(from), remote(to)]),
    sftp: (order) => program('sftp', [...shared, '-b', '-', target], `${order}\n`),
    close() {
      spawnSync('ssh', [...options, '-O', 'exit', target], { stdio: 'ignore' });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function program(name: string, args: readonly string[], stdin = ''): Way {
  return () =>
    new Promise((resolve, reject) => {
      execFile(name, args, (error) => (error === null ? resolve() : reject(error))).stdin?.end(stdin);
    });
}

async function connect({ host, port, privateKey }: Sshd): Promise<Client> {
  const client = new ssh2.Client();
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve).once('error', reject);
    // As the gateway does: without it the comparison would be with a connection that waits 40 ms a call.
    client.once('connect', () => client.setNoDelay(true));
    client.connect({ host, port, username: 'root', privateKey, algorithms });
  });
  return client;
}

async function runOn(client: Client, line: string): Promise<void> {
  const code = await new Promise<number | null>((resolve, reject) => {
    client.exec(line, (error, channel) => {
      if (error !== undefined) return reject(error);
      let exit: number | null = null;
      channel.once('exit', (reported: number | null) => {
        exit = reported;
      });
      channel.once('close', () => resolve(exit));
      channel.resume();
      channel.stderr.resume();
      channel.end();
    });
  });
  if (code !== 0) throw new Error(`${line} ended with ${code}`);
}
