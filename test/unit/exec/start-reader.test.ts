import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStartReader } from '../../../src/exec/start-reader.ts';

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

test('the group is read wherever the chunks part', () => {
  for (const chunks of cuts(`${nonce} 4711\n${nonce} go\nout\n`))
    assert.deepEqual(read(chunks), { output: 'out\n', pgid: 4711, begun: true }, JSON.stringify(chunks));
});

test('what a login script printed before is not the output of the command', () => {
  for (const chunks of cuts(`Welcome!\n0123456789 no line end ${nonce} 4711\n${nonce} go\nout`))
    assert.deepEqual(read(chunks), { output: 'out', pgid: 4711, begun: true });
});

test('a login script that shows this very line among the processes does not mislead', () => {
  const shown = `root 12 sh -c printf '%s %s\\n' ${nonce} "$$"; exec timeout\n`;
  for (const chunks of cuts(`${shown}${nonce} 4711\n${nonce} go\nout`))
    assert.deepEqual(read(chunks), { output: 'out', pgid: 4711, begun: true });
});

test('output that repeats the line of the start stays output', () => {
  const payload = `${nonce} 1\n${nonce} 2\n`;
  for (const chunks of cuts(`${nonce} 4711\n${nonce} go\n${payload}`))
    assert.deepEqual(read(chunks), { output: payload, pgid: 4711, begun: true });
});

test('the announcement is taken out wherever the chunks part', () => {
  for (const chunks of cuts(`noise\n${nonce} 4711\n${nonce} go\nmark\nout\n`))
    assert.deepEqual(read(chunks, 'mark'), { output: 'out\n', pgid: 4711, begun: true });
});

test('an announcement counts once and only as the first line', () => {
  assert.deepEqual(read([`${nonce} 4711\n${nonce} go\nmark\nmark\nout`], 'mark'), {
    output: 'mark\nout',
    pgid: 4711,
    begun: true,
  });
  for (const output of ['out\nmark\n', 'marker\n', 'mar', ' mark\n', 'mark \n']) {
    const { begun } = read([`${nonce} 4711\n${nonce} go\n${output}`], 'mark');
    assert.equal(begun, false, output);
  }
  const foreign = 'lxc-attach: no\nmark\n';
  assert.deepEqual(read([`${nonce} 4711\n${nonce} go\n`, ...foreign], 'mark'), {
    output: foreign,
    pgid: 4711,
    begun: false,
  });
});

test('what start-up files print late, while the shell waits, is not the output of the command', () => {
  for (const chunks of cuts(`${nonce} 4711\nupdate check done\n${nonce} gone ${nonce} go\nmark\nout`))
    assert.deepEqual(read(chunks, 'mark'), { output: 'out', pgid: 4711, begun: true });
  const reader = createStartReader(nonce, undefined);
  reader.push(Buffer.from(`${nonce} 4711\n`));
  for (let i = 0; i < 50; i++) assert.equal(reader.push(Buffer.alloc(64 * 1024, 'x')).length, 0);
  assert.equal(reader.push(Buffer.from(`${nonce} go\nout`)).toString(), 'out');
});

test('without its go the shell has not started the command, whatever it prints', () => {
  for (const printed of ['', `${nonce}`, `${nonce} go`, `${nonce} gone\n`, 'bash: killed\n', 'go\n']) {
    const reader = createStartReader(nonce, undefined);
    assert.equal(reader.push(Buffer.from(`${nonce} 4711\n${printed}`)).length, 0, printed);
    assert.deepEqual([reader.pgid, reader.started, reader.begun], [4711, false, false], printed);
  }
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
  const output = reader.push(Buffer.concat([Buffer.from(`${nonce} 7\n${nonce} go\n`), bytes]));
  assert.deepEqual(output, bytes);
  assert.deepEqual(reader.push(bytes), bytes);
});

test('the marker is found behind any amount of noise', () => {
  const reader = createStartReader(nonce, undefined);
  for (let i = 0; i < 50; i++) assert.equal(reader.push(Buffer.alloc(64 * 1024, 'x')).length, 0);
  const line = `\n${nonce} 4711\n${nonce} go\nout`;
  assert.equal(reader.push(Buffer.from(line.slice(0, 9))).length, 0);
  assert.equal(reader.push(Buffer.from(line.slice(9))).toString(), 'out');
  assert.equal(reader.pgid, 4711);
});
