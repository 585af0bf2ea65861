import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, describeError, type Level, levels } from '../../../src/observe/log.ts';

function written(level: Level, use: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  use(createLog({ level, write: (line) => lines.push(line) }));
  for (const line of lines) assert.equal(line.indexOf('\n'), line.length - 1, 'one line each');
  return lines.map((line) => JSON.parse(line));
}

for (const [index, level] of levels.entries()) {
  test(`at ${level} the entries up to ${level} are written`, () => {
    const entries = written(level, (log) => {
      for (const each of levels) log[each](`from ${each}`);
    });
    assert.deepEqual(
      entries.map((entry) => [entry.level, entry.message]),
      levels.slice(0, index + 1).map((each) => [each, `from ${each}`]),
    );
  });
}

test('an entry has time, level, message and its fields', () => {
  const [entry] = written('info', (log) => log.info('listening', { url: 'http://x', port: 1, tls: false }));
  assert.deepEqual(Object.keys(entry ?? {}), ['time', 'level', 'message', 'url', 'port', 'tls']);
  assert.deepEqual([entry?.url, entry?.port, entry?.tls], ['http://x', 1, false]);
});

test('neither message nor field can begin a new line or turn the text around', () => {
  const hostile = 'a\n{"level":"error"}\r\u202e\u001b[2J';
  const [entry] = written('info', (log) => log.info(hostile, { field: hostile }));
  for (const text of [entry?.message, entry?.field])
    assert.equal(text, 'a\\u{a}{"level":"error"}\\u{d}\\u{202e}\\u{1b}[2J');
});

test('long texts are cut', () => {
  const [entry] = written('info', (log) => log.info('m'.repeat(5000), { field: 'f'.repeat(5000) }));
  assert.equal(String(entry?.message).length, 1001);
  assert.equal(String(entry?.field).length, 1001);
});

test('a field that is undefined is left out', () => {
  const [entry] = written('info', (log) => log.info('x', { field: undefined }));
  assert.equal('field' in (entry ?? {}), false);
});

test('an error is described with its causes, four at most, and a circle of causes ends', () => {
  const root = new Error('root');
  const top = new Error('top', { cause: new Error('middle', { cause: root }) });
  const described = describeError(top);
  assert.match(described, /top[\s\S]* caused by [\s\S]*middle[\s\S]* caused by [\s\S]*root/);
  root.cause = top;
  assert.equal(describeError(top).split(' caused by ').length, 4);
});

test('what was thrown without being an error is described too', () => {
  assert.equal(describeError('oops'), 'oops');
  assert.equal(describeError(null), 'null');
});
