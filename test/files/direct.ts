/** One-time URLs used slowly: a transfer that is under way for as long as a test wants. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { type Args, type Hands, movedBy } from './hands.ts';

export interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Put {
  readonly url: string;
  send(bytes: Uint8Array): void;
  /** Resolves with the answer, whether or not all was sent. */
  answer(): Promise<Answer>;
  /** Sends what is left, and waits for the answer. */
  end(rest?: Uint8Array): Promise<Answer>;
  abort(): void;
}

export async function startPut(
  hands: Hands,
  path: string,
  args: Args,
  { announced }: { announced: number | undefined },
): Promise<Put> {
  const url = urlOf(await hands.up(path, { ...args, transfer: 'url' }));
  const headers = announced === undefined ? {} : { 'content-length': announced };
  const put = request(url, { method: 'PUT', headers });
  const answer = answered(put);
  // Heard of by whoever asks for the answer.
  answer.catch(() => {});
  put.flushHeaders();
  return {
    url,
    send: (bytes) => void put.write(bytes),
    answer: () => answer,
    async end(rest) {
      put.end(rest);
      return await answer;
    },
    abort: () => put.destroy(),
  };
}

async function answered(put: ClientRequest): Promise<Answer> {
  const broken = once(put, 'error').then(([error]) => {
    throw error;
  });
  const [response] = (await Promise.race([once(put, 'response'), broken])) as [IncomingMessage];
  broken.catch(() => {});
  const body = JSON.parse((await buffer(response)).toString());
  return { status: response.statusCode ?? 0, code: body.code, body };
}

export interface Get {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  /** All that is left. Rejects where the connection ends before the file does. */
  rest(): Promise<Buffer>;
  abort(): void;
}

/** Nothing of the file is read before it is asked for. Throws where the answer is not the file. */
export async function startGet(hands: Hands, path: string): Promise<Get> {
  const url = urlOf(await hands.down(path, { transfer: 'url' }));
  const get = request(url);
  get.end();
  const [response] = (await once(get, 'response')) as [IncomingMessage];
  response.pause();
  const { statusCode: status = 0, headers } = response;
  if (status !== 200) assert.fail(`${status}: ${(await buffer(response)).toString()}`);
  return { url, headers, rest: () => buffer(response), abort: () => get.destroy() };
}

function urlOf(result: Parameters<typeof movedBy>[0]): string {
  const { url } = movedBy(result);
  assert.ok(url !== undefined);
  return url;
}
