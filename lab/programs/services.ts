/** Programs whose output comes over time or from services: ping, apt, systemctl, journalctl. */
import type { Process, Program } from '../process/process.ts';
import { complain } from './launch.ts';
import { readOptions } from './options.ts';

const ping: Program = async (self) => {
  const { operands, get } = readOptions(self.argv.slice(1), { valued: ['c', 'i', 'W', 'w', 's', 'I'] });
  const [target] = operands;
  if (target === undefined) return await complain(self, 'usage error: Destination address required');
  const count = Number(get('c') ?? Number.POSITIVE_INFINITY);
  const intervalMs = Math.max(0.002, Number(get('i') ?? 1)) * 1000;
  const address = /^[\d.]+$/.test(target) ? target : '192.0.2.10';
  await self.out(`PING ${target} (${address}) 56(84) bytes of data.\n`);
  const startedMs = Date.now();
  let sent = 0;
  const summary = async () => {
    const ms = Date.now() - startedMs;
    await self.out(
      `\n--- ${target} ping statistics ---\n${sent} packets transmitted, ${sent} received, 0% packet loss, time ${ms}ms\nrtt min/avg/max/mdev = 0.041/0.048/0.055/0.005 ms\n`,
    );
  };
  while (sent < count) {
    if (sent > 0) await self.sleep(intervalMs);
    sent += 1;
    await self.out(`64 bytes from ${address}: icmp_seq=${sent} ttl=64 time=0.0${40 + (sent % 16)} ms\n`);
  }
  await summary();
  return 0;
};

const mirror = 'http://deb.debian.org/debian trixie';

async function slowly(self: Process, lines: readonly string[], stepMs: number): Promise<void> {
  for (const line of lines) {
    await self.out(`${line}\n`);
    await self.sleep(stepMs);
  }
}

const apt: Program = async (self) => {
  const { operands } = readOptions(self.argv.slice(1), { valued: ['o', 't'] });
  const [action, ...packages] = operands;
  if (self.who.uid !== 0)
    return await complain(
      self,
      'Could not open lock file /var/lib/apt/lists/lock - open (13: Permission denied)',
      100,
    );
  if (self.argv[0]?.endsWith('apt') === true)
    await self.err('\nWARNING: apt does not have a stable CLI interface. Use with caution in scripts.\n\n');
  if (action === 'update') {
    const fetched = ['InRelease [138 kB]', '-updates InRelease [47.1 kB]', '/main amd64 Packages [9,669 kB]'];
    await slowly(
      self,
      fetched.map(
        (name, index) =>
          `Get:${index + 1} ${mirror}${name.startsWith('-') || name.startsWith('/') ? '' : ' '}${name}`,
      ),
      600,
    );
    await slowly(
      self,
      [
        'Fetched 9,854 kB in 2s (4,927 kB/s)',
        'Reading package lists...',
        'Building dependency tree...',
        'All packages are up to date.',
      ],
      200,
    );
    return 0;
  }
  if (action === 'install' || action === 'upgrade' || action === 'full-upgrade' || action === 'remove') {
    await slowly(
      self,
      ['Reading package lists...', 'Building dependency tree...', 'Reading state information...'],
      200,
    );
    for (const name of packages)
      await slowly(
        self,
        [
          `Selecting previously unselected package ${name}.`,
          `Unpacking ${name} ...`,
          `Setting up ${name} ...`,
        ],
        300,
      );
    const count = action === 'install' ? packages.length : 0;
    await self.out(`0 upgraded, ${count} newly installed, 0 to remove and 0 not upgraded.\n`);
    return 0;
  }
  return await complain(self, `Invalid operation ${action ?? ''}`, 100);
};

const units = new Set([
  'ssh',
  'cron',
  'systemd-journald',
  'pveproxy',
  'pvedaemon',
  'nginx',
  'postgresql',
  'networking',
]);

const systemctl: Program = async (self) => {
  const { operands } = readOptions(self.argv.slice(1), { valued: ['n', 'type', 'state'] });
  const [action = 'list-units', ...names] = operands;
  const known = (name: string) => units.has(name.replace(/\.service$/, ''));
  if (action === 'is-system-running') {
    await self.out('running\n');
    return 0;
  }
  if (action === 'list-units') {
    await self.out('UNIT                 LOAD   ACTIVE SUB     DESCRIPTION\n');
    for (const unit of units)
      await self.out(`${`${unit}.service`.padEnd(20)} loaded active running ${unit}\n`);
    return 0;
  }
  let status = 0;
  for (const name of names) {
    const unit = name.replace(/\.service$/, '');
    if (action === 'is-active') {
      await self.out(known(name) ? 'active\n' : 'inactive\n');
      if (!known(name)) status = 3;
    } else if (!known(name)) {
      await self.err(
        action === 'status'
          ? `Unit ${unit}.service could not be found.\n`
          : `Failed to ${action} ${unit}.service: Unit ${unit}.service not found.\n`,
      );
      status = action === 'status' ? 4 : 5;
    } else if (action === 'status')
      await self.out(
        `● ${unit}.service - ${unit}\n`.replace('●', '\xe2\x97\x8f') +
          `     Loaded: loaded (/usr/lib/systemd/system/${unit}.service; enabled; preset: enabled)\n     Active: active (running) since ${new Date(self.machine.bootedMs()).toUTCString()}\n   Main PID: 312 (${unit})\n`,
      );
    else await self.sleep(150);
  }
  return status;
};

const journalctl: Program = async (self) => {
  const { get, has } = readOptions(self.argv.slice(1), {
    valued: ['n', 'u', 'lines', 'unit', 'p', 'S', 'since', 'o'],
  });
  const count = Math.min(Number(get('n', 'lines') ?? 10), 1000);
  const unit = get('u', 'unit')?.replace(/\.service$/, '') ?? 'systemd';
  const stamp = (ms: number) =>
    new Date(ms).toUTCString().replace(/^\w+, (\d+) (\w+) \d+ ([\d:]+).*$/, '$2 $1 $3');
  const line = (number: number) =>
    `${stamp(Date.now())} ${self.machine.hostname()} ${unit}[312]: ${unit}: periodic message ${number}\n`;
  for (let number = 1; number <= count; number += 1) await self.out(line(number));
  for (let number = count + 1; has('f', 'follow'); number += 1) {
    await self.sleep(1000);
    await self.out(line(number));
  }
  return 0;
};

export const services: Readonly<Record<string, Program>> = {
  ping,
  apt,
  'apt-get': apt,
  systemctl,
  journalctl,
};
