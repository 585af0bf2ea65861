import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { joinPool, leavePool } from '../../lab/api/pools-members.ts';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

describe('pools', () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly({
      guests: [
        { vmid: 100, name: 'web1', status: 'running' },
        { vmid: 304, name: 'hidden', kind: 'vm' },
      ],
      env: { DENIED_VMIDS: '304' },
    });
  });
  after(() => gateway.close());

  test('one is made, listed and deleted', async () => {
    const comment = 'grün & more; a=b\n```\u001b[2J';
    const made = await gateway.call('proxmox_create_pool', { pool: 'lab', comment });
    assert.deepEqual(made.data, { success: true, message: 'The pool lab was created.', pool: 'lab' });
    assert.equal(made.text, 'The pool lab was created.');
    const listed = await gateway.call('proxmox_list_pools');
    assert.deepEqual(listed.data, { pools: [{ pool: 'lab', comment }], total: 1 });
    assert.equal(listed.text, 'lab: grün & more; a=b\\u{a}```\\u{1b}[2J');
    const again = await gateway.failing('proxmox_create_pool', { pool: 'lab' });
    assert.equal(again.code, 'API_REFUSED');
    assert.match(again.stderr ?? '', /already exists/);
    const deleted = await gateway.call('proxmox_delete_pool', { pool: 'lab' });
    assert.deepEqual(deleted.data, { success: true, message: 'The pool lab was deleted.', pool: 'lab' });
    assert.equal(
      (await gateway.call('proxmox_list_pools')).text,
      'There are no pools that the gateway can see.',
    );
    const missing = await gateway.failing('proxmox_delete_pool', { pool: 'lab' });
    assert.match(missing.stderr ?? '', /does not exist/);
  });

  test('what is in one is shown, without guests out of reach; it is not deleted then', async () => {
    await gateway.call('proxmox_create_pool', { pool: 'full' });
    for (const vmid of [304, 100]) joinPool(gateway.lab.cluster, 'full', vmid);
    const { data, text } = await gateway.call('proxmox_list_pools', { pool: 'full' });
    const guests = [{ vmid: 100, type: 'container', status: 'running', name: 'web1', node: 'pve1' }];
    assert.deepEqual(data, { pools: [{ pool: 'full', guests, storages: [] }], total: 1 });
    assert.equal(text, 'full\ncontainer 100 web1: running on pve1');
    leavePool(gateway.lab.cluster, 100);
    const refused = await gateway.failing('proxmox_delete_pool', { pool: 'full' });
    assert.deepEqual([refused.code, refused.outcome], ['API_REFUSED', 'not_started']);
    assert.match(refused.error, /refused to delete the pool full, for it is not empty/);
    assert.doesNotMatch(JSON.stringify(refused), /304/);
    leavePool(gateway.lab.cluster, 304);
    assert.equal((await gateway.call('proxmox_list_pools', { pool: 'full' })).text, 'full\nIt is empty.');
    await gateway.call('proxmox_delete_pool', { pool: 'full' });
  });

  test('hostile names of members stay in their line, and storages come once', async () => {
    const members = [
      { type: 'lxc', vmid: 100, name: 'web1\n\u001b', node: 'pve1', status: 'running', id: 'lxc/100' },
      { type: 'storage', storage: 'nas', node: 'pve1', id: 'storage/pve1/nas' },
      { type: 'storage', storage: 'nas', node: 'pve2', id: 'storage/pve2/nas' },
    ];
    const body = JSON.stringify({ data: [{ poolid: 'x', members }] });
    gateway.lab.api.control.answerNext({ path: /^\/pools$/ }, { status: 200, body });
    const { text } = await gateway.call('proxmox_list_pools', { pool: 'x' });
    assert.equal(text, 'x\ncontainer 100 web1\\u{a}\\u{1b}: running on pve1\nstorage nas');
  });

  test('of much, a part at a time', async () => {
    const { control } = gateway.lab.api;
    const answer = (data: object[]) =>
      control.answerNext({ path: /^\/pools$/ }, { status: 200, body: JSON.stringify({ data }) });
    answer(['a', 'b', 'c'].map((poolid) => ({ poolid })));
    const pools = await gateway.call('proxmox_list_pools', { limit: 2 });
    assert.equal(pools.text, 'a\nb\n1 to 2 of 3; offset 2 shows more.');
    assert.equal(pools.data.total, 3);
    const member = (vmid: number) => ({ id: `lxc/${vmid}`, type: 'lxc', vmid, name: 'n', node: 'pve1' });
    const members = [...[101, 102, 304].map(member), { vmid: 'of no type' }];
    answer([{ poolid: 'a', members }]);
    const guests = await gateway.call('proxmox_list_pools', { pool: 'a', limit: 1, offset: 1 });
    assert.equal(guests.text, 'a\ncontainer 102 n: unknown on pve1\n2 to 2 of 2.');
    assert.equal(guests.data.total, 2);
  });

  test('names that are none are refused before anything is sent', async () => {
    const { requests } = gateway.lab.api.control;
    const before = requests.length;
    for (const pool of [
      '',
      'bad name',
      '../x',
      'a/../b',
      'a//b',
      '/a',
      'a/b/c/d',
      '.',
      'a\n',
      'x'.repeat(300),
      'a;b',
    ])
      for (const tool of ['proxmox_create_pool', 'proxmox_delete_pool', 'proxmox_list_pools'])
        assert.equal((await gateway.failing(tool, { pool })).code, 'INVALID_ARGUMENT', pool);
    assert.equal(requests.length, before);
  });

  test('without the right, and without leave to destroy', async () => {
    const less = await startTokenOnly({ lab: gateway.lab, privileges: { '/pool/mine': ['Pool.Audit'] } });
    try {
      const { code, error } = await less.failing('proxmox_create_pool', { pool: 'mine' });
      assert.equal(code, 'API_FORBIDDEN');
      assert.match(error, /Pool\.Allocate on \/pool\/mine/);
    } finally {
      await less.close();
    }
    const careful = await startTokenOnly({ lab: gateway.lab, env: { ENABLE_DESTRUCTIVE: 'false' } });
    try {
      const refused = await careful.failing('proxmox_delete_pool', { pool: 'lab' });
      assert.equal(refused.code, 'PERMISSION_DENIED');
      assert.match(refused.error, /ENABLE_DESTRUCTIVE/);
    } finally {
      await careful.close();
    }
  });
});
