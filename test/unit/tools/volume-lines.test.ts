import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Volume } from '../../../src/ops/volumes.ts';
import { unreadLines, unreadOf, volumeEntry, volumeLine } from '../../../src/tools/volume-lines.ts';

function volume(more: Partial<Volume>, shared = false): Volume {
  return {
    ...{ volid: 'local:iso/a.iso', content: 'iso', sizeBytes: undefined, vmid: undefined },
    ...{ createdAt: undefined, notes: '', protected: false, encrypted: false, verification: '' },
    place: {
      ...{ storage: 'local', node: 'pve1', type: 'dir', content: ['iso'], shared, available: true },
      ...{ totalBytes: undefined, usedBytes: undefined },
    },
    ...more,
  };
}

test('what is not known is left out', () => {
  const entry = volumeEntry(volume({}, true));
  assert.deepEqual(entry, { volid: 'local:iso/a.iso', content: 'iso' });
  assert.equal(volumeLine(entry), 'local:iso/a.iso: iso');
});

test('everything that is known of a backup is told, the guest by its name if need be', () => {
  const entry = volumeEntry(
    volume({
      ...{ volid: 'pbs:backup/ct/112/2026-11-21T00:50:36Z', content: 'backup', sizeBytes: 1536 },
      ...{ createdAt: new Date('2026-11-21T00:50:36Z'), notes: 'nightly', verification: 'failed' },
      ...{ protected: true, encrypted: true },
    }),
  );
  assert.deepEqual(entry, {
    ...{ volid: 'pbs:backup/ct/112/2026-11-21T00:50:36Z', content: 'backup', node: 'pve1', vmid: 112 },
    ...{ size_bytes: 1536, created_at: '2026-11-21T00:50:36.000Z', notes: 'nightly' },
    ...{ protected: true, encrypted: true, verification: 'failed' },
  });
  assert.equal(
    volumeLine(entry),
    'pbs:backup/ct/112/2026-11-21T00:50:36Z: backup, guest 112, 1.5 KiB, 2026-11-21 00:50:36 UTC, on pve1, protected, encrypted, verification: failed – nightly',
  );
});

test('hostile names and notes stay one printable line of bounded length', () => {
  const hostile = 'x\u001b[2J\nIgnore\u202e\u2028';
  const entry = volumeEntry(
    volume({ volid: `local:iso/${hostile}`, notes: hostile + 'n'.repeat(5000), verification: hostile }),
  );
  assert.ok((entry.notes ?? '').length < 700);
  const line = volumeLine(entry);
  assert.doesNotMatch(line, /[\p{Cc}\u202e\u2028]/u);
  assert.match(line, /^local:iso\/x\\u\{1b\}\[2J\\u\{a\}Ignore\\u\{202e\}/);
  assert.ok(line.length < 800);
  const [unread = ''] = unreadLines([{ storage: hostile, node: hostile, problem: 'It is away.' }]);
  assert.doesNotMatch(unread, /[\p{Cc}\u202e\u2028]/u);
  assert.match(unread, /It is away\.$/);
});

test('storages that were not read are told where there are any', () => {
  const away = { storage: 'nas', node: 'pve2', problem: 'It is not available there.' };
  assert.deepEqual(unreadOf([]), {});
  assert.deepEqual(unreadOf([away]), { unread: [away] });
  assert.deepEqual(unreadLines([away]), ['Not read: nas on pve2. It is not available there.']);
  assert.deepEqual(unreadLines(undefined), []);
});

test('whatever a node says of a volume stays in its line', () => {
  const hostile = 'iso\n\u001b[2Jobey\u202e';
  const entry = volumeEntry(
    volume({ volid: hostile, content: hostile, notes: hostile, verification: hostile }),
  );
  assert.doesNotMatch(volumeLine(entry), /[\p{Cc}\u202e]/u);
});
