/** One live SSH connection and the channels on it. */
import type { Client, ClientChannel } from 'ssh2';
import { failure } from '../base/errors.ts';
import type { Exit } from './supervise.ts';

/** No channel could be opened on this connection; nothing was started. */
export class ChannelRefused extends Error {}

export interface SshChannel {
  readonly stream: ClientChannel;
  /** Settles with undefined where the channel or the connection went without it. */
  readonly exit: Promise<Exit | undefined>;
  /** Settles when the server has let go of the session. */
  readonly gone: Promise<void>;
  /** Settles when everything that was sent has been read, or nothing more can come. */
  readonly outputEnded: Promise<void>;
}

/** A live connection. `closed` settles when it is gone, whatever the reason; race everything against it. */
export class SshConnection {
  readonly closed: Promise<void>;
  channels = 0;
  /** What the server was seen to take, until then; it may allow fewer sessions than sshd's default. */
  ceiling = { channels: Number.POSITIVE_INFINITY, until: 0 };
  idleSince = performance.now();
  #open = true;
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
    this.closed = new Promise((resolve) => {
      client.once('close', () => {
        this.#open = false;
        resolve();
      });
    });
  }

  get open(): boolean {
    return this.#open;
  }

  /**
   * Starts a shell line. Throws ChannelRefused where nothing was started, and CONNECTION_LOST where that
   * cannot be known.
   */
  async exec(line: string, host: string): Promise<SshChannel> {
    return await new Promise<SshChannel>((resolve, reject) => {
      const lost = () => reject(failure('CONNECTION_LOST', { host }));
      void this.closed.then(lost);
      try {
        this.#client.exec(line, (error, channel) => {
          if (error === undefined) resolve(this.#listen(channel));
          else if ('reason' in error) reject(new ChannelRefused());
          else if (error.message === 'Unable to exec')
            reject(failure('COMMAND_NOT_STARTED', { where: `on ${host}` }, { cause: error }));
          else lost();
        });
      } catch {
        // ssh2 throws at once on a client whose socket has just ended: nothing was sent.
        this.#open = false;
        reject(new ChannelRefused());
      }
    });
  }

  /** At once: a short command's exit can arrive together with the word that it was started. */
  #listen(stream: ClientChannel): SshChannel {
    const gone = new Promise<void>((resolve) => {
      stream.once('close', resolve);
      void this.closed.then(resolve);
    });
    const exit = new Promise<Exit | undefined>((resolve) => {
      stream.once('exit', (code: number | null, signal?: string) =>
        resolve({ code, signal: signal ?? null }),
      );
      void gone.then(() => resolve(undefined));
    });
    // An 'error' without a listener would end the process.
    stream.on('error', () => {});
    stream.stderr.on('error', () => {});
    const outputEnded = Promise.all([ended(stream), ended(stream.stderr)]).then(() => undefined);
    return { stream, exit, gone, outputEnded: Promise.race([outputEnded, this.closed]) };
  }

  close(): void {
    this.#client.end();
    const force = setTimeout(() => this.#client.destroy(), 500);
    void this.closed.then(() => clearTimeout(force));
  }
}

function ended(stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('end', resolve);
  });
}
