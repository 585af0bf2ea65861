import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { LabGuestSpec } from '../../lab/lab.ts';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

const guests: readonly LabGuestSpec[] = [
  { vmid: 100, name: 'ct1', status: 'running' },
  { vmid: 101, name: 'ct2' },
  { vmid: 103, name: 'ct4' },
  { vmid: 110, name: 'busy', lock: 'backup' },
  {
    vmid: 300,
    name: 'vm1',
    kind: 'vm',
    status: 'running',
    config: { scsi0: 'local-lvm:vm-300-disk-0,size=8G' },
  },
  { vmid: 301, name: 'vm2', kind: 'vm' },
  { vmid: 304, name: 'hidden', kind: 'vm' },
];
const template = 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst';

/** One call of every tool that makes, changes, moves or removes guests. */
const calls: readonly (readonly [string, Record<string, unknown>])[] = [
  ['create_vm', { node: 'pve1' }],
  ['clone_vm', { vmid: 301 }],
  ['update_vm_config', { vmid: 301, cores: 2 }],
  ['resize_vm_disk', { vmid: 300, disk: 'scsi0', grow_gib: 1 }],
  ['migrate_vm', { vmid: 301, target_node: 'pve2' }],
  ['delete_vm', { vmid: 301 }],
  ['create_container', { node: 'pve1', template, storage: 'local-lvm' }],
  ['clone_container', { vmid: 101 }],
  ['update_container_config', { vmid: 101, cores: 2 }],
  ['resize_container_disk', { vmid: 101, disk: 'rootfs', grow_gib: 1 }],
  ['migrate_container', { vmid: 101, target_node: 'pve2' }],
  ['delete_container', { vmid: 101 }],
];

