/** Talks with real shells, started as a gateway on the host itself starts them. */
import assert from 'node:assert/strict';
import { GatewayError } from '../../../src/base/errors.ts';
import { converse, type Peer, PeerGone } from '../../../src/exec/dialogue.ts';
import type { Executor } from '../../../src/exec/executor.ts';
import { createLocalExecutor } from '../../../src/exec/local.ts';
import { eventually } from '../../gateway/harness.ts';

export const mebibyte = 1024 * 1024;
export const local = createLocalExecutor({ sudo: false });

export function talkWith<T>(
  script: string,
  talk: (peer: Peer) => Promise<T>,
  options: { args?: readonly string[]; signal?: AbortSignal; timeoutMs?: number; executor?: Executor } = {},
): Promise<T> {
  const { args = [], signal = new AbortController().signal, timeoutMs = 30_000, executor = local } = options;
  const argv: [string, ...string[]] = ['/bin/sh', '-c', script, 'sh', ...args];
  return converse({
    executor,
    command: { argv, timeoutMs, maxBytes: 16_384 },
    signal,
    talk,
    farewellMs: 5_000,
  });
}

export async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

export async function goneWith(promise: Promise<unknown>): Promise<PeerGone['ending']> {
  const error = await promise.then(
    () => assert.fail('it did not end'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PeerGone, `not a PeerGone: ${error}`);
  return error.ending;
}

export const failsWith = (code: string) => (error: unknown) =>
  error instanceof GatewayError && error.code === code;

/** Of processes of this machine, whose command line holds the text. */
export function isGone(mark: string): Promise<true> {
  return eventually(async () => {
    const { stdout } = await local.run(
      // The letter in brackets keeps this shell from finding itself.
      {
        argv: ['/bin/sh', '-c', `pgrep -f -- "[${mark[0]}]${mark.slice(1)}" | head -c 1`],
        timeoutMs: 5_000,
        maxBytes: 10,
      },
      { signal: new AbortController().signal },
    );
    return stdout.totalBytes === 0 ? true : undefined;
  });
}
