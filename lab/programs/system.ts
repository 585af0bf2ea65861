/** Programs that tell about the machine, its users and processes. */
import { contentOf } from '../files/inode.ts';
import { findNode } from '../files/tree.ts';
import { findGroup, findUser, groupsOf } from '../machine/users.ts';
import type { Program } from '../process/process.ts';
import { findSignal } from '../process/signals.ts';
import { runKill } from './kill.ts';
import { complain } from './launch.ts';
import { readOptions } from './options.ts';
import { findExecutable } from './resolve.ts';

export const kernelRelease = '6.14.8-2-pve';

const id: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1));
  const { files } = self.machine;
  const [name] = operands;
  const user = name === undefined ? undefined : findUser(files, name);
  if (name !== undefined && user === undefined) return await complain(self, `‘${name}’: no such user`);
  const who = user === undefined ? self.who : { uid: user.uid, gid: user.gid, groups: groupsOf(files, user) };
  const userName = (uid: number) => findUser(files, uid)?.name;
  const groupName = (gid: number) => findGroup(files, gid)?.name;
  const shown = (number: number, known: string | undefined) =>
    known === undefined ? String(number) : `${number}(${known})`;
  const names = has('n');
  const groups = [...new Set([who.gid, ...who.groups])];
  let text: string;
  if (has('u')) text = names ? (userName(who.uid) ?? String(who.uid)) : String(who.uid);
  else if (has('g')) text = names ? (groupName(who.gid) ?? String(who.gid)) : String(who.gid);
  else if (has('G')) text = groups.map((gid) => (names ? (groupName(gid) ?? gid) : gid)).join(' ');
  else {
    const list = groups.map((gid) => shown(gid, groupName(gid))).join(',');
    text = `uid=${shown(who.uid, userName(who.uid))} gid=${shown(who.gid, groupName(who.gid))} groups=${list}`;
  }
  await self.out(`${text}\n`);
  return 0;
};

const whoami: Program = async (self) => {
  const user = findUser(self.machine.files, self.who.uid);
  if (user === undefined) return await complain(self, `cannot find name for user ID ${self.who.uid}`);
  await self.out(`${user.name}\n`);
  return 0;
};

const groups: Program = async (self) => {
  const names = self.who.groups.map((gid) => findGroup(self.machine.files, gid)?.name ?? gid);
  await self.out(`${names.join(' ')}\n`);
  return 0;
};

const uname: Program = async (self) => {
  const { has } = readOptions(self.argv.slice(1));
  const all = has('a');
  const parts = [
    all || has('s') ? 'Linux' : '',
    all || has('n') ? self.machine.hostname() : '',
    all || has('r') ? kernelRelease : '',
    all || has('v') ? '#1 SMP PREEMPT_DYNAMIC PMX 6.14.8-2' : '',
    all || has('m', 'p', 'i') ? 'x86_64' : '',
    all || has('o') ? 'GNU/Linux' : '',
  ].filter((part) => part !== '');
  await self.out(`${parts.join(' ') || 'Linux'}\n`);
  return 0;
};

const hostname: Program = async (self) => {
  const { has } = readOptions(self.argv.slice(1));
  await self.out(has('I', 'i') ? `${self.machine.address()} \n` : `${self.machine.hostname()}\n`);
  return 0;
};

const uptime: Program = async (self) => {
  const minutes = Math.floor((Date.now() - self.machine.bootedMs()) / 60_000);
  const clock = new Date().toISOString().slice(11, 19);
  if (readOptions(self.argv.slice(1)).has('p')) await self.out(`up ${minutes} minutes\n`);
  else await self.out(` ${clock} up ${minutes} min,  0 user,  load average: 0.08, 0.03, 0.01\n`);
  return 0;
};

const free: Program = async (self) => {
  const factor = readOptions(self.argv.slice(1)).has('m') ? 1 : 1024;
  const total = self.machine.memoryMiB * factor;
  const column = (value: number) => String(Math.round(value)).padStart(12);
  const cells = [total, total * 0.22, total * 0.6, total * 0.01, total * 0.18, total * 0.78]
    .map(column)
    .join('');
  await self.out(
    `               total        used        free      shared  buff/cache   available\nMem:    ${cells}\nSwap:   ${[0, 0, 0].map(column).join('')}\n`,
  );
  return 0;
};

const df: Program = async (self) => {
  const { usedBytes, maxBytes } = self.machine.files.disk;
  const human = readOptions(self.argv.slice(1)).has('h');
  const size = (bytes: number) =>
    human ? `${(bytes / 2 ** 20).toFixed(0)}M` : String(Math.ceil(bytes / 1024));
  const device = self.machine.kind === 'node' ? '/dev/mapper/pve-root' : '/dev/loop0';
  const cells = [size(maxBytes), size(usedBytes), size(maxBytes - usedBytes)]
    .map((cell) => cell.padStart(10))
    .join('');
  const percent = `${Math.ceil((usedBytes / maxBytes) * 100)}%`;
  await self.out(
    `Filesystem           ${human ? '      Size' : ' 1K-blocks'}      Used     Avail Use% Mounted on\n`,
  );
  await self.out(`${device.padEnd(21)}${cells} ${percent.padStart(4)} /\n`);
  return 0;
};

