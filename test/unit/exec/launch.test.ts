import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLine, quote } from '../../../src/base/shell.ts';
import type { Command } from '../../../src/exec/executor.ts';
import { createStartReader, launch, maxLineBytes } from '../../../src/exec/launch.ts';

const command: Command = { argv: ['echo', "it's"], timeoutMs: 30_000, maxBytes: 1000 };
const nonce = '0123456789abcdef01234567';

function read(chunks: readonly string[], announces?: string) {
  const reader = createStartReader(nonce, announces);
  const output = chunks.map((chunk) => reader.push(Buffer.from(chunk)).toString('utf8')).join('');
  return { output, pgid: reader.pgid, begun: reader.begun };
}

/** Every way to part a text in two, and into single bytes. */
function cuts(text: string): string[][] {
  const pairs = Array.from({ length: text.length + 1 }, (_, at) => [text.slice(0, at), text.slice(at)]);
  return [...pairs, [...text]];
}

test('the line reports its process group, then becomes the command under a backstop', () => {
  const { line, nonce: own } = launch(command, { sudo: false });
  assert.match(own, /^[0-9a-f]{24}$/);
  const started = commandLine(['timeout', '-s', 'KILL', '35', 'echo', "it's"]);
  assert.equal(line, `printf '%s %s\\n' ${own} "$$" && exec ${started}`);
});

test('with sudo the same line is one argument of a shell of root', () => {
  const { line, nonce: own } = launch(command, { sudo: true });
  const inner = `printf '%s %s\\n' ${own} "$$" && exec ${commandLine(['timeout', '-s', 'KILL', '35', ...command.argv])}`;
  assert.equal(line, `exec sudo -n -- /bin/sh -c ${quote(inner)}`);
});

test('no two lines share a nonce', () => {
  const nonces = Array.from({ length: 100 }, () => launch(command, { sudo: false }).nonce);
  assert.equal(new Set(nonces).size, 100);
});

test('the backstop is in whole seconds and never before the deadline', () => {
  for (const [timeoutMs, seconds] of [
    [1, 6],
    [1000, 6],
    [1001, 7],
    [86_400_000, 86_405],
  ] as const)
    assert.match(launch({ ...command, timeoutMs }, { sudo: false }).line, new RegExp(`'KILL' '${seconds}'`));
});

test('the bound on the line holds after quoting, at every level', () => {
  const spare =
    maxLineBytes - Buffer.byteLength(launch({ ...command, argv: ['echo', ''] }, { sudo: false }).line);
  const of = (text: string, sudo: boolean) => () => launch({ ...command, argv: ['echo', text] }, { sudo });
  assert.equal(Buffer.byteLength(of('a'.repeat(spare), false)().line), maxLineBytes);
  assert.throws(of('a'.repeat(spare + 1), false), { name: 'RangeError', message: /100001 bytes.*100000/ });
  assert.throws(of('é'.repeat(spare / 2 + 1), false), { name: 'RangeError' });
  assert.doesNotThrow(of("'".repeat(20_000), false));
  assert.throws(of("'".repeat(40_000), false), { name: 'RangeError' });
  assert.throws(of("'".repeat(20_000), true), { name: 'RangeError' });
  assert.throws(of('a\0b', false), { name: 'RangeError', message: /NUL/ });
});

test('the group is read wherever the chunks part', () => {
  for (const chunks of cuts(`${nonce} 4711\nout\n`))
    assert.deepEqual(read(chunks), { output: 'out\n', pgid: 4711, begun: true }, JSON.stringify(chunks));
});

test('what a login script printed before is not the output of the command', () => {
  for (const chunks of cuts(`Welcome!\n0123456789 no line end ${nonce} 4711\nout`))
    assert.deepEqual(read(chunks), { output: 'out', pgid: 4711, begun: true });
});

test('a login script that shows this very line among the processes does not mislead', () => {
  const shown = `root 12 sh -c printf '%s %s\\n' ${nonce} "$$"; exec timeout\n`;
  for (const chunks of cuts(`${shown}${nonce} 4711\nout`))
    assert.deepEqual(read(chunks), { output: 'out', pgid: 4711, begun: true });
});

test('output that repeats the line of the start stays output', () => {
  const payload = `${nonce} 1\n${nonce} 2\n`;
  for (const chunks of cuts(`${nonce} 4711\n${payload}`))
    assert.deepEqual(read(chunks), { output: payload, pgid: 4711, begun: true });
});

test('the announcement is taken out wherever the chunks part', () => {
  for (const chunks of cuts(`noise\n${nonce} 4711\nmark\nout\n`))
    assert.deepEqual(read(chunks, 'mark'), { output: 'out\n', pgid: 4711, begun: true });
});

test('an announcement counts once and only as the first line', () => {
  assert.deepEqual(read([`${nonce} 4711\nmark\nmark\nout`], 'mark'), {
    output: 'mark\nout',
    pgid: 4711,
    begun: true,
  });
  for (const output of ['out\nmark\n', 'marker\n', 'mar', ' mark\n', 'mark \n']) {
    const { begun } = read([`${nonce} 4711\n${output}`], 'mark');
    assert.equal(begun, false, output);
  }
  const foreign = 'lxc-attach: no\nmark\n';
  assert.deepEqual(read([`${nonce} 4711\n`, ...foreign], 'mark'), {
    output: foreign,
    pgid: 4711,
    begun: false,
  });
});

test('without the line of the start there is neither group nor output', () => {
  const quiet = { output: '', pgid: undefined, begun: false };
  assert.deepEqual(read([]), quiet);
  assert.deepEqual(read(['sh: 1: not found\n']), quiet);
  assert.deepEqual(read([`${nonce} 4711`]), quiet, 'the line may still grow');
  assert.deepEqual(read([`${nonce.slice(0, -1)}x 4711\n`]), quiet);
});

for (const pgid of ['0', '-1', '1 2', '', '4711x', '12345678901', '$$', ' 4711']) {
  test(`«${pgid}» is no process group, so nothing will be killed for it`, () => {
    assert.equal(read([`${nonce} ${pgid}\nout`]).pgid, undefined);
  });
}

test('bytes that are no text pass unchanged', () => {
  const reader = createStartReader(nonce, undefined);
  const bytes = Buffer.from([0, 255, 254, 0xc3, 0x28, 10, 13, 0]);
  const output = reader.push(Buffer.concat([Buffer.from(`${nonce} 7\n`), bytes]));
  assert.deepEqual(output, bytes);
  assert.deepEqual(reader.push(bytes), bytes);
});

test('the marker is found behind any amount of noise', () => {
  const reader = createStartReader(nonce, undefined);
  for (let i = 0; i < 50; i++) assert.equal(reader.push(Buffer.alloc(64 * 1024, 'x')).length, 0);
  const line = `\n${nonce} 4711\nout`;
  assert.equal(reader.push(Buffer.from(line.slice(0, 9))).length, 0);
  assert.equal(reader.push(Buffer.from(line.slice(9))).toString(), 'out');
  assert.equal(reader.pgid, 4711);
});
