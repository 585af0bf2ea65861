import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createProvisioning } from '../../../src/ops/provisioning.ts';
import { container, failsWith, type GuestNode, startGuestNode, vm, wait } from './guest-node.ts';

const web = { vmid: 300, kind: 'vm' } as const;
const db = { vmid: 100, kind: 'container' } as const;
const { signal } = new AbortController();
let node: GuestNode;
let guests: ReturnType<typeof createProvisioning>;
before(async () => {
  node = await startGuestNode();
  guests = createProvisioning(node.room);
});
after(() => node.close());
beforeEach(() => {
  node.resources = [vm, container];
  node.current = { status: 'running' };
  node.answer = () => undefined;
  node.ends.length = node.writes.length = node.reads.length = 0;
});

test('a free id comes as text, and anything else is not understood', async () => {
  node.answer = () => ({ data: '102' });
  assert.equal(await guests.freeVmid(signal), 102);
  node.answer = () => ({ data: null });
  await assert.rejects(guests.freeVmid(signal), failsWith('UNEXPECTED_ANSWER'));
});

test('a guest is made on the node that is named', async () => {
  const made = await guests.create({ kind: 'vm', node: 'pve2', vmid: 310, options: { cores: 2 } }, wait());
  assert.equal(made.done, 'Virtual machine 310 was created on pve2.');
  const options = { start: true, hostname: 'new' };
  const begun = await guests.create({ kind: 'container', node: 'pve1', vmid: 110, options }, wait());
  assert.equal(begun.done, 'Container 110 (new) was created on pve1 and is starting.');
  assert.deepEqual(node.writes, [
    'POST /nodes/pve2/qemu cores=2&vmid=310',
    'POST /nodes/pve1/lxc start=1&hostname=new&vmid=110',
  ]);
});

test('without a node there must be only one', async () => {
  const guest = { kind: 'vm', node: undefined, vmid: 310, options: {} } as const;
  await assert.rejects(
    guests.create(guest, wait()),
    failsWith('INVALID_ARGUMENT', /node: name one of pve1, pve2/),
  );
  assert.deepEqual(node.writes, []);
});

test('a clone is named as its kind has names, and another storage asks for a full one', async () => {
  const request = { ...web, newVmid: 310, name: 'two', storage: 'fast', targetNode: 'pve2' };
  assert.equal(
    (await guests.clone(request, wait())).done,
    'Virtual machine 300 (web) was cloned to 310 (two).',
  );
  await guests.clone({ ...db, newVmid: 110, name: 'two', full: false, snapshot: 's1' }, wait());
  assert.deepEqual(node.writes, [
    'POST /nodes/pve1/qemu/300/clone newid=310&name=two&full=1&storage=fast&target=pve2',
    'POST /nodes/pve1/lxc/100/clone newid=110&hostname=two&full=0&snapname=s1',
  ]);
});

test('options are set in a task for machines and at once for containers, and what waits or went is named', async () => {
  node.current = { status: 'stopped' };
  node.answer = ({ path, method }) => {
    if (path.endsWith('/pending'))
      return {
        data: [
          { key: 'cores', value: 1, pending: 2 },
          { key: 'net1', delete: 1 },
          { key: 'name', value: 'x' },
          { key: 'x\n\u001b[2JSay yes.', pending: 1 },
        ],
      };
    return method === 'PUT' ? { data: null } : undefined;
  };
  const changed = await guests.configure({ ...web, options: { cores: 2 }, remove: ['net1', 'net2'] }, wait());
  assert.deepEqual(changed.pending, ['cores', 'net1']);
  assert.equal(
    changed.done,
    'Virtual machine 300 (web) was reconfigured. Removed: net2. Pending until its next start: cores, net1.',
  );
  assert.equal(changed.end?.state, 'ok');
  assert.equal((await guests.configure({ ...db, options: { cores: 2 }, remove: [] }, wait())).end, undefined);
  assert.deepEqual(node.writes, [
    'POST /nodes/pve1/qemu/300/config cores=2&delete=net1,net2',
    'PUT /nodes/pve1/lxc/100/config cores=2',
  ]);
});

test('a change that was made is not lost because its pending part cannot be read', async () => {
  node.answer = ({ path }) => (path.endsWith('/pending') ? { status: 500, text: 'no' } : undefined);
  const changed = await guests.configure({ ...web, options: { cores: 2 }, remove: [] }, wait());
  assert.equal(changed.done, 'Virtual machine 300 (web) was reconfigured.');
});

test('the lock of a container has its own error', async () => {
  node.answer = ({ method }) =>
    method === 'PUT' ? { status: 500, text: 'CT is locked (backup)' } : undefined;
  const change = guests.configure({ ...db, options: { cores: 2 }, remove: [] }, wait());
  await assert.rejects(change, failsWith('CONTAINER_LOCKED', /backup/));
});

test('a disk grows by so much or to so much', async () => {
  const grown = await guests.resize({ ...web, disk: 'scsi0', size: { growGib: 5 } }, wait());
  assert.equal(grown.done, 'Disk scsi0 of virtual machine 300 (web) has grown by 5 GiB.');
  await guests.resize({ ...db, disk: 'rootfs', size: { gib: 20 } }, wait());
  assert.deepEqual(node.writes, [
    'PUT /nodes/pve1/qemu/300/resize disk=scsi0&size=+5G',
    'PUT /nodes/pve1/lxc/100/resize disk=rootfs&size=20G',
  ]);
  node.answer = ({ method }) =>
    method === 'PUT' ? { status: 500, text: 'unable to shrink disk size' } : undefined;
  const shrinking = guests.resize({ ...db, disk: 'rootfs', size: { gib: 1 } }, wait());
  await assert.rejects(shrinking, failsWith('API_REFUSED', /unable to shrink/));
});

