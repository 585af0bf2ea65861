/** A plain SSH client on the lab. */
import { once } from 'node:events';
import ssh2, { type ClientChannel, type ConnectConfig, type SFTPWrapper } from 'ssh2';
import type { Lab } from '../../../lab/lab.ts';

export interface Ran {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly code: number | null;
  readonly signal: string | undefined;
}

export interface LabClient {
  readonly ssh: ssh2.Client;
  open(command: string): Promise<ClientChannel>;
  /** Runs to the close of the channel. */
  run(command: string, stdin?: string | Buffer): Promise<Ran>;
  sftp(): Promise<SFTPWrapper>;
  close(): void;
}

export async function connect(lab: Lab, credentials?: Partial<ConnectConfig>): Promise<LabClient> {
  const ssh = new ssh2.Client();
  const ready = once(ssh, 'ready');
  ssh.connect({
    ...{ host: lab.host, port: lab.sshPort, username: lab.username, password: lab.password },
    ...credentials,
  });
  ssh.on('error', () => {});
  await ready;
  ssh.setNoDelay(true);
  const open = (command: string) =>
    new Promise<ClientChannel>((resolve, reject) => {
      ssh.exec(command, (error, channel) => (error ? reject(error) : resolve(channel)));
    });
  return {
    ssh,
    open,
    run: (command, stdin = '') =>
      new Promise((resolve, reject) => {
        // An exit can come in the same packet as the channel: whoever awaits the channel first misses it.
        ssh.exec(command, (error, channel) => (error ? reject(error) : resolve(finish(channel, stdin))));
      }),
    sftp: () =>
      new Promise((resolve, reject) => {
        ssh.sftp((error, sftp) => (error ? reject(error) : resolve(sftp)));
      }),
    close: () => ssh.end(),
  };
}

export async function finish(channel: ClientChannel, stdin: string | Buffer = ''): Promise<Ran> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let [code, signal]: [number | null, string | undefined] = [null, undefined];
  channel.on('data', (chunk: Buffer) => stdout.push(chunk));
  channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  channel.on('exit', (status: number | null, name?: string) => {
    [code, signal] = [status, name];
  });
  channel.end(stdin);
  await once(channel, 'close');
  return { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), code, signal };
}
