/** The keys of a guest's configuration that the lab knows, as parameters of the API. */
import type { Parameter, Parameters } from './endpoint.ts';

type Extra = Partial<Parameter>;

const text = (about: string, extra: Extra = {}): Parameter => ({
  type: 'string',
  optional: true,
  about,
  ...extra,
});
const flag = (about: string, fallback = 0): Parameter => ({
  ...{ type: 'boolean', optional: true, default: fallback, about },
});
const count = (about: string, minimum: number, extra: Extra = {}): Parameter => ({
  ...{ type: 'integer', optional: true, about, minimum, ...extra },
});
const disk = (about: string): Parameter => text(about, { format: 'pve-disk-or-network' });

const shared: Parameters = {
  cpulimit: {
    type: 'number',
    optional: true,
    default: 0,
    minimum: 0,
    maximum: 8192,
    about: 'Most cores it may use.',
  },
  cpuunits: count('Weight of its share of the CPU.', 0, { maximum: 500_000 }),
  description: text('Notes, in Markdown.', { maxLength: 8192 }),
  hookscript: text('Volume of a script that runs when the guest starts and stops.'),
  nameserver: text('Addresses of name servers.'),
  onboot: flag('Whether it starts with the node.'),
  protection: flag('Whether the guest and its disks are kept from being removed.'),
  searchdomain: text('Domains in which names are looked up.'),
  startup: text('Its turn when the node starts: `order=1,up=30`.'),
  tags: text('Tags, semicolons between them.', { format: 'pve-tag-list' }),
  template: flag('Whether it is a template.'),
};

export const containerParameters: Parameters = {
  ...shared,
  arch: text('Architecture.', {
    enum: ['amd64', 'i386', 'arm64', 'armhf', 'riscv32', 'riscv64'],
    default: 'amd64',
  }),
  cmode: text('What the console shows.', { enum: ['shell', 'console', 'tty'], default: 'tty' }),
  console: flag('Whether there is a console.', 1),
  cores: count('Cores it may use; all where nothing is said.', 1, { maximum: 8192 }),
  'dev[n]': text('A device that is passed on.'),
  features: text('What it may do beyond the usual: `nesting=1`.'),
  hostname: text('Host name.', { format: 'dns-name', maxLength: 255 }),
  lock: text('Lock on the configuration.', {
    enum: [
      'backup',
      'create',
      'destroyed',
      'disk',
      'fstrim',
      'migrate',
      'mounted',
      'rollback',
      'snapshot',
      'snapshot-delete',
    ],
  }),
  memory: count('Memory in MiB.', 16, { default: 512 }),
  'mp[n]': disk('A further volume: `local-lvm:8,mp=/data`.'),
  'net[n]': text('A network card: `name=eth0,bridge=vmbr0,ip=dhcp`.', { format: 'pve-container-network' }),
  ostype: text('Kind of system.', {
    enum: [
      ...['debian', 'devuan', 'ubuntu', 'centos', 'fedora', 'opensuse', 'archlinux', 'alpine'],
      ...['gentoo', 'nixos', 'unmanaged'],
    ],
  }),
  rootfs: disk('The volume of its root: `local-lvm:8`.'),
  swap: count('Swap in MiB.', 0, { default: 512 }),
  timezone: text('Time zone, or `host` for that of the node.'),
  tty: count('How many terminals it has.', 0, { maximum: 6, default: 2 }),
  unprivileged: flag('Whether its root is nobody outside of it.'),
  'unused[n]': disk('A volume that belongs to it and is not used.'),
};

