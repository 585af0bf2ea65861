import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { poolOf } from '../../../lab/api/pools-members.ts';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { ask, assertAsGolden, auditor, get, golden, loginWith, withoutTranscripts } from './rest-client.ts';

const poolid = 'lab';

let lab: Lab;

beforeEach(async () => {
  await lab?.close();
  lab = await startLab();
});

after(() => lab.close());

async function change(params: Record<string, string | number>) {
  return await ask(lab, 'PUT', '/pools', { poolid, ...params });
}

test('pools go through the life that the transcripts show', { skip: withoutTranscripts }, async () => {
  const viewer = loginWith(lab, 'viewer', auditor);
  const bare = loginWith(lab, 'bare', []);
  const steps = [
    ['pools-empty', () => ask(lab, 'GET', '/pools')],
    ['pool-create', () => ask(lab, 'POST', '/pools', { poolid, comment: 'grün & more' })],
    ['pool-create-dup', () => ask(lab, 'POST', '/pools', { poolid })],
    ['pool-create-badname', () => ask(lab, 'POST', '/pools', { poolid: 'bad name' })],
    ['pool-create-viewer', () => ask(lab, 'POST', '/pools', { poolid: 'lab2' }, viewer)],
    ['pool-add', () => change({ vms: '101,300' })],
    ['pool-add-again', () => change({ vms: '101' })],
    ['pools', () => ask(lab, 'GET', '/pools')],
    ['pool-get-missing', () => ask(lab, 'GET', '/pools/nosuch')],
    ['pools-bare', () => ask(lab, 'GET', '/pools', {}, bare)],
    ['pool-delete-nonempty', () => ask(lab, 'DELETE', '/pools', { poolid })],
    ['pool-remove', () => change({ vms: '101,300', delete: 1 })],
    ['pool-delete', () => ask(lab, 'DELETE', '/pools', { poolid })],
    ['pool-delete-missing', () => ask(lab, 'DELETE', '/pools', { poolid })],
    ['body-missing-required', () => ask(lab, 'POST', '/pools')],
  ] as const;
  for (const [id, step] of steps) assertAsGolden(await step(), id);
});

test('members are told as the transcripts have them', { skip: withoutTranscripts }, async () => {
  await ask(lab, 'POST', '/pools', { poolid, comment: 'grün & more' });
  await change({ vms: '102,300' });
  type Shown = { members: Record<string, unknown>[] };
  const real = golden('pool-get-path').body.data as Shown;
  const own = await get<Shown>(lab, `/pools/${poolid}`);
  assert.deepEqual(await get(lab, '/pools', { poolid }), [own]);
  for (const [at, member] of own.members.entries())
    assert.deepEqual(Object.keys(member).sort(), Object.keys({ ...real.members[at], pool: '' }).sort());
});

describe('pools', () => {
  test('hold storages, too, and are asked for members of a kind', async () => {
    await ask(lab, 'POST', '/pools', { poolid });
    await change({ vms: '100,300', storage: 'nas' });
    const members = async (params = {}) =>
      (await get<{ members: { id: string }[] }>(lab, `/pools/${poolid}`, params)).members.map(({ id }) => id);
    assert.deepEqual(await members(), ['lxc/100', 'qemu/300', 'storage/pve1/nas']);
    assert.deepEqual(await members({ type: 'qemu' }), ['qemu/300']);
    assert.equal(poolOf(lab.cluster, 100), poolid);
    await change({ storage: 'nas', delete: 1 });
    assert.deepEqual(await members({ type: 'storage' }), []);
  });

  test('give a guest away only where that is asked for', async () => {
    await ask(lab, 'POST', '/pools', { poolid });
    await ask(lab, 'POST', '/pools', { poolid: 'other' });
    await change({ vms: '100' });
    const taken = await ask(lab, 'PUT', '/pools/other', { vms: '102,100' });
    assert.match(taken.reason, /VM 100 belongs already to pool 'lab' and 'allow-move' is not set/);
    assert.equal(poolOf(lab.cluster, 102), undefined, 'nothing of a refused change is done');
    await ask(lab, 'PUT', '/pools/other', { vms: '102,100', 'allow-move': 1 });
    assert.deepEqual([poolOf(lab.cluster, 100), poolOf(lab.cluster, 102)], ['other', 'other']);
  });

  test('lie in one another, parents first', async () => {
    const orphan = await ask(lab, 'POST', '/pools', { poolid: 'lab/inner' });
    assert.match(orphan.reason, /parent 'lab' .* does not exist/);
    await ask(lab, 'POST', '/pools', { poolid });
    assert.equal((await ask(lab, 'POST', '/pools', { poolid: 'lab/inner' })).status, 200);
    assert.equal((await ask(lab, 'DELETE', '/pools', { poolid })).status, 500);
    assert.equal((await ask(lab, 'DELETE', '/pools', { poolid: 'lab/inner' })).status, 200);
    assert.equal((await ask(lab, 'DELETE', '/pools/lab')).status, 200);
  });

  test('take only guests that there are', async () => {
    await ask(lab, 'POST', '/pools', { poolid });
    assert.match((await change({ vms: '999' })).reason, /VM 999 does not exist/);
    assert.match((await change({ vms: '100', delete: 1 })).reason, /VM 100 is not a pool member/);
    const denied = await ask(
      lab,
      'PUT',
      '/pools',
      { poolid, vms: '100' },
      loginWith(lab, 'half', ['Pool.Allocate']),
    );
    assert.equal(denied.reason, 'Permission check failed (/vms/100, VM.Allocate)');
  });
});
