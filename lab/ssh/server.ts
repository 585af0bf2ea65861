/** The node's sshd: host key, two ways to log in, and the faults that tests ask of it. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ParsedKey } from 'ssh2';
import type { LabNode } from '../proxmox/node.ts';
import { createPoints, type LabPoint, type Points } from './points.ts';
import { serveSessions } from './sessions.ts';

/** sshd's MaxAuthTries, a bound on connections, and what is remembered of commands. */
const maxAuthTries = 6;
const maxConnections = 100;
const maxHeard = 1000;
const maxHeardChars = 10_000;

export interface LabControl {
  /** Breaks every connection as a lost network would. */
  dropConnections(): void;
  /** Hangs up on new connections before a word is said. */
  refuseConnections(refuse: boolean): void;
  /** Refuses the next channels, of whatever connection. */
  refuseNextChannels(count: number): void;
  refuseAuthentication(refuse: boolean): void;
  /** Does the action once, when the traffic reaches the point and before the node acts on it. */
  at(point: LabPoint, action: () => void): void;
  readonly connections: number;
  readonly authAttempts: number;
  /** What the latest commands were: their lines and what came to their standard input, at the most 1000 texts of 10,000 characters. */
  readonly heard: readonly string[];
  /** How many texts have come in all, those no longer remembered included. */
  readonly heardTotal: number;
}

export interface SshServer {
  readonly port: number;
  /** As OpenSSH shows it: `SHA256:…` without padding. */
  readonly hostKeyFingerprint: string;
  readonly control: LabControl;
  close(): Promise<void>;
}

export interface SshServerOptions {
  readonly node: LabNode;
  /** 0 for any free port. */
  readonly port: number;
  readonly hostKey: string;
  readonly username: string;
  readonly password: string;
  readonly clientKey: string;
}

function parseKey(text: string): ParsedKey {
  const parsed = ssh2.utils.parseKey(text);
  if (parsed instanceof Error) throw parsed;
  const [key] = [parsed].flat();
  if (key === undefined) throw new TypeError('the text holds no key');
  return key;
}

function sameText(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

interface State {
  readonly sockets: Set<Socket>;
  readonly heard: string[];
  readonly points: Points;
  heardTotal: number;
  authAttempts: number;
  refusesConnections: boolean;
  refusesAuthentication: boolean;
  refusedChannels: number;
}

/** Who may come in: the one user, by the password or by the key. */
function createAuthentication({ username, password, clientKey }: SshServerOptions, state: State) {
  const known = parseKey(clientKey);
  return (context: AuthContext): boolean => {
    if (state.refusesAuthentication || context.username !== username) return false;
    if (context.method === 'password') return sameText(context.password, password);
    if (context.method !== 'publickey' || !context.key.data.equals(known.getPublicSSH())) return false;
    if (context.signature === undefined || context.blob === undefined) return true;
    return known.verify(context.blob, context.signature, context.hashAlgo) === true;
  };
}

function serveClient(
  client: Connection,
  state: State,
  node: LabNode,
  accepts: (context: AuthContext) => boolean,
): void {
  let tries = 0;
  client.on('error', () => {});
  client.on('authentication', (context) => {
    const asksOnly = context.method === 'publickey' && context.signature === undefined;
    if (context.method !== 'none' && !asksOnly) {
      tries += 1;
      state.authAttempts += 1;
    }
    if (context.method !== 'none' && accepts(context)) context.accept();
    else if (tries >= maxAuthTries) client.end();
    else context.reject(['publickey', 'password']);
  });
  serveSessions(client, {
    node,
    refuses() {
      if (state.refusedChannels === 0) return false;
      state.refusedChannels -= 1;
      return true;
    },
    heard(text) {
      state.heardTotal += 1;
      state.heard.push(text.slice(0, maxHeardChars));
      if (state.heard.length > maxHeard) state.heard.shift();
      state.points.heard(text);
    },
    received: state.points.received,
    sending: state.points.sending,
  });
}

function createControl(state: State): LabControl {
  return {
    dropConnections() {
      for (const socket of state.sockets) socket.destroy();
    },
    refuseConnections(refuse) {
      state.refusesConnections = refuse;
    },
    refuseNextChannels(count) {
      state.refusedChannels = count;
    },
    refuseAuthentication(refuse) {
      state.refusesAuthentication = refuse;
    },
    at: state.points.at,
    get connections() {
      return state.sockets.size;
    },
    get authAttempts() {
      return state.authAttempts;
    },
    get heard() {
      return state.heard;
    },
    get heardTotal() {
      return state.heardTotal;
    },
  };
}

/** Resolves when the server listens on 127.0.0.1. */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const state: State = {
    ...{ sockets: new Set(), heard: [], points: createPoints(), heardTotal: 0, authAttempts: 0 },
    ...{ refusesConnections: false, refusesAuthentication: false, refusedChannels: 0 },
  };
  const accepts = createAuthentication(options, state);
  const ssh = new ssh2.Server({ hostKeys: [options.hostKey], ident: 'OpenSSH_10.0p1 Debian-7' }, (client) =>
    serveClient(client, state, options.node, accepts),
  );
  ssh.on('error', () => {});
  const listener = createServer((socket) => {
    socket.on('error', () => {});
    if (state.refusesConnections || state.sockets.size >= maxConnections) {
      socket.destroy();
      return;
    }
    state.sockets.add(socket);
    socket.on('close', () => state.sockets.delete(socket));
    socket.setNoDelay(true);
    ssh.injectSocket(socket);
  });
  listener.listen(options.port, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const control = createControl(state);
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    hostKeyFingerprint: fingerprint(parseKey(options.hostKey)),
    control,
    async close() {
      const closed = once(listener, 'close');
      listener.close();
      control.dropConnections();
      await closed;
    },
  };
}

function fingerprint(key: ParsedKey): string {
  const digest = createHash('sha256').update(key.getPublicSSH()).digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}
