/** What callers may set on guests, and what would reach from them into the host. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestOptionProblem, guestsInOption } from '../../../src/policy/guest-options.ts';

const refused: readonly (readonly [string, unknown, RegExp])[] = [
  ['args', '-monitor stdio', /QEMU on the host/],
  ['hookscript', 'local:snippets/hook.sh', /script on the host/],
  ['skiplock', 1, /lock/],
  ['skiplock', 0, /lock/],
  ['force', true, /check/],
  ['lock', 'backup', /only Proxmox VE/],
  ['ivshmem', 'size=32', /memory of the host/],
  ['hostpci0', '0000:01:00.0', /device of the host/],
  ['hostpci15', 'mapping=gpu', /device of the host/],
  ['usb0', 'host=1234:5678', /device of the host/],
  ['usb0', 'spice,host=1234:5678', /device of the host/],
  ['serial0', '/dev/ttyS0', /device of the host/],
  ['parallel0', '/dev/parport0', /device of the host/],
  ['dev0', '/dev/kvm', /device of the host/],
  ['virtiofs0', 'dirid=etc', /directory of the host/],
  ['mp0', '/srv,mp=/mnt', /paths of the host/],
  ['mp0', 'volume=/srv,mp=/mnt', /paths of the host/],
  ['mp0', 'mp=/mnt, volume = /srv', /paths of the host/],
  ['mp0', 'mp=/mnt,/srv', /paths of the host/],
  ['mp3', 'local:8,mp=/mnt,idmap=passthrough', /users of the host/],
  ['rootfs', '/dev/sda1', /paths of the host/],
  ['scsi0', '/dev/sda', /paths of the host/],
  ['scsi0', 'file=/dev/sda', /paths of the host/],
  ['scsi0', 'ssd=1,/dev/sda', /paths of the host/],
  ['virtio1', 'local-lvm:0,import-from=/root/disk.qcow2', /paths of the host/],
  ['ide2', 'local:iso/../../../etc/shadow,media=cdrom', /paths of the host/],
  ['ide2', 'cdrom,media=cdrom', /device of the host/],
  ['cdrom', 'cdrom', /device of the host/],
  ['efidisk0', '/etc/shadow', /paths of the host/],
  ['sata0', 'json:{"file.filename":"/etc/shadow"}', /paths of the host/],
  ['ostemplate', '/root/template.tar.zst', /paths of the host/],
  ['cicustom', 'user=/root/user.yml', /paths of the host/],
  ['archive', '-', /paths of the host/],
  ['unprivileged', 0, /host's root/],
  ['unprivileged', false, /host's root/],
  ['unprivileged', 'no', /host's root/],
  ['features', 'mount=nfs', /nesting, keyctl, fuse/],
  ['features', 'nesting=1,mknod=1', /nesting, keyctl, fuse/],
  ['features', 'nesting=1, force_rw_sys=1', /nesting, keyctl, fuse/],
  ['lxc.mount.entry', '/ mnt none bind', /raw lxc/],
  ['lxc.apparmor.profile', 'unconfined', /raw lxc/],
  ['../x', 1, /name/],
  ['', 1, /name/],
  ['tags', ['a', { b: 1 }], /must be text/],
  ['memory', null, /must be text/],
  ['ciuser', 'admin\nargs: -S', /control character/],
  ['delete', 'net1,unused0', /deletes that disk/],
  ['delete', ['net1', 'unused12'], /deletes that disk/],
  ['delete', 'unprivileged', /host's root/],
];

const allowed: readonly (readonly [string, unknown])[] = [
  ['cores', 4],
  ['memory', '2048'],
  ['onboot', true],
  ['description', 'first\nsecond /etc/shadow'],
  ['ssh-public-keys', 'ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n'],
  ['net0', 'name=eth0,bridge=vmbr0,gw=10.99.0.1,ip=10.99.0.100/24'],
  ['serial0', 'socket'],
  ['usb0', 'spice,usb3=1'],
  ['scsi0', 'local-lvm:32,ssd=1,serial=A1'],
  ['scsi0', 'local:300/vm-300-disk-0.qcow2,size=8G'],
  ['scsi1', 'local-lvm:0,import-from=local:import/debian.qcow2'],
  ['ide2', 'local:iso/debian-13.4+b1.iso,media=cdrom'],
  ['ide2', 'none,media=cdrom'],
  ['ide2', 'local-lvm:cloudinit'],
  ['rootfs', 'btr:0.5'],
  ['mp0', 'local-lvm:8,mp=/var/lib/data,backup=1'],
  ['unprivileged', 1],
  ['features', 'nesting=1,keyctl=1,fuse=1'],
  ['features', 'nesting=1,mknod=0'],
  ['cicustom', 'user=local:snippets/user.yml'],
  ['delete', 'net1, mp0'],
  ['ostemplate', 'local:vztmpl/debian-12-mini_12.0-1_amd64.tar.zst'],
];

test('options that reach into the host are refused, with words on what they would do', () => {
  for (const [key, value, words] of refused) {
    const problem = guestOptionProblem(key, value);
    assert.match(problem ?? 'allowed', words, `${key}=${JSON.stringify(value)}`);
  }
});

test('options that stay inside the guest are left alone', () => {
  for (const [key, value] of allowed)
    assert.equal(guestOptionProblem(key, value), undefined, `${key}=${JSON.stringify(value)}`);
});

test('no problem repeats the value, which may be a secret', () => {
  for (const [key, value] of refused) {
    const problem = guestOptionProblem(key, `${String(value)}-s3cret`) ?? '';
    assert.ok(!problem.includes('s3cret'), `${key}: ${problem}`);
  }
});

test('the guests whose volumes an option names are found, and addresses are no volumes', () => {
  assert.deepEqual(guestsInOption('scsi1', 'local-lvm:vm-300-disk-0,size=8G'), [300]);
  assert.deepEqual(guestsInOption('scsi1', 'file=local:300/vm-300-disk-0.qcow2'), [300, 300]);
  assert.deepEqual(guestsInOption('scsi1', 'zfs:base-100-disk-0/vm-101-disk-0'), [100, 101]);
  assert.deepEqual(guestsInOption('mp0', 'local:100/subvol-100-disk-0.subvol,mp=/mnt'), [100, 100]);
  assert.deepEqual(guestsInOption('scsi0', 'lvm:0,import-from=lvm:vm-7000-disk-1'), [7000]);
  assert.deepEqual(
    guestsInOption('archive', 'local:backup/vzdump-qemu-300-2026_01_01-00_00_00.vma.zst'),
    [300],
  );
  assert.deepEqual(guestsInOption('scsi0', 'local-lvm:100'), []);
  assert.deepEqual(guestsInOption('net0', 'name=eth0,ip6=fd00:100/64'), []);
});
