/** The first files of a Debian-like machine. */
import { deviceNode, directoryNode, fileNode, generatedNode, linkNode, programNode } from '../files/inode.ts';
import { plant, type Tree } from '../files/tree.ts';
import type { Machine } from '../process/process.ts';
import { kernelRelease } from '../programs/system.ts';

const accounts = [
  'root:x:0:0:root:/root:/bin/bash',
  'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin',
  'bin:x:2:2:bin:/bin:/usr/sbin/nologin',
  'www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin',
  'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
];

const groups = [
  'root:x:0:',
  'daemon:x:1:',
  'bin:x:2:',
  'adm:x:4:app',
  'tty:x:5:',
  'www-data:x:33:',
  'nogroup:x:65534:',
];

const appUser = { uid: 1000, gid: 1000, groups: [1000] };

function layBasis(machine: Machine): void {
  const { files } = machine;
  for (const name of ['boot', 'dev', 'etc', 'home', 'mnt', 'opt', 'proc', 'run', 'srv', 'usr', 'var'])
    plant(files, `/${name}`, directoryNode());
  plant(files, '/root', directoryNode(0o700));
  plant(files, '/tmp', directoryNode(0o1777));
  plant(files, '/var/tmp', directoryNode(0o1777));
  plant(files, '/var/log', directoryNode());
  for (const name of ['bin', 'sbin', 'lib']) {
    plant(files, `/usr/${name}`, directoryNode());
    plant(files, `/${name}`, linkNode(`usr/${name}`));
  }
  plant(files, '/usr/local/bin', directoryNode());
  plant(files, '/usr/local/sbin', directoryNode());
  layDevices(files);
  layProc(machine);
  for (const name of machine.programs.keys()) {
    const administrative = /^(pct|qm|pve|setcap|runuser)/.test(name) ? 'sbin' : 'bin';
    plant(files, `/usr/${administrative}/${name}`, programNode(name));
  }
  plant(
    files,
    '/etc/hostname',
    generatedNode(() => Buffer.from(`${machine.hostname()}\n`, 'latin1'), 0o644),
  );
  plant(files, '/etc/shadow', fileNode('root:*:20000:0:99999:7:::\n', 0o640));
  plant(files, '/etc/debian_version', fileNode('13.1\n'));
  plant(
    files,
    '/etc/os-release',
    fileNode(
      'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\nVERSION="13 (trixie)"\nID=debian\n',
    ),
  );
  plant(files, '/etc/resolv.conf', fileNode('nameserver 10.99.0.254\n'));
}

function layDevices(files: Tree): void {
  for (const device of ['null', 'zero', 'full', 'random'] as const)
    plant(files, `/dev/${device}`, deviceNode(device));
  plant(files, '/dev/urandom', deviceNode('random'));
  for (let fd = 0; fd < 64; fd += 1) plant(files, `/dev/fd/${fd}`, deviceNode(`fd/${fd}`));
  for (const [fd, name] of ['stdin', 'stdout', 'stderr'].entries())
    plant(files, `/dev/${name}`, linkNode(`fd/${fd}`));
  plant(files, '/proc/self/fd', linkNode('/dev/fd'));
}

function layProc(machine: Machine): void {
  const put = (name: string, make: () => string) =>
    plant(
      machine.files,
      `/proc/${name}`,
      generatedNode(() => Buffer.from(make())),
    );
  put('version', () => `Linux version ${kernelRelease} (build@proxmox) #1 SMP PREEMPT_DYNAMIC\n`);
  put('uptime', () => `${((Date.now() - machine.bootedMs()) / 1000).toFixed(2)} 0.00\n`);
  put('loadavg', () => '0.08 0.03 0.01 1/180 1234\n');
  put('cpuinfo', () =>
    [0, 1].map((cpu) => `processor\t: ${cpu}\nmodel name\t: QEMU Virtual CPU\n\n`).join(''),
  );
  put('meminfo', () => {
    const totalKiB = machine.memoryMiB * 1024;
    return `MemTotal:       ${totalKiB} kB\nMemFree:        ${Math.round(totalKiB * 0.6)} kB\nMemAvailable:   ${Math.round(totalKiB * 0.78)} kB\n`;
  });
  put(
    'mounts',
    () => '/dev/root / ext4 rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n',
  );
}

export function layNode(machine: Machine): void {
  layBasis(machine);
  const { files } = machine;
  plant(files, '/etc/passwd', fileNode(`${accounts.join('\n')}\n`));
  plant(files, '/etc/group', fileNode(`${groups.join('\n').replace('adm:x:4:app', 'adm:x:4:')}\n`));
  plant(files, '/etc/hosts', fileNode(`127.0.0.1 localhost\n${machine.address()} ${machine.hostname()}\n`));
  for (const path of ['/var/lib/lxc', '/var/lib/vz', '/run/lock/lxc']) plant(files, path, directoryNode());
}

export function layContainer(machine: Machine): void {
  layBasis(machine);
  const { files } = machine;
  plant(
    files,
    '/etc/passwd',
    fileNode(`${[...accounts, 'app:x:1000:1000::/home/app:/bin/bash'].join('\n')}\n`),
  );
  plant(files, '/etc/group', fileNode(`${[...groups, 'app:x:1000:'].join('\n')}\n`));
  plant(files, '/etc/hosts', fileNode('127.0.0.1 localhost\n::1 localhost ip6-localhost\n'));
  plant(files, '/home/app', directoryNode(0o755, appUser));
  plant(files, '/var/www/html/index.html', fileNode('<!doctype html>\n<title>It works</title>\n'));
  plant(files, '/var/log/syslog', fileNode('systemd[1]: Startup finished.\n', 0o640));
}
