/** From the address of an API host to a TLS connection whose certificate was accepted. */

import { isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { networkProblem } from '../base/network-errors.ts';
import { type Judge, NoTrust } from './trust.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Nothing was sent. `problem` completes «the host cannot be used: …». */
export class NotConnected extends Error {
  readonly problem: string;
  /** Whether it is its certificate that was not accepted. */
  readonly untrusted: boolean;
  /** The fingerprint of that certificate. */
  readonly seen: string | undefined;

  constructor(
    problem: string,
    options: { untrusted?: boolean; seen?: string | undefined; cause?: unknown } = {},
  ) {
    super(problem, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'NotConnected';
    this.problem = problem;
    this.untrusted = options.untrusted ?? false;
    this.seen = options.seen;
  }
}

/** Throws NotConnected. The whole way to an accepted certificate takes at most timeoutMs. */
export async function connect(
  { host, port }: Address,
  { court, timeoutMs }: { court: () => Judge; timeoutMs: number },
): Promise<TLSSocket> {
  const { options, objection } = judgeOf(court);
  const socket = connectTls(port, host, {
    servername: isIP(host) === 0 ? host : '',
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    // SECURITY: not a pardon. Below, nobody gets the socket before its certificate was accepted; that way a refusal
    // can tell which one was seen, and a pin can accept what no CA has signed.
    rejectUnauthorized: false,
    ...options,
  });
  socket.setNoDelay(true);
  let late: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      late = setTimeout(() => reject(new NotConnected('it did not answer in time')), timeoutMs);
      socket.once('secureConnect', resolve);
      socket.once('close', () => reject(new NotConnected('the connection was closed at once')));
      // Stays for the socket's whole life: an 'error' without a listener would end the process.
      socket.on('error', (cause) => reject(new NotConnected(describe(cause), { cause })));
    });
    // Once: Node hands it out a single time.
    const certificate = socket.getPeerX509Certificate();
    const problem = objection({ socket, certificate });
    if (problem !== undefined)
      throw new NotConnected(problem, { untrusted: true, seen: certificate?.fingerprint256 });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(late);
  }
}

function judgeOf(court: () => Judge): Judge {
  try {
    return court();
  } catch (cause) {
    if (cause instanceof NoTrust) throw new NotConnected(cause.message, { untrusted: true, cause });
    throw cause;
  }
}

function describe(error: Error): string {
  const problem = networkProblem(error);
  if (problem !== undefined) return problem;
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ETIMEDOUT') return 'it did not answer in time';
  if (code === 'ECONNRESET') return 'the connection was closed at once';
  return code === 'EPROTO' || code.startsWith('ERR_SSL')
    ? 'no TLS connection could be agreed on: is it the port of the REST API?'
    : 'the connection failed';
}
