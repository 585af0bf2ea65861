/** The connections to one host: opened when needed, one at a time, with a bounded queue in front. */
import { failure, GatewayError } from '../base/errors.ts';
import { connect, droppedHandshake, type SshTarget } from './connect.ts';
import type { SshConnection } from './connection.ts';
import type { ExecutorEvents, ExecutorStatus } from './executor.ts';
import { type Hold, holdAfter, withRetry } from './hold.ts';

/** sshd allows 10 sessions a connection: one is the guard's, closed ones linger, one must stay free to stop a command. */
const maxChannels = 7;
const maxUrgentChannels = 9;
/** Spares leave room for commands that come while none is ready. */
const maxWithSpares = 5;
const maxConnections = 8;
const maxQueued = 256;
const queueWaitMs = 30_000;
const idleMs = 60_000;
/** How long a refusal counts: it may have been a session that lingered. */
const ceilingMs = 5_000;

export interface Lease {
  readonly connection: SshConnection;
  release(): void;
  /** Gives the place back and remembers that the server took no more channels on this connection. */
  refused(): void;
}

interface Waiter {
  readonly grant: (lease: Lease) => void;
  readonly refuse: (error: unknown) => void;
}

export class SshPool {
  readonly #target: SshTarget;
  readonly #events: ExecutorEvents;
  readonly #prepare: (connection: SshConnection) => void;
  readonly #keepsUp: boolean;
  readonly #connections = new Set<SshConnection>();
  readonly #waiters: Waiter[] = [];
  #connecting: Promise<void> | undefined;
  #failures = 0;
  #drops = 0;
  #trouble: Hold | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #reaper: NodeJS.Timeout;

  /** `prepare` is called with every connection as soon as it can be used. */
  constructor(input: {
    target: SshTarget;
    events: ExecutorEvents;
    prepare: (connection: SshConnection) => void;
    /** Whether a connection is made and kept without being asked for. */
    keepsUp: boolean;
  }) {
    this.#target = input.target;
    this.#events = input.events;
    this.#prepare = input.prepare;
    this.#keepsUp = input.keepsUp;
    this.#reaper = setInterval(() => this.#reapIdle(), idleMs / 4).unref();
  }

