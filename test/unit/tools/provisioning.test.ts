/** From the arguments of tools to what Proxmox VE is asked, over the true protocol. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { Ops } from '../../../src/ops/ops.ts';
import { createProvisioning } from '../../../src/ops/provisioning.ts';
import type { Tool, ToolContext } from '../../../src/tools/define.ts';
import { containerProvisioningTools } from '../../../src/tools/provision-containers.ts';
import { vmProvisioningTools } from '../../../src/tools/provision-vms.ts';
import { failsWith, type GuestNode, startGuestNode } from '../ops/guest-node.ts';

let node: GuestNode;
let context: ToolContext;
before(async () => {
  node = await startGuestNode();
  context = {
    ops: {
      provisioning: createProvisioning(node.room),
      inventory: node.room.inventory,
    } as unknown as Ops,
    signal: AbortSignal.timeout(20_000),
    limits: { maxChars: 1, maxTimeoutS: 1, maxFileBytes: 1, maxInlineBytes: 1, downloadSources: [] },
    mayReach: (vmid) => vmid !== 102,
    ...{ onOutput: undefined, onState: undefined, transfer: undefined },
    judge: () => {},
    issueUrl: () => assert.fail('no URL is asked for'),
  };
});
after(() => node.close());
beforeEach(() => {
  node.answer = ({ path }) => (path === '/cluster/nextid' ? { data: '103' } : undefined);
  node.writes.length = 0;
});

function toolOf(name: string): Tool {
  const tools = [...vmProvisioningTools, ...containerProvisioningTools];
  return tools.find((tool) => tool.name === `proxmox_${name}`) ?? assert.fail(`there is no ${name}`);
}

/** As the gate does it. */
async function call(name: string, given: Record<string, unknown>): Promise<Record<string, unknown>> {
  const tool = toolOf(name);
  const args = tool.input.parse(given);
  assert.equal(tool.refuses?.(args), undefined);
  return tool.output.parse(await tool.run(args, context));
}

test('a virtual machine with nothing said is small, has a network, and the next free id', async () => {
  const made = await call('create_vm', { node: 'pve1' });
  assert.equal(made.vmid, 103);
  assert.equal(made.message, 'Virtual machine 103 was created on pve1.');
  assert.deepEqual(node.sent, {
    ...{ net0: 'virtio,bridge=vmbr0', ostype: 'l26', scsihw: 'virtio-scsi-single', memory: '2048' },
    ...{ start: '0', vmid: '103' },
  });
});

test('every argument of a new virtual machine becomes an option', async () => {
  await call('create_vm', {
    ...{ vmid: '310', node: 'pve1', name: 'web2', cores: 4, sockets: 2, memory_mib: 4096, onboot: true },
    ...{ tags: ['prod', 'web'], storage: 'fast', disk_gib: 32, iso: 'local:iso/a.iso', bridge: 'vmbr1' },
    ...{ vlan: 5, pool: 'lab', start: true, ci_user: 'admin', ip: '10.0.0.5/24', gateway: '10.0.0.1' },
    ...{ ssh_keys: ['ssh-ed25519 AAAA me'], options: { ostype: 'win11', agent: 1 } },
  });
  assert.deepEqual(node.sent, {
    ...{ vmid: '310', name: 'web2', cores: '4', sockets: '2', memory: '4096', onboot: '1', tags: 'prod;web' },
    ...{ scsi0: 'fast:32', ide0: 'fast:cloudinit', ide2: 'local:iso/a.iso,media=cdrom' },
    ...{ net0: 'virtio,bridge=vmbr1,tag=5', pool: 'lab', start: '1', ciuser: 'admin' },
    ...{ ipconfig0: 'ip=10.0.0.5/24,gw=10.0.0.1', sshkeys: 'ssh-ed25519%20AAAA%20me' },
    ...{ ostype: 'win11', agent: '1', scsihw: 'virtio-scsi-single' },
  });
});

test('a virtual machine can begin with an image, and an own network device wins over the usual one', async () => {
  const options = { net0: 'e1000,bridge=vmbr9' };
  await call('create_vm', {
    vmid: 310,
    node: 'pve1',
    storage: 'fast',
    image: 'local:import/x.qcow2',
    options,
  });
  const { scsi0, net0 } = node.sent;
  assert.equal(scsi0, 'fast:0,import-from=local:import/x.qcow2');
  assert.equal(net0, 'e1000,bridge=vmbr9');
});

