import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCapture } from '../../../src/exec/capture.ts';
import type { CommandResult } from '../../../src/ops/run.ts';
import { bytesFor, CommandOutput, commandOutput, json, showCommand } from '../../../src/tools/render.ts';

function captured(content: string | Buffer, maxChars: number): CommandResult['stdout'] {
  const capture = createCapture({ maxBytes: bytesFor(maxChars) });
  const bytes = Buffer.from(content);
  for (let at = 0; at < bytes.length; at += 1000) capture.push(bytes.subarray(at, at + 1000));
  return capture.result();
}

function render(
  stdout: string | Buffer,
  options: { stderr?: string; exitCode?: number; maxChars?: number; form?: 'text' | 'json' } = {},
) {
  const { stderr = '', exitCode = 0, maxChars = 1000, form = 'json' } = options;
  const streams = { stdout: captured(stdout, maxChars), stderr: captured(stderr, maxChars) };
  const output = commandOutput(
    { exitCode, background: false, ...streams },
    { maxChars, form, note: undefined },
  );
  assert.deepEqual(CommandOutput.parse(output), output, 'it fits its own schema');
  return output;
}

test('a small output is shown whole, with the keys that clients know', () => {
  assert.deepEqual(render('out\n', { stderr: 'err\n', exitCode: 3 }), {
    exit_code: 3,
    stdout: 'out\n',
    stderr: 'err\n',
    success: false,
  });
  assert.equal(render('').success, true);
});

test('the words have a part for each stream and always the exit code', () => {
  assert.equal(showCommand(render('out')), 'STDOUT:\nout\n\nExit code: 0');
  assert.equal(
    showCommand(render('', { stderr: 'err', exitCode: 255 })),
    'STDOUT:\n\n\nSTDERR:\nerr\n\nExit code: 255',
  );
  assert.match(showCommand({ ...render('x'), note: 'left running' }), /Note: left running\n\nExit code: 0$/);
});

for (const unit of ['x', 'é', '日', '🙂']) {
  for (const length of [1001, 1100, 4016, 4017, 5000, 50_000]) {
    test(`of ${length} times «${unit}» head and tail are kept, and what is missing is counted`, () => {
      const output = render(`${unit.repeat(length - 3)}end`, { exitCode: 9 });
      assert.equal(output.stdout_truncated, true);
      assert.equal(output.stdout_original_length, length);
      assert.equal(output.stdout_encoding, undefined);
      const left = `\n… [${length - 1000} characters left out] …\n`;
      assert.equal(output.stdout, `${unit.repeat(500)}${left}${unit.repeat(497)}end`);
      assert.match(showCommand(output), /\n\nExit code: 9$/);
    });
  }
}

test('exactly the bound is not truncated', () => {
  for (const unit of ['x', 'é', '日', '🙂']) {
    const output = render(unit.repeat(1000));
    assert.equal(output.stdout, unit.repeat(1000));
    assert.equal('stdout_truncated' in output, false);
  }
});

test('a character is never cut, wherever the cut falls', () => {
  for (let shift = 0; shift < 8; shift++) {
    for (const unit of ['é', '日', '🙂']) {
      const output = render(`${'a'.repeat(shift)}${unit.repeat(9_000)}${'b'.repeat(shift)}`);
      assert.equal(output.stdout_encoding, undefined);
      assert.equal(output.stdout.includes('\ufffd'), false);
      assert.equal(output.stdout_original_length, 9_000 + 2 * shift);
    }
  }
});

test('each stream is bounded for itself', () => {
  const output = render('short', { stderr: 'e'.repeat(5_000) });
  assert.equal('stdout_truncated' in output, false);
  assert.equal(output.stderr_truncated, true);
  assert.equal(output.stderr_original_length, 5_000);
});

test('what is no text comes as base64, and says so', () => {
  const bytes = Buffer.from([0, 1, 2, 0xff, 0xfe, 0x80]);
  const output = render(bytes);
  assert.equal(output.stdout_encoding, 'base64');
  assert.deepEqual(Buffer.from(output.stdout, 'base64'), bytes);
  assert.equal('stdout_truncated' in output, false);
  assert.match(showCommand(output), /^STDOUT \(base64\):\n/);
});

test('text that ends in the middle of a character is no text', () => {
  assert.equal(render(Buffer.from('aé').subarray(0, 2)).stdout_encoding, 'base64');
});

test('a great deal of binary output is cut to whole bytes of its head', () => {
  const bytes = Buffer.alloc(200_000, 0xff);
  for (const length of [750, 751, 4_016, 4_017, 200_000]) {
    const output = render(bytes.subarray(0, length));
    assert.ok(output.stdout.length <= 1000);
    assert.equal(Buffer.from(output.stdout, 'base64').length, 750);
    assert.equal(output.stdout_original_length, length === 750 ? undefined : length);
    assert.equal(output.stdout_truncated, length === 750 ? undefined : true);
  }
});

test('a byte order mark and NUL are part of the text', () => {
  assert.equal(render('\ufeffa\0b').stdout, '\ufeffa\0b');
});

test('data as text is indented JSON', () => {
  assert.equal(json([{ vmid: 100 }]), '[\n  {\n    "vmid": 100\n  }\n]');
});

test('for readers a broken byte among text becomes U+FFFD, and head and tail stay', () => {
  const text = Buffer.concat([
    Buffer.from('head\n'),
    Buffer.from([0xff]),
    Buffer.from(`${'x'.repeat(3000)}\ntail`),
  ]);
  const { stdout, stdout_encoding } = render(text, { form: 'text' });
  assert.equal(stdout_encoding, undefined);
  assert.ok(stdout.startsWith('head\n\ufffdxxx'));
  assert.ok(stdout.endsWith('\ntail'));
});
