import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createProgress } from '../../../src/mcp/progress.ts';

function start(t: TestContext) {
  const told: { elapsedS: number; message: string }[] = [];
  const progress = createProgress((elapsedS, message) => told.push({ elapsedS, message }));
  t.after(() => progress.stop());
  return { told, progress };
}

describe('progress', { concurrency: true }, () => {
  test('output is told within a second or so, with the time that has gone by', async (t) => {
    const { told, progress } = start(t);
    progress.onOutput('one\n');
    progress.onOutput('two\n');
    assert.equal(told.length, 0);
    await pause(1_500);
    assert.equal(told.length, 1);
    assert.equal(told[0]?.message, 'one\ntwo\n');
    assert.ok((told[0]?.elapsedS ?? 0) >= 0.9);
  });

  test('however much is printed, at most one message a second is sent, with ever more elapsed', async (t) => {
    const { told, progress } = start(t);
    for (let round = 0; round < 250; round++) {
      progress.onOutput(`line ${round}\n`);
      await pause(10);
    }
    const { length } = told;
    const mostS = Math.ceil((told.at(-1)?.elapsedS ?? 0) / 0.95);
    assert.ok(length >= 1 && length <= mostS, `${length} messages`);
    for (const [index, { elapsedS }] of told.entries())
      if (index > 0) assert.ok(elapsedS - (told[index - 1]?.elapsedS ?? 0) >= 0.95);
  });

  test('a message holds the end of the output, bounded, from the beginning of a line', async (t) => {
    const { told, progress } = start(t);
    progress.onOutput(`${'first '.repeat(100_000)}\n${'x'.repeat(300)}\nlast`);
    await pause(1_500);
    const message = told[0]?.message ?? '';
    assert.ok(message.length <= 400);
    assert.equal(message, `${'x'.repeat(300)}\nlast`);
  });

  test('a cut through a character leaves no broken one', async (t) => {
    const { told, progress } = start(t);
    progress.onOutput(`a${'🙂'.repeat(500)}b`);
    await pause(1_500);
    const message = told[0]?.message ?? '';
    assert.equal(message.isWellFormed(), true);
    assert.ok(message.endsWith('🙂b'));
  });

  test('a state takes the place of the one before, and of output', async (t) => {
    const { told, progress } = start(t);
    progress.onOutput('printed\n');
    progress.onState('0.5 of 9.0 MiB sent');
    progress.onState('1.0 of 9.0 MiB sent');
    await pause(1_500);
    assert.deepEqual(
      told.map(({ message }) => message),
      ['1.0 of 9.0 MiB sent'],
    );
    progress.onState('9.0 of 9.0 MiB sent');
    await pause(1_200);
    assert.equal(told.at(-1)?.message, '9.0 of 9.0 MiB sent');
    assert.equal(told.length, 2);
  });

  test('without output there is a sign of life before clients lose patience', async (t) => {
    const { told } = start(t);
    await pause(8_700);
    assert.deepEqual(
      told.map(({ message }) => message),
      ['running for 8 s'],
    );
  });

  test('after the stop nothing is told, output that comes late included', async (t) => {
    const { told, progress } = start(t);
    progress.stop();
    progress.onOutput('after');
    const other = start(t);
    other.progress.onOutput('before');
    other.progress.stop();
    other.progress.onOutput('after');
    await pause(1_500);
    assert.deepEqual([...told, ...other.told], []);
  });
});
