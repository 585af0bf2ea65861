/** One command over SSH, as the tests of the stand send it. */
import { once } from 'node:events';
import { Client, type ClientChannel } from 'ssh2';
import type { Sshd } from './sshd.ts';

export interface Answer {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** Null where a signal ended the command or the connection was lost. */
  readonly code: number | null;
  readonly signal: string | undefined;
}

export interface Session {
  exec(line: string, options?: { stdin?: string | Buffer; pty?: boolean }): Promise<Answer>;
  end(): void;
}

export async function connect(
  sshd: Pick<Sshd, 'host' | 'port' | 'privateKey'>,
  credentials: { username?: string; password?: string } = {},
): Promise<Session> {
  const { username = 'root', password } = credentials;
  const client = new Client();
  const secret = password === undefined ? { privateKey: sshd.privateKey } : { password };
  client.connect({ host: sshd.host, port: sshd.port, username, ...secret });
  await once(client, 'ready');
  client.setNoDelay(true);
  client.on('error', () => {});
  return {
    exec: (line, { stdin = '', pty = false } = {}) =>
      new Promise((resolve, reject) => {
        client.exec(line, { pty }, (error, channel) => {
          if (error !== undefined) reject(error);
          // Listens at once: the exit may have come in the same packet as the consent.
          else resolve(answer(channel, stdin));
        });
      }),
    end: () => client.end(),
  };
}

async function answer(channel: ClientChannel, stdin: string | Buffer): Promise<Answer> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let code: number | null = null;
  let signal: string | undefined;
  channel.on('data', (chunk: Buffer) => stdout.push(chunk));
  channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  channel.on('exit', (exitCode: number | null, name?: string) => {
    code = exitCode;
    signal = name;
  });
  channel.on('error', () => {});
  channel.end(stdin);
  await once(channel, 'close');
  return { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), code, signal };
}
