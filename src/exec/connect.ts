/** From a host's address to a live connection: proven host key, one way of authentication, a POSIX shell. */
import { createConnection, type Socket } from 'node:net';
import ssh2, { type AnyAuthMethod, type Client, type ConnectConfig } from 'ssh2';
import { failure, GatewayError } from '../base/errors.ts';
import { networkProblem } from '../base/network-errors.ts';
import { quote } from '../base/shell.ts';
import { ChannelRefused, SshConnection } from './connection.ts';
import { fingerprintOf, type HostKeyPolicy, keyTypeOf } from './host-keys.ts';

export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  /** Read anew at every connect, so that a rotated key counts. Throws if the file is gone. */
  readonly credential: () => Credential;
  readonly hostKeys: HostKeyPolicy;
}

export type Credential =
  | { readonly kind: 'key'; readonly key: string; readonly passphrase: string | undefined }
  | { readonly kind: 'password'; readonly password: string };

/** Waits, bounded; what ends them is the caller's to handle. */
const connectTimeoutMs = 10_000;
const keepaliveIntervalMs = 10_000;
const keepaliveMisses = 3;

const keyFamilies: readonly (readonly string[])[] = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
];

/** AES-GCM first: two to three times as fast here as ChaCha20. No SHA-1 anywhere. */
const algorithms = {
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes256-ctr',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group14-sha256',
  ],
} satisfies ConnectConfig['algorithms'];

/**
 * Connects, proves the host key, authenticates and checks the login shell.
 * Throws GatewayError: HOST_UNREACHABLE, HOST_KEY_REFUSED, SSH_AUTH_FAILED, SHELL_UNSUPPORTED.
 */
export async function connect(target: SshTarget): Promise<SshConnection> {
  let refused: Buffer | undefined;
  // A pin says nothing of its key's type, and the server shows one key only: ask for another type then.
  for (let families = keyFamilies; families.length > 0; ) {
    const attempt = await handshake(target, families.flat());
    if (attempt.kind === 'ready') {
      const connection = new SshConnection(attempt.client, attempt.socket);
      await checkShell(connection, target.host);
      return connection;
    }
    if (attempt.kind === 'failed' && refused === undefined) throw attempt.error;
    if (attempt.kind === 'failed') break;
    refused ??= attempt.key;
    const seen = keyTypeOf(attempt.key);
    const rest = families.filter((family) => !family.includes(seen === 'ssh-rsa' ? 'rsa-sha2-512' : seen));
    if (rest.length === families.length) break;
    families = rest;
  }
  throw failure('HOST_KEY_REFUSED', {
    host: target.host,
    seen: refused === undefined ? 'none' : fingerprintOf(refused),
  });
}

type Attempt =
  | { readonly kind: 'ready'; readonly client: Client; readonly socket: Socket }
  | { readonly kind: 'refused'; readonly key: Buffer }
  | { readonly kind: 'failed'; readonly error: GatewayError };

async function handshake(target: SshTarget, serverHostKey: readonly string[]): Promise<Attempt> {
  const client = new ssh2.Client();
  let refusedKey: Buffer | undefined;
  let problem: Error | undefined;
  const settled = new Promise<boolean>((resolve) => {
    client.once('ready', () => resolve(true));
    client.once('close', () => resolve(false));
    // Stays for the client's whole life: an 'error' without a listener would end the process.
    client.on('error', (error) => {
      problem ??= error;
      socket.destroy();
    });
  });
  // Ours, so that it can be ended whatever state ssh2 is in. With Nagle's algorithm each small packet would
  // wait for the acknowledgement of the one before: 40 ms a call.
  const socket = createConnection({ host: target.host, port: target.port, noDelay: true });
  // Not before: the last word of a handshake that fails must be out when the socket is destroyed.
  client.once('ready', () => gatherWrites(socket));
  try {
    client.connect({
      ...authentication(target),
      sock: socket,
      readyTimeout: connectTimeoutMs,
      keepaliveInterval: keepaliveIntervalMs,
      keepaliveCountMax: keepaliveMisses,
      agentForward: false,
      algorithms: { ...algorithms, serverHostKey: [...serverHostKey] as never },
      // SECURITY: without a verifier ssh2 accepts any key.
      hostVerifier: (key: Buffer) => {
        const accepted = target.hostKeys.accepts(key);
        if (!accepted) refusedKey = Buffer.from(key);
        return accepted;
      },
    });
  } catch (error) {
    socket.on('error', () => {}).destroy();
    return { kind: 'failed', error: toFailure(error, target) };
  }
  if (await settled) return { kind: 'ready', client, socket };
  if (refusedKey !== undefined) return { kind: 'refused', key: refusedKey };
  return { kind: 'failed', error: toFailure(problem, target) };
}