const ip: Program = async (self) => {
  const { has, operands } = readOptions(self.argv.slice(1).map((arg) => arg.replace('-br', '--br')));
  const address = self.machine.address();
  const name = self.machine.kind === 'node' ? 'vmbr0' : 'eth0';
  if (operands[0]?.startsWith('r')) await self.out(`default via 10.99.0.1 dev ${name}\n`);
  else if (has('br', 'brief'))
    await self.out(
      `lo               UNKNOWN        127.0.0.1/8 ::1/128 \n${name.padEnd(17)}UP             ${address}/24 \n`,
    );
  else
    await self.out(
      `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000\n    inet 127.0.0.1/8 scope host lo\n` +
        `2: ${name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000\n    inet ${address}/24 scope global ${name}\n`,
    );
  return 0;
};

const ps: Program = async (self) => {
  const args = self.argv.slice(1).join(' ');
  const full = /f/.test(args) && /e/.test(args);
  const wide = /aux/.test(args);
  const every = full || wide || /[eA]/.test(args) || /-o/.test(args);
  const rows = self.table.visibleFrom(self.machine).filter((process) => every || process.pgid === self.pgid);
  const init = every ? [{ pid: 1, parent: 0, user: 'root', command: '/sbin/init' }] : [];
  const all = [
    ...init,
    ...rows.map(({ pid, parent, who, argv }) => ({
      ...{ pid, parent, command: argv.join(' ') },
      user: findUser(self.machine.files, who.uid)?.name ?? String(who.uid),
    })),
  ];
  const header = wide
    ? 'USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n'
    : full
      ? 'UID          PID    PPID  C STIME TTY          TIME CMD\n'
      : '    PID TTY          TIME CMD\n';
  const lines = all.map(({ pid, parent, user, command }) => {
    if (wide)
      return `${user.padEnd(8)} ${String(pid).padStart(7)}  0.0  0.1   4320  3112 ?        S    00:00   0:00 ${command}\n`;
    if (full)
      return `${user.padEnd(8)} ${String(pid).padStart(7)} ${String(parent).padStart(7)}  0 00:00 ?        00:00:00 ${command}\n`;
    return `${String(pid).padStart(7)} ?        00:00:00 ${command.split(' ')[0]?.split('/').at(-1)}\n`;
  });
  await self.out(header + lines.join(''));
  return 0;
};

const pgrep: Program = async (self) => {
  const signal = self.argv
    .slice(1)
    .map((arg) => findSignal(arg.replace(/^-/, '')))
    .find((name) => name !== undefined);
  const args = self.argv.slice(1).filter((arg) => findSignal(arg.replace(/^-/, '')) === undefined);
  const { operands, has } = readOptions(args, { valued: ['u', 's'] });
  const wanted = new RegExp((operands[0] ?? '').replaceAll(/[()[\]{}]/g, '\\$&'));
  const found = self.table
    .visibleFrom(self.machine)
    .filter((process) => process !== self)
    .filter(({ argv }) => wanted.test(has('f') ? argv.join(' ') : (argv[0]?.split('/').at(-1) ?? '')));
  const kills = self.argv[0]?.endsWith('pkill') === true;
  for (const process of found)
    if (kills) process.kill(signal ?? 'TERM');
    else await self.out(`${process.pid}\n`);
  return found.length > 0 ? 0 : 1;
};

const which: Program = async (self) => {
  let status = 0;
  for (const name of self.argv.slice(1)) {
    const found = findExecutable(self, name, self.env.get('PATH') ?? '');
    if (found === undefined) status = 1;
    else await self.out(`${found}\n`);
  }
  return status;
};

const getent: Program = async (self) => {
  const [, database = '', key = ''] = self.argv;
  const node = findNode(self.machine.files, `/etc/${database}`);
  if (node?.kind !== 'file') return 2;
  const lines = contentOf(node)
    .toString('latin1')
    .split('\n')
    .filter((line) => line !== '');
  const found = lines.filter(
    (line) => key === '' || line.split(':')[0] === key || line.split(':')[2] === key,
  );
  for (const line of found) await self.out(`${line}\n`);
  return found.length > 0 ? 0 : 2;
};

export const system: Readonly<Record<string, Program>> = {
  ...{ id, whoami, groups, uname, hostname, uptime, free, df, ip, ps, pgrep, pkill: pgrep, which, getent },
  nproc: async (self) => {
    await self.out('2\n');
    return 0;
  },
  arch: async (self) => {
    await self.out('x86_64\n');
    return 0;
  },
  kill: (self) => runKill(self, self.argv.slice(1), async (message) => void (await complain(self, message))),
};