export const vmParameters: Parameters = {
  ...shared,
  acpi: flag('Whether it has ACPI.', 1),
  agent: text('Whether the guest agent is used, and how: `1`, `enabled=1,fstrim_cloned_disks=1`.'),
  balloon: count('Memory in MiB that it keeps when memory is short; 0 switches ballooning off.', 0),
  bios: text('Firmware.', { enum: ['seabios', 'ovmf'], default: 'seabios' }),
  boot: text('From what it starts: `order=scsi0;net0`.'),
  bootdisk: text('The disk it starts from, in the old way.', { pattern: /^(ide|sata|scsi|virtio)\d+$/ }),
  cicustom: text('Volumes that take the place of generated cloud-init files.'),
  cipassword: text('Password that cloud-init sets.'),
  citype: text('Kind of the cloud-init drive.', { enum: ['configdrive2', 'nocloud', 'opennebula'] }),
  ciupgrade: flag('Whether cloud-init upgrades packages.', 1),
  ciuser: text('User that cloud-init makes.'),
  cores: count('Cores a socket.', 1, { default: 1 }),
  cpu: text('Model of the CPU: `x86-64-v2-AES`, `host`.'),
  efidisk0: disk('The disk of the EFI variables.'),
  'hostpci[n]': text('A PCI device that is passed on.'),
  hotplug: text('What may change while it runs.', { default: 'network,disk,usb' }),
  'ide[n]': disk('An IDE disk or CD-ROM: `local:iso/debian.iso,media=cdrom`.'),
  'ipconfig[n]': text('What cloud-init sets on a network card: `ip=dhcp`.'),
  keyboard: text('Layout of the keyboard of its VNC console.'),
  kvm: flag('Whether it uses hardware virtualisation.', 1),
  localtime: { type: 'boolean', optional: true, about: 'Whether its clock shows local time.' },
  lock: text('Lock on the configuration.', {
    enum: [
      'backup',
      'clone',
      'create',
      'migrate',
      'rollback',
      'snapshot',
      'snapshot-delete',
      'suspending',
      'suspended',
    ],
  }),
  machine: text('Model of the machine: `q35`.'),
  memory: text('Memory in MiB.', { format: 'pve-vm-memory', default: '512' }),
  name: text('Name.', { format: 'dns-name' }),
  'net[n]': text('A network card: `virtio,bridge=vmbr0`.', { format: 'pve-disk-or-network' }),
  numa: flag('Whether it has NUMA.'),
  ostype: text('Kind of system.', {
    enum: [
      ...['other', 'wxp', 'w2k', 'w2k3', 'w2k8', 'wvista', 'win7', 'win8', 'win10', 'win11'],
      ...['l24', 'l26', 'solaris'],
    ],
    default: 'other',
  }),
  'sata[n]': disk('A SATA disk.'),
  'scsi[n]': disk('A SCSI disk: `local-lvm:32`.'),
  scsihw: text('Model of the SCSI controller.', {
    enum: ['lsi', 'lsi53c810', 'virtio-scsi-pci', 'virtio-scsi-single', 'megasas', 'pvscsi'],
    default: 'lsi',
  }),
  'serial[n]': text('A serial port.'),
  smbios1: text('What SMBIOS tells.', { maxLength: 512 }),
  sockets: count('Sockets.', 1, { default: 1 }),
  sshkeys: text('Public keys that cloud-init lets in, URL-encoded, one a line.'),
  tablet: flag('Whether it has a tablet as pointing device.', 1),
  tpmstate0: disk('The disk of the TPM.'),
  'unused[n]': disk('A disk that belongs to it and is not used.'),
  'usb[n]': text('A USB device that is passed on.'),
  vcpus: count('How many of its cores are plugged in.', 1),
  vga: text('Model of the graphics card.'),
  'virtio[n]': disk('A VirtIO disk.'),
  vmgenid: text('Id of this incarnation of the machine.'),
};

/** What only a change of a configuration takes. */
export const changeParameters: Parameters = {
  delete: text('Keys to take away, commas between them.'),
  digest: text('Refuse where the configuration has another digest by now.', { maxLength: 40 }),
  revert: text('Keys whose pending change is dropped.'),
};

const privilegesByKey: readonly (readonly [RegExp, string])[] = [
  [/^(rootfs|mp\d+|unused\d+|(scsi|virtio|sata)\d+|efidisk0|tpmstate0)$/, 'VM.Config.Disk'],
  [/^ide\d+$/, 'VM.Config.CDROM'],
  [/^(cores|cpu|cpulimit|cpuunits|numa|sockets|vcpus)$/, 'VM.Config.CPU'],
  [/^(memory|swap|balloon)$/, 'VM.Config.Memory'],
  [/^(net\d+|nameserver|searchdomain|hostname)$/, 'VM.Config.Network'],
  [/^(ci\w+|ipconfig\d+|sshkeys)$/, 'VM.Config.Cloudinit'],
  [/^(bios|machine|scsihw|vga|serial\d+|usb\d+|hostpci\d+|tablet|kvm)$/, 'VM.Config.HWType'],
];

/** What one must be allowed to change a key. */
export function privilegeOf(key: string): string {
  return privilegesByKey.find(([keys]) => keys.test(key))?.[1] ?? 'VM.Config.Options';
}
