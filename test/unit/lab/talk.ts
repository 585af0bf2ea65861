/** Talks with a script over a channel: fields that end with NUL and raw bytes from it, lines and bytes to it. */
import { once } from 'node:events';
import type { ClientChannel } from 'ssh2';
import type { LabClient } from './client.ts';

export interface Talk {
  readonly channel: ClientChannel;
  /** The next fields. Rejects where the output ends before them. */
  fields(count: number): Promise<string[]>;
  bytes(count: number): Promise<Buffer>;
  /** Resolves when the channel has taken it. */
  send(data: string | Buffer): Promise<void>;
  /** Closes the input; resolves with the exit status when the channel is closed. */
  end(): Promise<number | null>;
  readonly stderr: () => string;
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Starts the script in container 100, or on the host, and takes note of its mark. */
export async function talk(
  client: LabClient,
  script: string,
  args: readonly string[],
  through: readonly string[] = ['lxc-attach', '-n', '100', '--clear-env', '--'],
): Promise<Talk> {
  const mark = 'THE-MARK';
  const argv = [...through, 'sh', '-c', script, 'sh', mark, ...args];
  const channel = await client.open(`exec ${argv.map(quote).join(' ')}`);
  let waiting: Buffer = Buffer.alloc(0);
  let [ended, stderr] = [false, ''];
  let code: number | null = null;
  let wake = () => {};
  channel.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk]);
    wake();
  });
  channel.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  channel.on('exit', (status: number | null) => {
    code = status;
  });
  const closed = once(channel, 'close').then(() => {
    ended = true;
    wake();
  });
  const take = async (length: () => number | undefined): Promise<Buffer> => {
    for (;;) {
      const size = length();
      if (size !== undefined && size <= waiting.length) {
        const taken = waiting.subarray(0, size);
        waiting = waiting.subarray(size);
        return taken;
      }
      if (ended) throw new Error(`the script ended: ${waiting.toString()} ${stderr}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const upTo = (end: number) => async () => {
    const piece = await take(() => {
      const at = waiting.indexOf(end);
      return at < 0 ? undefined : at + 1;
    });
    return piece.subarray(0, -1).toString();
  };
  const started = await upTo(0x0a)();
  if (started !== mark) throw new Error(`instead of the mark: ${started}`);
  return {
    channel,
    async fields(count) {
      const all: string[] = [];
      while (all.length < count) all.push(await upTo(0)());
      return all;
    },
    bytes: (count) => take(() => count),
    async send(data) {
      if (!channel.write(data)) await Promise.race([once(channel, 'drain'), closed]);
    },
    async end() {
      channel.end();
      await closed;
      return code;
    },
    stderr: () => stderr,
  };
}