test('a container is unprivileged, and every argument becomes an option', async () => {
  const template = 'local:vztmpl/debian.tar.zst';
  await call('create_container', { vmid: 110, node: 'pve1', template, storage: 'fast' });
  assert.deepEqual(node.sent, {
    ...{ vmid: '110', ostemplate: template, rootfs: 'fast:8', net0: 'name=eth0,bridge=vmbr0,ip=dhcp' },
    ...{ unprivileged: '1', features: 'nesting=1', start: '0' },
  });
  await call('create_container', {
    ...{ vmid: 110, node: 'pve1', template, storage: 'fast', disk_gib: 4, hostname: 'db2', cores: 1 },
    ...{ memory_mib: 512, swap_mib: 0, nameserver: '1.1.1.1', bridge: 'vmbr1', vlan: 7, ip: '10.0.0.6/24' },
    ...{
      gateway: '10.0.0.1',
      ssh_keys: ['ssh-rsa A', 'ssh-rsa B'],
      password: 'correct-horse',
      nesting: false,
    },
    ...{ pool: 'lab', start: true, onboot: false, description: 'new', tags: ['x'] },
    options: { mp0: 'fast:4,mp=/data' },
  });
  assert.deepEqual(node.sent, {
    ...{ vmid: '110', ostemplate: template, rootfs: 'fast:4', hostname: 'db2', cores: '1', memory: '512' },
    ...{ swap: '0', nameserver: '1.1.1.1', net0: 'name=eth0,bridge=vmbr1,ip=10.0.0.6/24,gw=10.0.0.1,tag=7' },
    ...{ 'ssh-public-keys': 'ssh-rsa A\nssh-rsa B', password: 'correct-horse', pool: 'lab', start: '1' },
    ...{ onboot: '0', description: 'new', tags: 'x', unprivileged: '1', mp0: 'fast:4,mp=/data' },
  });
});

test('arguments that contradict one another are refused by name', async () => {
  const bad: [string, Record<string, unknown>, RegExp][] = [
    ['create_vm', { disk_gib: 8 }, /storage/],
    ['create_vm', { ci_user: 'me' }, /storage/],
    ['create_vm', { storage: 'fast', disk_gib: 8, image: 'local:import/x.qcow2' }, /disk_gib/],
    ['create_vm', { memory_mib: 512, options: { memory: 4096 } }, /options\.memory/],
    ['create_vm', { options: { archive: 'local:backup/vzdump-qemu-300-x.vma' } }, /options\.archive/],
    ['update_vm_config', { vmid: 300 }, /nothing to change/],
    ['update_vm_config', { vmid: 300, options: { delete: 'net0' } }, /options\.delete/],
    ['update_container_config', { vmid: 100, options: { template: 1 } }, /options\.template/],
    ['resize_vm_disk', { vmid: 300, disk: 'scsi0' }, /size_gib/],
    ['resize_container_disk', { vmid: 100, disk: 'rootfs', size_gib: 9, grow_gib: 1 }, /size_gib/],
  ];
  for (const [name, given, words] of bad)
    await assert.rejects(call(name, given), failsWith('INVALID_ARGUMENT', words), name);
  assert.deepEqual(node.writes, []);
});

test('values that do not fit are refused before anything is asked', () => {
  const bad: [string, Record<string, unknown>][] = [
    ['create_vm', { bridge: 'vmbr0,firewall=0' }],
    ['create_vm', { ip: '10.0.0.1/24,gw=1.2.3.4' }],
    ['create_vm', { gateway: 'fe80::1' }],
    ['create_vm', { iso: '/etc/shadow' }],
    ['create_vm', { iso: 'local:iso/../../etc/shadow' }],
    ['create_vm', { tags: ['a;b'] }],
    ['create_vm', { name: '-x' }],
    ['create_vm', { ssh_keys: ['ssh-rsa A\nssh-rsa B'] }],
    ['create_vm', { options: { cores: { a: 1 } } }],
    ['create_vm', { options: JSON.parse('{"__proto__": 1}') }],
    ['create_vm', { options: Object.fromEntries(Array.from({ length: 41 }, (_, at) => [`o${at}`, 1])) }],
    ['update_vm_config', { vmid: 300, remove: ['net0,unused0'] }],
    ['resize_vm_disk', { vmid: 300, disk: '/dev/sda', grow_gib: 1 }],
    ['resize_container_disk', { vmid: 100, disk: 'scsi0', grow_gib: 1 }],
    ['resize_container_disk', { vmid: 100, disk: 'rootfs', grow_gib: -1 }],
    ['delete_vm', { vmid: 300, force: true }],
  ];
  for (const [name, given] of bad)
    assert.equal(toolOf(name).input.safeParse(given).success, false, `${name} ${JSON.stringify(given)}`);
});

test('options that reach into the host are refused for policy, whichever way they are given', () => {
  const template = 'local:vztmpl/debian.tar.zst';
  const bad: [string, Record<string, unknown>, RegExp][] = [
    ['create_vm', { options: { args: '-S' } }, /^args /],
    ['create_vm', { options: { hostpci0: '01:00.0' } }, /^hostpci0 /],
    ['create_vm', { options: { scsi1: '/dev/sda' } }, /^scsi1 /],
    ['update_vm_config', { vmid: 300, options: { hookscript: 'local:snippets/x' } }, /^hookscript /],
    ['update_vm_config', { vmid: 300, net0: 'virtio\nargs: -S' }, /^net0 /],
    ['update_vm_config', { vmid: 300, remove: ['unused0'] }, /unusedN/],
    ['create_container', { template, storage: 'fast', options: { unprivileged: 0 } }, /^unprivileged=0 /],
    ['create_container', { template, storage: 'fast', options: { mp0: '/srv,mp=/mnt' } }, /^mp0 /],
    ['update_container_config', { vmid: 100, options: { 'lxc.mount.entry': '/ x' } }, /^raw lxc /],
    ['update_container_config', { vmid: 100, options: { features: 'mknod=1' } }, /^of features /],
    ['update_container_config', { vmid: 100, options: { dev0: '/dev/kvm' } }, /^dev0 /],
  ];
  for (const [name, given, words] of bad) {
    const tool = toolOf(name);
    assert.match(tool.refuses?.(tool.input.parse(given)) ?? 'allowed', words, name);
  }
});

