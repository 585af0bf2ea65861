import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createRememberedKeys } from '../../../src/state/remembered-keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'remembered-keys-test-'));
after(() => rmSync(folder, { recursive: true }));

test('nothing is remembered where there is no file yet', () => {
  const keys = createRememberedKeys({ file: join(folder, 'absent', 'known_hosts') });
  assert.equal(keys.find('pve.lan:22'), undefined);
});

test('a key is remembered for its host and port alone, across restarts', () => {
  const file = join(folder, 'state', 'known_hosts');
  createRememberedKeys({ file }).add('pve.lan:22', 'SHA256:one');
  const keys = createRememberedKeys({ file });
  keys.add('[::1]:2222', 'SHA256:two');
  assert.equal(keys.find('pve.lan:22'), 'SHA256:one');
  assert.equal(keys.find('[::1]:2222'), 'SHA256:two');
  for (const other of ['pve.lan:2222', 'pve.lan', 've.lan:22', 'PVE.LAN:22', ''])
    assert.equal(keys.find(other), undefined);
  assert.equal(readFileSync(file, 'utf8'), 'pve.lan:22 SHA256:one\n[::1]:2222 SHA256:two\n');
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('the first key of a host counts, a later one does not take its place', () => {
  const keys = createRememberedKeys({ file: join(folder, 'twice') });
  keys.add('pve.lan:22', 'SHA256:first');
  keys.add('pve.lan:22', 'SHA256:later');
  assert.equal(keys.find('pve.lan:22'), 'SHA256:first');
});

test('a file that cannot be read is not the same as nothing remembered', () => {
  const file = join(folder, 'directory');
  mkdirSync(file);
  assert.throws(() => createRememberedKeys({ file }).find('pve.lan:22'), { code: 'EISDIR' });
});
