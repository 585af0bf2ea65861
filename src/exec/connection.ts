/** One live SSH connection and the channels on it. */
import type { Socket } from 'node:net';
import type { Client, ClientChannel, SFTPWrapper } from 'ssh2';
import { failure, GatewayError } from '../base/errors.ts';
import { StorageFailed } from './executor.ts';
import type { Exit } from './supervise.ts';

/** No channel could be opened on this connection; nothing was started. */
export class ChannelRefused extends Error {}

export interface SshChannel {
  readonly stream: ClientChannel;
  /** Settles with undefined where the channel or the connection went without it. */
  readonly exit: Promise<Exit | undefined>;
  /** Settles when the server has let go of the session. */
  readonly gone: Promise<void>;
  /** Settles when everything that was sent has been read, or, with false, nothing more can come. */
  readonly outputEnded: Promise<boolean>;
}

/** Ends on the host what runs on a connection, when the gateway is gone. */
export interface Guard {
  /** Whether it would notice. Where it would not, a command needs a backstop of its own. */
  readonly standing: boolean;
  /** Kills the process group when that many seconds are over, unless it is forgotten before. */
  watch(pgid: number, seconds: number): void;
  forget(pgid: number): void;
  /** Gives its place on the connection back. */
  close(): void;
}

/** How long the server may take to answer the request for a channel. */
const openTimeoutMs = 10_000;

/** A live connection. `closed` settles when it is gone, whatever the reason. */
export class SshConnection {
  readonly closed: Promise<void>;
  channels = 0;
  /** What the server was seen to take, until then; it may allow fewer sessions than sshd's default. */
  ceiling = { channels: Number.POSITIVE_INFINITY, until: 0 };
  idleSince = performance.now();
  guard: Guard | undefined;
  #open = true;
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #watchers = new Set<() => void>();

  constructor(client: Client, socket: Socket) {
    this.#client = client;
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      client.once('close', () => {
        this.#open = false;
        for (const watcher of this.#watchers) watcher();
        this.#watchers.clear();
        resolve();
      });
    });
  }

  get open(): boolean {
    return this.#open;
  }

  /** Bytes that have come from the host so far. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /**
   * Starts a shell line. Throws ChannelRefused where nothing was started, and CONNECTION_LOST where that
   * cannot be known: the connection went, or the server did not answer within 10 s and was given up.
   */
  async exec(line: string, host: string): Promise<SshChannel> {
    return await this.#channel(host, (resolve, reject) => {
      this.#client.exec(line, (error, channel) => {
        if (error === undefined) resolve(this.#listen(channel));
        else if (error.message === 'Unable to exec' && this.#open)
          reject(failure('COMMAND_NOT_STARTED', { where: `on ${host}` }, { cause: error }));
        else reject(error);
      });
    });
  }

  /** Opens an SFTP session. Throws as `exec` does, and StorageFailed where the server has no SFTP. */
  async sftp(host: string): Promise<SFTPWrapper> {
    return await this.#channel(host, (resolve, reject) => {
      this.#client.sftp((error, session) => {
        if (error !== undefined) {
          const refused = /unable to start subsystem/i.test(error.message) && this.#open;
          return reject(refused ? new StorageFailed('the host offers no SFTP', { cause: error }) : error);
        }
        // An 'error' without a listener would end the process.
        session.on('error', () => {});
        resolve(session);
      });
    });
  }

  /** Waits for an answer at most 10 s: a server that gives none is given up. */
  async #channel<T>(
    host: string,
    request: (resolve: (channel: T) => void, reject: (error: Error) => void) => void,
  ): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      const lost = () => reject(failure('CONNECTION_LOST', { host }));
      const unwatch = this.whenClosed(lost);
      const timer = setTimeout(() => this.abandon(), openTimeoutMs);
      const answered = () => {
        clearTimeout(timer);
        unwatch();
      };
      try {
        request(
          (channel) => {
            answered();
            resolve(channel);
          },
          (error) => {
            answered();
            if (error instanceof GatewayError || error instanceof StorageFailed) reject(error);
            else if ('reason' in error) reject(new ChannelRefused());
            else lost();
          },
        );
      } catch {
        // ssh2 throws at once on a client whose socket has just ended: nothing was sent.
        answered();
        this.#open = false;
        reject(new ChannelRefused());
      }
    });
  }

  /** Gives up a connection that does not answer. */
  abandon(): void {
    this.#socket.destroy();
  }

  close(): void {
    this.#client.end();
    // ssh2's own destroy() does nothing after end(), and a silent peer never answers that.
    const force = setTimeout(() => this.abandon(), 500);
    this.whenClosed(() => clearTimeout(force));
  }

  /**
   * Calls back when the connection goes. Whoever watches for less than its whole life must take the watch
   * back: a reaction left on `closed` would keep all that a call held until the connection ends.
   */
  whenClosed(watcher: () => void): () => void {
    if (!this.#open) watcher();
    else this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** At once: a short command's exit can arrive together with the word that it was started. */
  #listen(stream: ClientChannel): SshChannel {
    // An 'error' without a listener would end the process.
    stream.on('error', () => {});
    stream.stderr.on('error', () => {});
    let hearExit: (exit: Exit | undefined) => void = () => {};
    const exit = new Promise<Exit | undefined>((resolve) => {
      hearExit = resolve;
    });
    stream.once('exit', (code: number | null, signal?: string) => hearExit({ code, signal: signal ?? null }));
    const gone = new Promise<void>((resolve) => {
      const unwatch = this.whenClosed(resolve);
      stream.once('close', () => {
        unwatch();
        resolve();
      });
    }).then(() => hearExit(undefined));
    const outputEnded = new Promise<boolean>((resolve) => {
      const unwatch = this.whenClosed(() => resolve(false));
      void Promise.all([ended(stream), ended(stream.stderr)]).then(() => {
        unwatch();
        resolve(true);
      });
    });
    return { stream, exit, gone, outputEnded };
  }
}

function ended(stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('end', resolve);
  });
}
