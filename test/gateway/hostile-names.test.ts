import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { underCi } from '../ci.ts';
import { type Entry, hostileValue, readCatalogue } from './hostile-values.ts';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

type Call = readonly [tool: string, args: Record<string, unknown>];

const calls: Readonly<Record<string, (value: unknown) => readonly Call[]>> = {
  storage: (storage) => [
    ['proxmox_storage_content', { storage }],
    ['proxmox_create_backup', { vmid: 100, storage }],
    ['proxmox_restore_backup', { archive: 'local:backup/vzdump-lxc-100-x.tar', storage }],
  ],
  volid: (archive) => [['proxmox_restore_backup', { archive }]],
  snapshot: (name) =>
    ['create', 'rollback', 'delete'].map((verb) => [`proxmox_${verb}_snapshot`, { vmid: 100, name }]),
  description: (description) => [['proxmox_create_snapshot', { vmid: 100, name: 'noted', description }]],
};

const catalogue = readCatalogue();
const skip = catalogue === undefined && !underCi && 'the catalogue is not there';

describe('hostile names of storages, volumes and snapshots, and hostile descriptions', { skip }, () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly();
  });
  after(() => gateway.close());

  const tried = (entry: Entry) => calls[entry.field]?.(hostileValue(entry)) ?? [];
  const entries = (catalogue ?? []).filter((entry) => tried(entry).length > 0);

  test('are all in the catalogue', () =>
    assert.deepEqual(new Set(entries.map(({ field }) => field)), new Set(Object.keys(calls))));

  for (const entry of entries)
    test(`${entry.field} ${JSON.stringify(entry.value)}: ${entry.expect}`, async () => {
      const { requests } = gateway.lab.api.control;
      const code = /^reject:(\w+)/.exec(entry.expect)?.[1];
      for (const [tool, args] of tried(entry)) {
        const mark = requests.length;
        if (code === undefined) await gateway.call(tool, args);
        else assert.equal((await gateway.failing(tool, args)).code, code, tool);
        const sent = requests.slice(mark).filter(({ method }) => method !== 'GET');
        const described = sent.map(({ params }) => params.description);
        assert.deepEqual(described, code === undefined ? [hostileValue(entry)] : []);
      }
      assert.equal(gateway.lab.control.heardTotal, 0);
    });
});
