/** Containers that do not run, stop on the way, or lack what others have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../gateway/harness.ts';
import { startGet, startPut } from './direct.ts';
import { failing, type Hands, movedBy, nothingLeft, sumOf } from './hands.ts';
import { vmids } from './site.ts';
import { underWay } from './together.ts';

const half = Buffer.alloc(1024 * 1024, 'h');
/** The gateway sweeps every ten seconds, and only what runs. */
const sweptWithinMs = 30_000;

export function containers(hands: () => Hands): void {
  test('a container that does not run is told', async () => {
    const stopped = await hands().with({ vmid: vmids.stopped });
    await failing(stopped.up('/srv/f', { content: 'x' }), 'CONTAINER_NOT_RUNNING');
    await failing(stopped.down('/etc/hostname'), 'CONTAINER_NOT_RUNNING');
    const missing = await hands().with({ vmid: 999 });
    await failing(missing.up('/srv/f', { content: 'x' }), 'CONTAINER_NOT_FOUND');
    await failing(missing.down('/etc/hostname'), 'CONTAINER_NOT_FOUND');
  });

  test('without sha256sum in the container both ways work, down by the stream', async () => {
    const bare = await hands().with({ vmid: vmids.bare });
    assert.equal(await bare.sh('echo x | sha256sum 2>/dev/null; true'), '');
    const directory = await bare.fresh('printf old >f');
    const sent = movedBy(await bare.up(`${directory}/f`, { content: 'new', overwrite: true }));
    assert.deepEqual([sent.route, sent.sha256], [hands().route, sumOf('new')]);
    await failing(
      bare.up(`${directory}/f`, { content: 'x', sha256: sumOf('y'), overwrite: true }),
      'CHECKSUM_MISMATCH',
    );
    const got = movedBy(await bare.down(`${directory}/f`));
    assert.deepEqual([got.route, got.content, got.sha256], ['stream', 'new', sumOf('new')]);
    const get = await startGet(bare, `${directory}/f`);
    assert.equal((await get.rest()).toString(), 'new');
    await nothingLeft(bare);
  });

  test('a container that stops while a file goes up has the old file when it starts again', async () => {
    const mortal = await hands().with({ vmid: vmids.mortal });
    const directory = await mortal.fresh('printf old >f');
    const put = await startPut(mortal, `${directory}/f`, { overwrite: true }, { announced: half.length * 2 });
    put.send(half);
    await underWay(mortal, directory);
    await stop(mortal);
    const { status, code } = await put.end(half);
    assert.ok(['CONTAINER_NOT_RUNNING', 'TRANSFER_INTERRUPTED'].includes(code ?? ''), `${status} ${code}`);
    await start(mortal);
    // A container that keeps nothing has no old file either.
    assert.match(await mortal.sh(`cat ${directory}/f 2>/dev/null || echo old`), /^old/);
    await nothingLeft(mortal, sweptWithinMs);
  });

  test('a container that stops while a file is fetched ends that, and what came is not taken for whole', async () => {
    const mortal = await hands().with({ vmid: vmids.mortal });
    const directory = await mortal.fresh('head -c 33554432 /dev/zero >f');
    const get = await startGet(mortal, `${directory}/f`);
    await stop(mortal);
    const got = await get.rest().then(
      (bytes) => bytes.length,
      () => 'broken',
    );
    // What was staged is whole by now.
    assert.ok(got === 'broken' || (got === 33_554_432 && hands().route === 'staging'), String(got));
    await start(mortal);
    await nothingLeft(mortal, sweptWithinMs);
  });
}

async function stop(mortal: Hands): Promise<void> {
  movedBy(await mortal.call('proxmox_stop_container', { vmid: vmids.mortal }));
}

async function start(mortal: Hands): Promise<void> {
  movedBy(await mortal.call('proxmox_start_container', { vmid: vmids.mortal }));
  await eventually(async () => ((await mortal.sh('echo up')) === 'up\n' ? true : undefined));
}
