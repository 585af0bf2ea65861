/** What a logged-in client may do: run commands and open SFTP, a few at a time. */
import { setTimeout } from 'node:timers/promises';
import type { Connection, ServerChannel, Session } from 'ssh2';
import { toByteString } from '../byte-string.ts';
import { root } from '../files/inode.ts';
import type { LabNode } from '../proxmox/node.ts';
import { bash } from '../shell/program.ts';
import { createChannelFiles } from './channel-files.ts';
import { serveSftp } from './sftp.ts';

/** sshd's MaxSessions. */
const maxSessions = 10;
/** Of one piece of standard input. */
const maxHeardBytes = 10_000;

export interface SessionRules {
  readonly node: LabNode;
  /** Whether the next channel is to be refused. */
  refuses(): boolean;
  /** A command line, or a piece of a command's standard input. */
  heard(text: string): void;
  /** Bytes of a command's standard input, or of a file written by SFTP, before anything is done with them. */
  received(bytes: number): void;
  /** Bytes of output, or of a file read by SFTP, before they go out. */
  sending(bytes: number): void;
}

export function serveSessions(client: Connection, rules: SessionRules): void {
  let open = 0;
  client.on('session', (accept, reject) => {
    if (open >= maxSessions || rules.refuses()) {
      reject();
      return;
    }
    open += 1;
    let counts = true;
    serveSession(accept(), rules, () => {
      if (counts) open -= 1;
      counts = false;
    });
  });
}

function serveSession(session: Session, rules: SessionRules, closed: () => void): void {
  const { node, heard } = rules;
  const env = new Map<string, string>();
  session.on('error', () => {});
  session.on('close', closed);
  session.on('env', (accept: (() => void) | undefined, reject: (() => void) | undefined, { key, val }) => {
    if (/^(LANG|LC_\w+)$/.test(key)) {
      env.set(key, toByteString(val));
      accept?.();
    } else reject?.();
  });
  for (const refused of ['pty', 'x11', 'shell', 'subsystem', 'auth-agent', 'window-change'] as const)
    session.on(refused, (_accept: unknown, reject: (() => void) | undefined) => reject?.());
  session.on('exec', (accept, _reject, { command }) => {
    const channel = accept();
    channel.on('error', () => {});
    channel.on('close', closed);
    heard(command);
    channel.on('data', (chunk: Buffer) => {
      heard(chunk.toString('utf8', 0, maxHeardBytes));
      rules.received(chunk.length);
    });
    runCommand(channel, rules, toByteString(command), env).catch(() => channel.close());
  });
  session.on('sftp', (accept) => {
    const sftp = accept();
    sftp.on('error', () => {});
    sftp.on('close', closed);
    serveSftp(sftp, node.machine, rules);
  });
}

/** The login shell's environment, as sshd and PAM make it. */
function loginEnvironment(sent: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([
    ['USER', 'root'],
    ['LOGNAME', 'root'],
    ['HOME', '/root'],
    ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    ['SHELL', '/bin/bash'],
    ['LANG', 'C.UTF-8'],
    ['MOTD_SHOWN', 'pam'],
    ['SSH_CLIENT', '127.0.0.1 40000 22'],
    ['SSH_CONNECTION', '127.0.0.1 40000 127.0.0.1 22'],
    ...sent,
  ]);
}

/** How long sshd takes to start a login shell. */
const forkMs = 1;

/** The command leads a process group of its own; it outlives its channel unless something ends it. */
async function runCommand(
  channel: ServerChannel,
  { node, sending }: SessionRules,
  line: string,
  sent: ReadonlyMap<string, string>,
): Promise<void> {
  const files = createChannelFiles(channel, sending);
  await setTimeout(forkMs);
  const process = node.processes.start({
    ...{ argv: ['bash', '-c', line], program: bash, machine: node.machine, who: root },
    ...{ env: loginEnvironment(sent), cwd: '/root', umask: 0o022, ignored: [], parent: 1 },
    fds: new Map([
      [0, files.stdin],
      [1, files.stdout],
      [2, files.stderr],
    ]),
  });
  const exit = await process.exited;
  if ('code' in exit) channel.exit(exit.code);
  else channel.exit(exit.signal, false, '');
  // A child in the background that still holds the output keeps the channel open.
  await files.released;
  channel.end();
}