describe('making, changing, moving and removing guests', () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly({ guests, env: { DENIED_VMIDS: '304,900-999' } });
  });
  after(() => gateway.close());

  const writesSince = (mark: number) =>
    gateway.lab.api.control.requests.slice(mark).filter(({ method }) => method !== 'GET');
  const mark = () => gateway.lab.api.control.requests.length;
  const configOf = async (kind: 'vm' | 'container', vmid: number) =>
    (await gateway.call(`proxmox_${kind}_config`, { vmid })).data.config as Record<string, string>;

  test('a virtual machine is made, with the next free id, and can be seen', async () => {
    const { data, text } = await gateway.call('proxmox_create_vm', {
      ...{ node: 'pve2', name: 'new1', cores: 2, storage: 'local-lvm', disk_gib: 4, tags: ['lab'] },
      iso: 'local:iso/debian-13.1.0-amd64-netinst.iso',
      description: "it's 100% ; new",
    });
    assert.match(String(data.upid), /^UPID:pve2:.*:qmcreate:102:/);
    const message = 'Virtual machine 102 (new1) was created on pve2.';
    assert.deepEqual(data, { success: true, message, upid: data.upid, node: 'pve2', task: 'ok', vmid: 102 });
    assert.equal(text, message);
    const { name, cores, memory, net0, tags, ide2 } = await configOf('vm', 102);
    assert.match(ide2 ?? '', /^local:iso\/debian-13\.1\.0-amd64-netinst\.iso,media=cdrom/);
    assert.deepEqual(
      { name, cores, memory, tags },
      { name: 'new1', cores: '2', memory: '2048', tags: 'lab' },
    );
    assert.match(net0 ?? '', /^virtio=[0-9A-F:]{17},bridge=vmbr0$/);
    const config = await gateway.call('proxmox_vm_config', { vmid: 102 });
    assert.equal(config.data.description, "it's 100% ; new");
  });

  test('a container is made unprivileged, and no secret of it is written down', async () => {
    const from = mark();
    const { data } = await gateway.call('proxmox_create_container', {
      ...{ node: 'pve1', vmid: '120', template, storage: 'local-lvm', hostname: 'new2' },
      ...{ password: 'planted-secret-1', ssh_keys: ['ssh-ed25519 AAAA me'] },
    });
    const message = 'Container 120 (new2) was created on pve1.';
    assert.deepEqual(data, { success: true, message, upid: data.upid, node: 'pve1', task: 'ok', vmid: 120 });
    const [sent] = writesSince(from);
    assert.equal(sent?.params.unprivileged, '1');
    assert.equal(sent?.params.password, 'planted-secret-1');
    const config = await configOf('container', 120);
    assert.equal(config.hostname, 'new2');
    assert.equal(config.unprivileged, '1');
    assert.equal(JSON.stringify(await gateway.audit()).includes('planted-secret'), false);
    assert.equal(JSON.stringify([data, config]).includes('planted-secret'), false);
  });

  test('guests are cloned, to the id that is named or the next free one', async () => {
    const vm = await gateway.call('proxmox_clone_vm', { vmid: 301, new_vmid: 310, name: 'twin' });
    assert.equal(vm.text, 'Virtual machine 301 (vm2) was cloned to 310 (twin).');
    assert.equal(vm.data.vmid, 310);
    assert.equal((await configOf('vm', 310)).name, 'twin');
    const container = await gateway.call('proxmox_clone_container', { vmid: 101, hostname: 'twin2' });
    assert.equal(container.text, 'Container 101 (ct2) was cloned to 104 (twin2).');
    assert.equal((await configOf('container', 104)).hostname, 'twin2');
    const taken = await gateway.failing('proxmox_clone_vm', { vmid: 301, new_vmid: 300 });
    assert.equal(taken.code, 'INVALID_ARGUMENT');
    assert.match(taken.error, /new_vmid: there is a guest 300 already/);
  });

  test('options are changed, taken out, and told where they wait', async () => {
    const stopped = await gateway.call('proxmox_update_vm_config', {
      vmid: 301,
      cores: 3,
      options: { agent: 0 },
    });
    assert.equal(stopped.text, 'Virtual machine 301 (vm2) was reconfigured.');
    assert.equal((await configOf('vm', 301)).cores, '3');
    const removed = await gateway.call('proxmox_update_vm_config', { vmid: 301, remove: ['agent'] });
    assert.equal(removed.data.success, true);
    assert.equal((await configOf('vm', 301)).agent, undefined);
    const running = await gateway.call('proxmox_update_vm_config', { vmid: 300, cores: 2 });
    assert.deepEqual(running.data.pending, ['cores']);
    assert.match(running.text, /vm1\) was reconfigured\. Pending until its next start: cores\.$/);
    const settings = { vmid: 101, memory_mib: 256, description: 'x\ny' };
    const container = await gateway.call('proxmox_update_container_config', settings);
    const message = 'Container 101 (ct2) was reconfigured.';
    assert.deepEqual(container.data, { success: true, message, vmid: 101 });
    assert.equal((await configOf('container', 101)).memory, '256');
  });

  test('disks grow and never shrink', async () => {
    const grown = await gateway.call('proxmox_resize_vm_disk', { vmid: 300, disk: 'scsi0', grow_gib: 2 });
    assert.equal(grown.text, 'Disk scsi0 of virtual machine 300 (vm1) has grown by 2 GiB.');
    assert.match((await configOf('vm', 300)).scsi0 ?? '', /size=10G/);
    const set = await gateway.call('proxmox_resize_container_disk', {
      vmid: 101,
      disk: 'rootfs',
      size_gib: 12,
    });
    assert.equal(set.text, 'Disk rootfs of container 101 (ct2) is 12 GiB large now.');
    assert.match((await configOf('container', 101)).rootfs ?? '', /size=12G/);
    const shrinking = { vmid: 101, disk: 'rootfs', size_gib: 1 };
    const refused = await gateway.failing('proxmox_resize_container_disk', shrinking);
    assert.match(refused.stderr ?? '', /unable to shrink/);
  });

  test('guests move to another node, and every tool follows them', async () => {
    const from = mark();
    const vm = await gateway.call('proxmox_migrate_vm', {
      ...{ vmid: 300, target_node: 'pve2', with_local_disks: true },
    });
    assert.equal(vm.text, 'Virtual machine 300 (vm1) was migrated from pve1 to pve2.');
    assert.equal((await gateway.call('proxmox_vm_status', { vmid: 300 })).data.node, 'pve2');
    const container = await gateway.call('proxmox_migrate_container', { vmid: 100, target_node: 'pve2' });
    assert.equal(container.text, 'Container 100 (ct1) was migrated from pve1 to pve2.');
    assert.deepEqual(
      writesSince(from).map(({ params }) => [params.online, params.restart]),
      [
        ['1', undefined],
        [undefined, '1'],
      ],
    );
    const there = await gateway.call('proxmox_migrate_vm', { vmid: 300, target_node: 'pve2' });
    assert.deepEqual(there.data, {
      success: true,
      message: 'Virtual machine 300 (vm1) is already on pve2.',
      vmid: 300,
    });
    const nowhere = await gateway.failing('proxmox_migrate_vm', { vmid: 300, target_node: 'pve9' });
    assert.equal(nowhere.code, 'INVALID_ARGUMENT');
  });

  test('what runs is not deleted, what is stopped is gone', async () => {
    const running = await gateway.failing('proxmox_delete_vm', { vmid: 300 });
    assert.equal(running.code, 'GUEST_RUNNING');
    assert.match(running.stderr ?? '', /is running/);
    const pulled = await gateway.failing('proxmox_update_vm_config', { vmid: 300, remove: ['scsi0'] });
    assert.equal(pulled.code, 'GUEST_RUNNING');
    const gone = await gateway.call('proxmox_delete_vm', { vmid: 310, purge: true });
    assert.equal(gone.text, 'Virtual machine 310 (twin) was deleted.');
    assert.equal((await gateway.failing('proxmox_vm_status', { vmid: 310 })).code, 'GUEST_NOT_FOUND');
    const container = await gateway.call('proxmox_delete_container', { vmid: 104 });
    assert.equal(container.text, 'Container 104 (twin2) was deleted.');
    const again = await gateway.failing('proxmox_delete_container', { vmid: 104 });
    assert.match(again.code, /_NOT_FOUND$/);
  });

  test('policy judges ids that are made and disks of others, and nothing is sent', async () => {
    const from = mark();
    const refused: [string, Record<string, unknown>, RegExp][] = [
      ['create_vm', { node: 'pve1', vmid: 900 }, /guest 900 is outside/],
      ['clone_vm', { vmid: 301, new_vmid: 901 }, /guest 901 is outside/],
      ['clone_container', { vmid: 101, new_vmid: 902 }, /guest 902 is outside/],
      [
        'update_vm_config',
        { vmid: 301, options: { scsi1: 'local-lvm:vm-304-disk-0' } },
        /guest 304 is outside/,
      ],
      ['update_vm_config', { vmid: 301, options: { args: '-S' } }, /args passes options to QEMU/],
      ['update_container_config', { vmid: 101, options: { mp0: '/srv,mp=/mnt' } }, /paths of the host/],
      [
        'create_container',
        { node: 'pve1', template, storage: 'local-lvm', options: { unprivileged: 0 } },
        /unprivileged=0/,
      ],
      ['delete_vm', { vmid: 304 }, /guest 304 is outside/],
    ];
    for (const [tool, args, words] of refused) {
      const failure = await gateway.failing(`proxmox_${tool}`, args);
      assert.equal(failure.code, 'PERMISSION_DENIED', tool);
      assert.match(failure.error, words);
    }
    assert.deepEqual(writesSince(from), []);
  });

  test('names that lead elsewhere are refused, and a description arrives as it was written', async () => {
    const from = mark();
    const refused: [string, Record<string, unknown>][] = [
      ...['evil.example', 'localhost', 'pve1\n', 'p\u0432e1', 'pve1%00', 'pve1/../pve2'].flatMap(
        (node): [string, Record<string, unknown>][] => [
          ['create_vm', { node }],
          ['clone_vm', { vmid: 301, target_node: node }],
          ['migrate_container', { vmid: 101, target_node: node }],
          ['list_vms', { node }],
        ],
      ),
      ['create_vm', { storage: 'local:../../../etc', disk_gib: 1 }],
      ['create_vm', { iso: 'local:backup/../../../../etc/shadow' }],
      ['create_container', { template: '/etc/shadow', storage: 'local-lvm' }],
      ['update_vm_config', { vmid: 301, description: 'a\0b' }],
    ];
    for (const [tool, args] of refused)
      assert.equal(
        (await gateway.failing(`proxmox_${tool}`, args)).code,
        'INVALID_ARGUMENT',
        JSON.stringify([tool, args]),
      );
    assert.deepEqual(writesSince(from), []);
    const description = 'x\nuseradd hacker; $(id) `id` 100% & ü';
    for (const [kind, vmid] of [
      ['vm', 301],
      ['container', 101],
    ] as const) {
      await gateway.call(`proxmox_update_${kind}_config`, { vmid, description });
      const config = await gateway.call(`proxmox_${kind}_config`, { vmid });
      assert.equal(config.data.description, description);
    }
  });

  test('a locked guest, a task that fails and one that takes its time', async () => {
    const { control } = gateway.lab.api;
    assert.equal(
      (await gateway.failing('proxmox_update_container_config', { vmid: 110, cores: 1 })).code,
      'CONTAINER_LOCKED',
    );
    control.failNextTask('no space left\u001b[2J', 'qmclone');
    const failed = await gateway.failing('proxmox_clone_vm', { vmid: 301, new_vmid: 311 });
    assert.equal(failed.code, 'TASK_FAILED');
    assert.match(failed.stderr ?? '', /no space left\\u\{1b\}\[2J/);
    const usual = control.taskMs;
    control.taskMs = 1_500;
    const { data, text } = await gateway.call('proxmox_clone_vm', {
      vmid: 301,
      new_vmid: 312,
      wait_seconds: 0,
    });
    control.taskMs = usual;
    assert.equal(data.task, 'running');
    assert.equal(data.vmid, 312);
    assert.match(
      text,
      /^Proxmox VE was told to clone virtual machine 301 \(vm2\) to 312\. The task UPID:\S+ goes on/,
    );
  });
});

