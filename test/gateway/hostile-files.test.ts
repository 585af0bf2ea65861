/** Every entry of the catalogue about files, through the HTTP surface and by both routes, held to what it says. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { underCi } from '../ci.ts';
import { otherToken, token } from './harness.ts';
import { fileExpectations } from './hostile-file-inputs.ts';
import { type FileExpectation, type FileWorld, startFileWorld } from './hostile-file-world.ts';
import { call, type Entry, hostileValue, readCatalogue } from './hostile-values.ts';

const fields =
  'containerPath hostPath perms owner filename contentBase64 contentText size uploadDest sha256 offset'.split(
    ' ',
  );

/** Proved by a race of its own: files-race.test.ts. */
const raced = '/var/lib/x (symlink swapped between stat and open)';

/** Fails on an expectation that nothing here can hold an entry to. */
function expectationOf({ field, value, expect }: Entry): FileExpectation {
  const known =
    fileExpectations[`${field} ${value}`] ??
    fileExpectations[`${field} → ${expect}`] ??
    (/^reject:[A-Z_]+( \(.*\)| unless allowSetuid)?$/.test(expect)
      ? fileExpectations[`${field} reject`]
      : undefined);
  return known ?? assert.fail(`nothing is known of the expectation «${expect}» of ${field}`);
}

const catalogue = readCatalogue();
const skip =
  catalogue === undefined && !underCi && 'the catalogue of hostile inputs is not beside the project';

const entries = (catalogue ?? []).filter(({ field, value }) => fields.includes(field) && value !== raced);

for (const route of ['staging', 'stream'] as const)
  describe(`hostile inputs about files, by ${route}`, { skip, concurrency: false }, () => {
    let world: FileWorld;
    before(async () => {
      world = await startFileWorld(route);
    });
    after(() => world.cleanUp());

    test('there are some for every field', () => {
      assert.deepEqual([...new Set(entries.map(({ field }) => field))].sort(), [...fields].sort());
    });

    for (const entry of entries) {
      const shown = JSON.stringify(entry.value).slice(0, 60);
      test(`${entry.field} ${shown} (${entry.why.slice(0, 60)}): ${entry.expect}`, async () => {
        await expectationOf(entry)({ ...world, entry, value: hostileValue(entry) });
        const { result } = await call(world.gateway, 'proxmox_download_file_from_container', {
          ...{ vmid: 100, container_path: '/etc/hosts' },
        });
        assert.notEqual(result?.isError, true, JSON.stringify(result));
        assert.doesNotMatch(world.gateway.log.join(''), /"level":"error"/);
      });
    }

    test('after all of them nothing is left on the host, nothing is unfinished, and no secret was written', async () => {
      for (const gateway of [world.gateway, world.narrow]) {
        const staged = gateway.lab.node.files.top.entries.get('var');
        assert.ok(staged?.kind === 'directory');
        const tmp = staged.entries.get('tmp');
        assert.ok(tmp?.kind === 'directory');
        assert.deepEqual([...tmp.entries.keys()], []);
        assert.deepEqual(await readdir(`${gateway.stateDir}/unfinished`), []);
        const audit = await gateway.audit();
        const written = gateway.log.join('') + JSON.stringify(audit);
        for (const secret of [token, otherToken, gateway.lab.password, '/transfers/'])
          assert.ok(!written.includes(secret));
        const begun = audit.filter(({ event }) => event === 'begin').map(({ requestId }) => requestId);
        const ended = audit.filter(({ event }) => event === 'finish').map(({ requestId }) => requestId);
        assert.deepEqual(begun.sort(), ended.sort());
      }
    });
  });
