/** Disks that are full or not to be written to: the old file stays, and the error says whose disk it is. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { startPut } from './direct.ts';
import { failing, type Hands, lookAt, movedBy } from './hands.ts';

const roomBytes = 65_536;
const large = 'x'.repeat(200_000);
const stagingBytes = 1024 * 1024;
const beyondStaging = 3 * stagingBytes;
export const smallStaging = '/srv/staging';

/** On a site whose STAGING_DIR is smallStaging. */
export function disks(hands: () => Hands): void {
  before(() => hands().site.mount('host', smallStaging, stagingBytes));

  test('a full disk leaves the old file, and is told apart from that of the other side', async () => {
    const where = hands().where === 'host' ? /on the host/ : /in container 100/;
    await hands().site.mount(hands().where, '/srv/small', roomBytes);
    await hands().sh('printf old >/srv/small/f');
    const before = await lookAt(hands(), '/srv/small');
    const failure = await failing(
      hands().up('/srv/small/f', { content: large, overwrite: true }),
      'NO_SPACE',
    );
    assert.match(failure.error, where);
    assert.equal(failure.outcome, 'failed');
    const put = await startPut(hands(), '/srv/small/f', { overwrite: true }, { announced: undefined });
    const { status, body } = await put.end(Buffer.from(large));
    assert.equal(status, 507);
    assert.match(String(body.error), where);
    assert.equal(await lookAt(hands(), '/srv/small'), before);
    movedBy(await hands().up('/srv/small/f', { content: 'fits', overwrite: true }));
    await hands().sh('cat /dev/zero >/srv/small/rest 2>/dev/null; true');
    await failing(hands().up('/srv/small/f', { content: 'x'.repeat(5000), overwrite: true }), 'NO_SPACE');
    assert.equal(await hands().sh('cat /srv/small/f'), 'fits');
  });

  test('a file system that is read-only leaves the old file, and can be read from', async () => {
    await hands().site.mount(hands().where, '/srv/fixed', roomBytes);
    await hands().sh('printf old >/srv/fixed/f');
    await hands().site.freeze(hands().where, '/srv/fixed');
    for (const path of ['f', 'new', 'a/f']) {
      const args = { content: 'new', overwrite: true, create_directories: true };
      const failure = await failing(hands().up(`/srv/fixed/${path}`, args), 'NOT_WRITABLE');
      assert.match(failure.error, /read-only/);
    }
    assert.equal(await hands().sh('ls -A /srv/fixed'), 'f\n');
    assert.equal(movedBy(await hands().down('/srv/fixed/f')).content, 'old');
  });
}

/** The same, where files are staged. */
export function stagingDisks(hands: () => Hands): void {
  test('a full disk of the host is told, both ways, and the old files stay', async () => {
    const { folder } = hands();
    await writeFile(join(folder, 'large'), Buffer.alloc(beyondStaging, 'x'));
    await writeFile(join(folder, 'kept'), 'old');
    const directory = await hands().fresh(`printf old >f; head -c ${beyondStaging} /dev/zero >g`);
    const before = await lookAt(hands(), directory);
    const up = hands().up(`${directory}/f`, { local_path: 'large', overwrite: true });
    assert.match((await failing(up, 'NO_SPACE')).error, /on the host/);
    const down = hands().down(`${directory}/g`, { local_path: 'kept', overwrite: true });
    assert.match((await failing(down, 'NO_SPACE')).error, /on the host/);
    assert.equal(await lookAt(hands(), directory), before);
    assert.equal(await readFile(join(folder, 'kept'), 'utf8'), 'old');
    assert.equal(await hands().onHost(`ls -A ${smallStaging}`), '');
    const fits = { content: 'fits', overwrite: true };
    assert.equal(movedBy(await hands().up(`${directory}/f`, fits)).route, 'staging');
  });

  test('where nothing can be staged on the host, files are streamed', async () => {
    const directory = await hands().fresh();
    await hands().site.freeze('host', smallStaging);
    assert.equal(movedBy(await hands().up(`${directory}/f`, { content: large })).route, 'stream');
    const got = movedBy(await hands().down(`${directory}/f`));
    assert.deepEqual([got.route, got.content], ['stream', large]);
  });
}
