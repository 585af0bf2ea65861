import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type ErrorCode, failure, GatewayError } from '../../../src/base/errors.ts';
import { measure } from '../../../src/ops/files/measure.ts';

async function* chunksOf(...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

interface Given {
  readonly chunks?: AsyncIterable<Uint8Array>;
  readonly size?: number | undefined;
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

async function run({ chunks = chunksOf('ab', '', 'cde'), size, maxBytes = 100, signal }: Given) {
  const heard: [number, number | undefined][] = [];
  const measured = measure(
    { size, chunks },
    {
      maxBytes,
      signal: signal ?? new AbortController().signal,
      onProgress: (bytes, total) => heard.push([bytes, total]),
    },
  );
  const passed: string[] = [];
  const failed = await (async () => {
    for await (const chunk of measured.chunks) passed.push(Buffer.from(chunk).toString());
  })().then(
    () => undefined,
    (error: unknown) => error,
  );
  return { heard, passed: passed.join(''), bytes: measured.bytes, failed, sum: () => measured.sha256() };
}

function codeOf(error: unknown): ErrorCode {
  assert.ok(error instanceof GatewayError, `not a GatewayError: ${error}`);
  return error.code;
}

test('bytes pass as they are, are counted and added up, and progress is told', async () => {
  for (const size of [undefined, 5]) {
    const { heard, passed, bytes, failed, sum } = await run({ size, maxBytes: 5 });
    assert.equal(failed, undefined);
    assert.deepEqual([passed, bytes], ['abcde', 5]);
    assert.equal(sum(), createHash('sha256').update('abcde').digest('hex'));
    assert.deepEqual(heard, [
      [2, size],
      [2, size],
      [5, size],
    ]);
  }
});

test('nothing at all is a file too', async () => {
  const { failed, bytes, sum } = await run({ chunks: chunksOf(), size: 0, maxBytes: 1 });
  assert.deepEqual([failed, bytes], [undefined, 0]);
  assert.equal(sum(), createHash('sha256').digest('hex'));
});

test('the byte too much does not pass, whatever was announced', async () => {
  for (const size of [undefined, 5, 10]) {
    const { failed, passed } = await run({ size, maxBytes: 4 });
    assert.equal(codeOf(failed), 'TOO_LARGE');
    assert.equal(passed, 'ab');
  }
});

test('what is more or less than announced is no whole file', async () => {
  const more = await run({ size: 4 });
  assert.deepEqual([codeOf(more.failed), more.passed], ['SIZE_MISMATCH', 'ab']);
  const less = await run({ size: 6 });
  assert.deepEqual([codeOf(less.failed), less.passed], ['SIZE_MISMATCH', 'abcde']);
  assert.match(String(less.failed), /6 bytes were announced and 5 came/);
});

test('a cancelled transfer lets nothing more pass', async () => {
  const stop = new AbortController();
  const chunks = async function* () {
    yield Buffer.from('ab');
    stop.abort(failure('TRANSFER_CANCELLED', {}));
    yield Buffer.from('cd');
  };
  const { failed, passed } = await run({ chunks: chunks(), signal: stop.signal });
  assert.deepEqual([codeOf(failed), passed], ['TRANSFER_CANCELLED', 'ab']);
});

test('the failure of the source is the failure', async () => {
  const broken = new Error('the source broke');
  const chunks = async function* () {
    yield Buffer.from('ab');
    throw broken;
  };
  const { failed } = await run({ chunks: chunks(), size: 2 });
  assert.equal(failed, broken);
});

test('no chunk is asked for before the last was taken', async () => {
  let asked = 0;
  const chunks = async function* () {
    for (;;) {
      asked++;
      yield Buffer.from('x');
    }
  };
  const { chunks: measured } = measure(
    { size: undefined, chunks: chunks() },
    { maxBytes: 100, signal: new AbortController().signal, onProgress: () => {} },
  );
  for await (const _ of measured) if (asked === 3) break;
  assert.equal(asked, 3);
});