test('without privileges every one of them is refused, and names what is missing', async () => {
  const gateway = await startTokenOnly({ guests, privileges: { '/': ['VM.Audit', 'Sys.Audit'] } });
  try {
    for (const [tool, args] of calls) {
      const refused = await gateway.failing(`proxmox_${tool}`, args);
      assert.equal(refused.code, 'API_FORBIDDEN', `${tool}: ${refused.error}`);
    }
    const clone = await gateway.failing('proxmox_clone_vm', { vmid: 301 });
    assert.match(clone.error, /VM\.Clone on \/vms\/301/);
  } finally {
    await gateway.close();
  }
});

test('deleting needs a switch of its own, and a free id out of reach is not taken', async () => {
  const gateway = await startTokenOnly({ guests, env: { ENABLE_DESTRUCTIVE: 'false', DENIED_VMIDS: '102' } });
  try {
    for (const tool of ['proxmox_delete_vm', 'proxmox_delete_container']) {
      const refused = await gateway.failing(tool, { vmid: 301 });
      assert.equal(refused.code, 'PERMISSION_DENIED');
      assert.match(refused.error, /ENABLE_DESTRUCTIVE=true/);
    }
    const taken = await gateway.failing('proxmox_create_vm', { node: 'pve1' });
    assert.match(taken.error, /the next free id, 102, is outside.*vmid can name another/s);
  } finally {
    await gateway.close();
  }
});