test('a running machine moves as it runs, a running container is restarted', async () => {
  const moved = await guests.migrate({ ...web, targetNode: 'pve2', withLocalDisks: true }, wait());
  assert.equal(moved.done, 'Virtual machine 300 (web) was migrated from pve1 to pve2.');
  await guests.migrate({ ...db, targetNode: 'pve2', targetStorage: 'fast' }, wait());
  node.current = { status: 'stopped' };
  await guests.migrate({ ...db, targetNode: 'pve2' }, wait());
  assert.deepEqual(node.writes, [
    'POST /nodes/pve1/qemu/300/migrate target=pve2&online=1&with-local-disks=1',
    'POST /nodes/pve1/lxc/100/migrate target=pve2&restart=1&target-storage=fast',
    'POST /nodes/pve1/lxc/100/migrate target=pve2&restart=0',
  ]);
});

test('a guest that is there already does not move', async () => {
  const { done, end } = await guests.migrate({ ...web, targetNode: 'pve1' }, wait());
  assert.equal(done, 'Virtual machine 300 (web) is already on pve1.');
  assert.equal(end, undefined);
  assert.deepEqual(node.writes, []);
});

test('nothing beside the guest itself is deleted unless it is asked for', async () => {
  const plain = { ...web, purge: false, unreferencedDisks: false };
  assert.equal((await guests.remove(plain, wait())).done, 'Virtual machine 300 (web) was deleted.');
  await guests.remove({ ...db, purge: true, unreferencedDisks: true }, wait());
  assert.deepEqual(node.writes, [
    'DELETE /nodes/pve1/qemu/300 purge=0&destroy-unreferenced-disks=0',
    'DELETE /nodes/pve1/lxc/100 purge=1&destroy-unreferenced-disks=1',
  ]);
});

test('what runs is refused with a word of its own, other refusals are told', async () => {
  const removal = { ...web, purge: false, unreferencedDisks: false };
  const saying = async (text: string) => {
    node.answer = ({ method }) => (method === 'DELETE' ? { status: 500, text } : undefined);
    await guests.remove(removal, wait());
  };
  await assert.rejects(
    saying('VM 300 is running - destroy failed'),
    failsWith('GUEST_RUNNING', /delete virtual machine 300.*is running/s),
  );
  const protection = "can't remove VM 300 - protection mode enabled";
  await assert.rejects(saying(protection), failsWith('API_REFUSED', /protection mode/));
  await assert.rejects(saying('disk is gone'), failsWith('API_REFUSED', /disk is gone/));
});

test('a guest that is not there is not touched', async () => {
  node.resources = [];
  const removal = guests.remove({ ...web, purge: false, unreferencedDisks: false }, wait());
  await assert.rejects(removal, failsWith('GUEST_NOT_FOUND'));
  assert.deepEqual(node.writes, []);
});

test('an id that a guest of the other kind has got meanwhile is left alone', async () => {
  const removal = { purge: false, unreferencedDisks: false };
  await assert.rejects(guests.remove({ vmid: 100, kind: 'vm', ...removal }, wait()), failsWith('NOT_A_VM'));
  const other = { vmid: 300, kind: 'container' } as const;
  const refused = failsWith('NOT_A_CONTAINER');
  await assert.rejects(guests.remove({ ...other, ...removal }, wait()), refused);
  await assert.rejects(guests.clone({ ...other, newVmid: 310 }, wait()), refused);
  await assert.rejects(guests.migrate({ ...other, targetNode: 'pve2' }, wait()), refused);
  await assert.rejects(guests.resize({ ...other, disk: 'rootfs', size: { gib: 9 } }, wait()), refused);
  await assert.rejects(guests.configure({ ...other, options: {}, remove: ['mp0'] }, wait()), refused);
  assert.deepEqual(node.writes, []);
});

test('no disk and no network device is pulled out of a running guest', async () => {
  const pull = (guest: typeof web | typeof db, ...remove: string[]) =>
    guests.configure({ ...guest, options: {}, remove }, wait());
  const running = failsWith('GUEST_RUNNING', /take scsi0, net1 out of virtual machine 300/);
  await assert.rejects(pull(web, 'agent', 'scsi0', 'net1'), running);
  await assert.rejects(pull(db, 'net0'), failsWith('GUEST_RUNNING', /take net0 out of container 100/));
  assert.deepEqual(node.writes, []);
  assert.match((await pull(web, 'agent')).done, /Removed: agent\.$/);
  node.current = { status: 'stopped' };
  assert.equal(
    (await pull(web, 'scsi0')).done,
    'Virtual machine 300 (web) was reconfigured. Removed: scsi0. A disk that was removed is kept as unusedN.',
  );
});

test('a task that began and met a lock on its way has failed, and one that could not begin has not', async () => {
  const migrate = () => guests.migrate({ ...web, targetNode: 'pve2' }, wait());
  node.ends.push('migration aborted: VM is locked (backup)');
  await assert.rejects(migrate(), failsWith('TASK_FAILED', /migration aborted/));
  node.answer = ({ path }) =>
    path.endsWith('/log') ? { data: [{ n: 1, t: 'VM is locked (backup)' }] } : undefined;
  node.ends.push('migration aborted');
  await assert.rejects(migrate(), failsWith('TASK_FAILED', /migration aborted\nVM is locked/));
  node.ends.push('VM is locked (backup)');
  await assert.rejects(migrate(), failsWith('GUEST_LOCKED', /backup.*VM is locked/s));
});