/**
 * ssh2 writes each packet in three pieces, every one a segment of its own that wakes the server up. What is
 * written in one turn goes out together.
 */
function gatherWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (...args: unknown[]) => {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    return write(...args);
  };
}

/** Exactly one method, so that no other credential of this machine is ever offered. */
function authentication({ credential, username, host }: SshTarget): ConnectConfig {
  const found = credential();
  const problem = found.kind === 'key' ? keyProblem(found.key, found.passphrase) : undefined;
  if (problem !== undefined)
    throw failure('HOST_UNREACHABLE', { host, problem: `the gateway's own key file ${problem}` });
  const method: AnyAuthMethod =
    found.kind === 'password'
      ? { type: 'password', username, password: found.password }
      : {
          type: 'publickey',
          username,
          key: found.key,
          ...(found.passphrase === undefined ? {} : { passphrase: found.passphrase }),
        };
  // ssh2 takes method objects in this list; its type declarations know only their names.
  return { username, authHandler: [method] as never };
}

/** What is wrong with a private key's text, or undefined. */
export function keyProblem(key: string, passphrase: string | undefined): string | undefined {
  const parsed = ssh2.utils.parseKey(key, passphrase);
  if (!(parsed instanceof Error)) return undefined;
  if (/encrypted|passphrase/i.test(parsed.message)) {
    return passphrase === undefined
      ? 'is encrypted: set SSH_KEY_PASSPHRASE, or SSH_KEY_PASSPHRASE_FILE'
      : 'cannot be decrypted with SSH_KEY_PASSPHRASE';
  }
  return 'does not hold a private key that OpenSSH would read';
}

function toFailure(error: unknown, target: SshTarget): GatewayError {
  if (error instanceof GatewayError) return error;
  const { host, username } = target;
  const level = error instanceof Error && 'level' in error ? error.level : undefined;
  if (level === 'client-authentication')
    return failure('SSH_AUTH_FAILED', { host, username }, { cause: error });
  return failure('HOST_UNREACHABLE', { host, problem: describe(error) }, { cause: error });
}

function describe(error: unknown): string {
  const problem = networkProblem(error);
  if (problem !== undefined) return problem;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'EACCES') return "the gateway's own key file cannot be read";
  if (error instanceof Error && /timed out/i.test(error.message)) return 'it did not answer in time';
  return droppedHandshake;
}

/** How a server that sheds load, or bans an address, shows itself. */
export const droppedHandshake = 'the connection ended during the handshake';

const endedAtOnce = 'the connection ended at once';

const probeText = `a'b\\\\c\\n"$HOME" !~*`;

/** Everything later relies on the login shell reading quoted arguments as POSIX says. */
async function checkShell(connection: SshConnection, host: string): Promise<void> {
  const mark = 'shell-probe:';
  const channel = await connection
    .exec(`printf '%s\\n' ${quote(mark + probeText)}`, host)
    .catch((error: unknown) => {
      connection.close();
      if (error instanceof ChannelRefused) throw failure('BUSY', { what: 'SSH sessions', retryInS: 5 });
      // No call has been dispatched yet: a connection that ends here is a connect that failed.
      throw failure('HOST_UNREACHABLE', { host, problem: endedAtOnce }, { cause: error });
    });
  const { stream, outputEnded } = channel;
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= 64 * 1024) chunks.push(chunk);
  });
  stream.stderr.resume();
  stream.end();
  const tooLate = new Promise<void>((resolve) => {
    setTimeout(resolve, connectTimeoutMs).unref();
  });
  const inTime = await Promise.race([outputEnded.then(() => true), tooLate.then(() => false)]);
  if (Buffer.concat(chunks).toString('utf8').includes(`${mark}${probeText}\n`)) return;
  const wasOpen = connection.open;
  connection.close();
  if (wasOpen && inTime) throw failure('SHELL_UNSUPPORTED', { host });
  const problem = wasOpen ? 'its login shell did not answer in time' : endedAtOnce;
  throw failure('HOST_UNREACHABLE', { host, problem });
}

/** The fingerprints of the keys that a server shows, without trying to log in; none where it does not answer. */
export async function scanHostKeys({
  host,
  port,
}: {
  host: string;
  port: number;
}): Promise<readonly string[]> {
  const seen: string[] = [];
  const hostKeys: HostKeyPolicy = {
    accepts(key) {
      seen.push(fingerprintOf(key));
      return false;
    },
  };
  const credential = (): Credential => ({ kind: 'password', password: '' });
  await connect({ host, port, username: 'nobody', credential, hostKeys }).catch(() => {});
  return seen;
}