  /**
   * A place for one channel. Waits at most 30 s behind at most 256 others; `urgent` places, for stopping
   * what runs, are taken on any live connection and never wait for a new one.
   */
  async acquire({ signal, urgent = false }: { signal: AbortSignal; urgent?: boolean }): Promise<Lease> {
    if (this.#closed) throw failure('SHUTTING_DOWN', {});
    if (signal.aborted) throw failure('CANCELLED_EARLY', {});
    const free = this.#freest(urgent ? maxUrgentChannels : maxChannels);
    if (free !== undefined) return this.#lease(free);
    this.#refuseWhileInTrouble();
    if (this.#waiters.length >= maxQueued)
      throw failure('BUSY', { what: 'commands waiting for the host', retryInS: 5 });
    const lease = this.#wait(signal);
    this.connectSoon();
    return await lease;
  }

  /**
   * A place that nobody needs now, for a shell opened ahead. All are on one connection, so that the others
   * can fall idle.
   */
  spare(): Lease | undefined {
    const [oldest] = this.#connections;
    if (this.#closed || this.#waiters.length > 0 || oldest === undefined) return undefined;
    const most = performance.now() < oldest.ceiling.until ? oldest.ceiling.channels - 1 : maxWithSpares;
    return oldest.open && oldest.channels < most ? this.#lease(oldest) : undefined;
  }

  /** Opens a connection in the background where there is room for one, none is being opened and no hold lasts. */
  connectSoon(): void {
    if (this.#trouble === undefined || performance.now() >= this.#trouble.until) this.#connectNow();
  }

  #connectNow(): void {
    if (this.#closed || this.#connecting !== undefined || this.#connections.size >= maxConnections) return;
    clearTimeout(this.#retry);
    this.#connecting = this.#connect().finally(() => {
      this.#connecting = undefined;
      if (this.#waiters.length > 0 && this.#trouble === undefined) this.connectSoon();
    });
  }

  status(): ExecutorStatus {
    const open = [...this.#connections];
    const problem = this.#trouble?.error.code;
    return {
      connected: open.length > 0,
      connections: open.length,
      channels: open.reduce((sum, connection) => sum + connection.channels, 0),
      queued: this.#waiters.length,
      ...(open.length === 0 && problem !== undefined ? { problem } : {}),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#reaper);
    clearTimeout(this.#retry);
    for (const waiter of this.#waiters.splice(0)) waiter.refuse(failure('SHUTTING_DOWN', {}));
    const open = [...this.#connections];
    for (const connection of open) connection.close();
    await Promise.all(open.map(({ closed }) => closed));
  }

  #freest(limit: number): SshConnection | undefined {
    const now = performance.now();
    let best: SshConnection | undefined;
    for (const connection of this.#connections) {
      const { ceiling, channels, open } = connection;
      const most = now < ceiling.until ? Math.min(limit, ceiling.channels) : limit;
      if (open && channels < most && (best === undefined || channels < best.channels)) best = connection;
    }
    return best;
  }

  #lease(connection: SshConnection): Lease {
    connection.channels++;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      connection.channels--;
      connection.idleSince = performance.now();
      this.#serveWaiters();
    };
    return {
      connection,
      release,
      refused() {
        const others = connection.channels - 1;
        // A server that allows one session only: the command needs it more than the guard.
        if (others === 0) connection.guard?.close();
        const channels = Math.max(1, others);
        connection.ceiling = { channels, until: performance.now() + ceilingMs };
        release();
      },
    };
  }

  #serveWaiters(): void {
    for (let free = this.#freest(maxChannels); free !== undefined; free = this.#freest(maxChannels)) {
      const waiter = this.#waiters.shift();
      if (waiter === undefined) return;
      waiter.grant(this.#lease(free));
    }
  }

  async #wait(signal: AbortSignal): Promise<Lease> {
    return await new Promise<Lease>((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        const at = this.#waiters.indexOf(waiter);
        if (at >= 0) this.#waiters.splice(at, 1);
      };
      const waiter: Waiter = {
        grant: (lease) => {
          leave();
          resolve(lease);
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const onAbort = () => waiter.refuse(failure('CANCELLED_EARLY', {}));
      const timer = setTimeout(
        () => waiter.refuse(failure('BUSY', { what: 'every place on the host is taken', retryInS: 10 })),
        queueWaitMs,
      );
      this.#waiters.push(waiter);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #refuseWhileInTrouble(): void {
    if (this.#connections.size > 0 || this.#trouble === undefined || this.#connecting !== undefined) return;
    const waitMs = this.#trouble.until - performance.now();
    if (waitMs > 0) throw withRetry(this.#trouble.error, this.#target, Math.ceil(waitMs / 1000));
  }

  async #connect(): Promise<void> {
    try {
      const connection = await connect(this.#target);
      if (this.#closed) return connection.close();
      this.#failures = 0;
      this.#drops = 0;
      this.#trouble = undefined;
      this.#connections.add(connection);
      this.#events.connected();
      this.#prepare(connection);
      void connection.closed.then(() => this.#onClosed(connection));
      this.#serveWaiters();
    } catch (error) {
      this.#onConnectFailed(
        error instanceof GatewayError
          ? error
          : failure(
              'HOST_UNREACHABLE',
              { host: this.#target.host, problem: 'unknown reason' },
              { cause: error },
            ),
      );
    }
  }

  #onClosed(connection: SshConnection): void {
    this.#connections.delete(connection);
    this.#events.disconnected();
    if (this.#connections.size > 0 || !(this.#keepsUp || this.#waiters.length > 0)) return;
    if (this.#trouble === undefined || performance.now() >= this.#trouble.until) this.connectSoon();
    else this.#hold(this.#trouble);
  }

  #onConnectFailed(error: GatewayError): void {
    this.#events.connectFailed(error.code);
    this.#failures++;
    this.#drops = error.message.includes(droppedHandshake) ? this.#drops + 1 : 0;
    this.#trouble = holdAfter(error, this.#failures, this.#drops);
    if (this.#connections.size === 0) this.#hold(this.#trouble);
  }

  /** Nobody waits for a host that cannot be had; it is tried again without being asked. */
  #hold({ error, retryAt }: Hold): void {
    for (const waiter of this.#waiters.splice(0)) waiter.refuse(error);
    clearTimeout(this.#retry);
    if (this.#closed || !this.#keepsUp) return;
    // The timer itself ends the hold: it may fire a fraction before the clock says so.
    this.#retry = setTimeout(() => this.#connectNow(), Math.max(0, retryAt - performance.now())).unref();
  }

  /** One connection stays where the pool is to be kept up. */
  #reapIdle(): void {
    for (const connection of this.#connections) {
      if (this.#keepsUp && this.#connections.size <= 1) return;
      if (connection.channels === 0 && performance.now() - connection.idleSince > idleMs) connection.close();
    }
  }
}
