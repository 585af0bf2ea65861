/** Whom a task is about: a task of a guest is as far out of reach as the guest is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestsOfUpid } from '../../../src/base/task-guests.ts';
import { transcripts, withoutTranscripts } from '../pve/golden.ts';

const upid = (id: string, type = 'vzdump') =>
  `UPID:pve1:00003979:000A1A35:6B00EE32:${type}:${id}:root@pam!lab:`;

const named: readonly (readonly [id: string, guests: readonly number[]])[] = [
  ['112', [112]],
  ['999999999', [999_999_999]],
  ['112@local', [112]],
  ['100-0', [100]],
  ['vm-112-disk-0', [112]],
  ['subvol-100-disk-1', [100]],
  ['vzdump-lxc-101-2026_11_21.tar.zst', [101]],
  ['vm\\x3a300', [300]],
  ['local\\x3a112\\x2fvm-112-disk-0.raw', [112]],
  ['300-scsi0\\x3e301-scsi1', [300, 301]],
  ['99', []],
  ['100gb', []],
  ['100.iso', []],
  ['1000000000', []],
  ['debian-12', []],
  ['local', []],
];
for (const [id, guests] of named)
  test(`a task about «${id}» is about ${guests.join() || 'no guest'}`, () =>
    assert.deepEqual(guestsOfUpid(upid(id)), guests));

test('a task of many guests is known by having no id', () => {
  for (const type of [
    ...['vzdump', 'startall', 'stopall', 'migrateall', 'suspendall', 'qmfoo'],
    ...['bulk-start', 'bulk-shutdown', 'bulkmigrate'],
  ])
    assert.equal(guestsOfUpid(upid('', type)), 'every', type);
  for (const type of ['aptupdate', 'vncshell', 'srvreload', 'download'])
    assert.deepEqual(guestsOfUpid(upid('', type)), [], type);
});

test('every task that a real node has named is about a guest, or many', { skip: withoutTranscripts }, () => {
  const upids = new Set(JSON.stringify([...transcripts().values()]).match(/UPID:[^"\\\s/]+:(?=["\\/])/g));
  assert.ok(upids.size > 30, `${upids.size} tasks`);
  for (const each of upids) {
    const [, , , , , type = '', id = ''] = each.split(':');
    const guests = guestsOfUpid(each);
    if (id === 'local') assert.deepEqual(guests, [], each);
    else assert.deepEqual(guests, type.startsWith('bulk-') ? 'every' : [Number.parseInt(id, 10)], each);
  }
});