test('policy judges the guests that a call makes, and those whose disks it names', () => {
  const reached = (name: string, given: Record<string, unknown>) => {
    const tool = toolOf(name);
    return tool.reaches?.(tool.input.parse(given));
  };
  assert.deepEqual(reached('clone_vm', { vmid: 300, new_vmid: 310 }), [310]);
  assert.deepEqual(reached('clone_container', { vmid: 100 }), []);
  assert.deepEqual(reached('create_vm', { storage: 'a1', image: 'lvm:vm-999-disk-0' }), [999]);
  assert.deepEqual(
    reached('update_vm_config', { vmid: 300, options: { scsi3: 'lvm:vm-998-disk-1' } }),
    [998],
  );
  assert.deepEqual(
    reached('update_container_config', { vmid: 100, options: { mp0: 'zfs:subvol-997-disk-0,mp=/x' } }),
    [997],
  );
});

test('a free id that the caller may not reach is not taken', async () => {
  node.answer = ({ path }) => (path === '/cluster/nextid' ? { data: '102' } : undefined);
  await assert.rejects(
    call('create_vm', { node: 'pve1' }),
    failsWith('PERMISSION_DENIED', /102.*vmid can name/s),
  );
  await assert.rejects(call('clone_vm', { vmid: 300 }), failsWith('PERMISSION_DENIED', /new_vmid can name/));
  assert.deepEqual(node.writes, []);
});

test('an id that a guest has is refused, and another may be left to Proxmox VE', async () => {
  const template = 'local:vztmpl/debian.tar.zst';
  const taken: [string, Record<string, unknown>, RegExp][] = [
    ['create_vm', { node: 'pve1', vmid: 300 }, /vmid: there is a guest 300 already/],
    ['create_container', { node: 'pve1', vmid: 300, template, storage: 'fast' }, /vmid: there is/],
    ['clone_vm', { vmid: 300, new_vmid: 100 }, /new_vmid: there is a guest 100/],
    ['clone_container', { vmid: 100, new_vmid: 300 }, /new_vmid: there is a guest 300/],
  ];
  for (const [name, given, words] of taken)
    await assert.rejects(call(name, given), failsWith('INVALID_ARGUMENT', words), name);
  assert.deepEqual(node.writes, []);
});

test('every result says which guest it is about', async () => {
  const done: [string, Record<string, unknown>, number][] = [
    ['clone_vm', { vmid: 300, new_vmid: 310 }, 310],
    ['update_vm_config', { vmid: 300, cores: 2 }, 300],
    ['update_container_config', { vmid: 100, cores: 2 }, 100],
    ['resize_vm_disk', { vmid: 300, disk: 'scsi0', grow_gib: 1 }, 300],
    ['migrate_container', { vmid: 100, target_node: 'pve2' }, 100],
    ['delete_vm', { vmid: 300 }, 300],
  ];
  for (const [name, given, vmid] of done) assert.equal((await call(name, given)).vmid, vmid, name);
});

test('a clone is named as a new guest of its kind is', async () => {
  const fits = (name: string, given: object) => toolOf(name).input.safeParse(given).success;
  assert.equal(fits('clone_vm', { vmid: 300, hostname: 'x' }), false);
  assert.equal(fits('clone_container', { vmid: 100, name: 'x' }), false);
  await call('clone_vm', { vmid: 300, new_vmid: 310, name: 'x' });
  assert.deepEqual(node.sent, { newid: '310', name: 'x' });
  await call('clone_container', { vmid: 100, new_vmid: 110, hostname: 'y' });
  assert.deepEqual(node.sent, { newid: '110', hostname: 'y' });
});

test('only for virtual machines it is said whether local disks move', () => {
  const given = { target_node: 'pve2', with_local_disks: true };
  assert.equal(toolOf('migrate_vm').input.safeParse({ vmid: 300, ...given }).success, true);
  assert.equal(toolOf('migrate_container').input.safeParse({ vmid: 100, ...given }).success, false);
});

test('a pool is named as Proxmox VE names pools', () => {
  const fits = (pool: string) => toolOf('clone_vm').input.safeParse({ vmid: 300, pool }).success;
  for (const pool of ['prod', '_prod', '-x', 'a/b.c/d']) assert.equal(fits(pool), true, pool);
  for (const pool of ['', '../x', 'a/', 'a/b/c/d', 'a b', 'a,b', 'x'.repeat(256)])
    assert.equal(fits(pool), false, pool);
});
