/** What becomes of the audit log when the disk under it misbehaves. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createAudit } from '../../../src/observe/audit.ts';

const folder = mkdtempSync(join(tmpdir(), 'audit-disk-test-'));
after(() => rmSync(folder, { recursive: true }));

const intent = { principal: 'alice', tool: 'proxmox_list_containers', arguments: {} };

function idsIn(file: string): unknown[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line).requestId];
    } catch {
      return [];
    }
  });
}

for (const [what, remove] of [
  ['moved away, as log rotation does', (file: string) => renameSync(file, `${file}.1`)],
  ['deleted', (file: string) => rmSync(file)],
] as const) {
  test(`a log that was ${what} is begun anew: no record goes where nobody finds it`, async (t) => {
    const file = join(folder, what.slice(0, 5), 'audit.jsonl');
    const audit = createAudit({ file });
    t.after(() => audit.close());
    await audit.begin({ ...intent, requestId: 'before' });
    remove(file);
    await audit.begin({ ...intent, requestId: 'after' });
    assert.deepEqual(idsIn(file), ['after']);
  });
}

const isMissing = spawnSync('prlimit', ['--version']).error !== undefined;

/** A file may grow to 1 KiB, is cut short in a record, and may grow again. */
const program = (file: string, module: string) => `
  import { spawnSync } from 'node:child_process';
  import { createAudit } from ${JSON.stringify(module)};
  const limit = (bytes) => spawnSync('prlimit', ['--pid', String(process.pid), '--fsize=' + bytes + ':']);
  const audit = createAudit({ file: ${JSON.stringify(file)} });
  const begin = (requestId) => audit
    .begin({ requestId, principal: 'p', tool: 't', arguments: { command: 'x'.repeat(500) } })
    .then(() => 'written', ({ code }) => code);
  limit(1024);
  const first = await begin('first');
  const second = await begin('second');
  limit('unlimited');
  const third = await begin('third');
  process.stdout.write(JSON.stringify([first, second, third]));
`;

test('a record that was cut short is not there, and does not spoil the next', {
  skip: isMissing && 'prlimit is not installed here',
}, () => {
  const file = join(folder, 'cut', 'audit.jsonl');
  const module = new URL('../../../src/observe/audit.ts', import.meta.url).href;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program(file, module)],
    {
      encoding: 'utf8',
      timeout: 20_000,
    },
  );
  assert.equal(stdout, JSON.stringify(['written', 'AUDIT_UNAVAILABLE', 'written']), stderr);
  assert.deepEqual(
    idsIn(file).filter((id) => id !== undefined),
    ['first', 'third'],
  );
});
