/** Endpoints by which the guest agent tells about its machine. */
import { kernelRelease } from '../programs/system.ts';
import { agentPath, agentPrivilege, type Reached, reachAgent } from './agent-call.ts';
import { addressInside } from './agent-inside.ts';
import { defineEndpoint, type Endpoint } from './endpoint.ts';
import { fractionOf } from './storage-volumes.ts';

const loopback = {
  ...{ name: 'lo', 'hardware-address': '00:00:00:00:00:00' },
  'ip-addresses': [
    { 'ip-address': '127.0.0.1', 'ip-address-type': 'ipv4', prefix: 8 },
    { 'ip-address': '::1', 'ip-address-type': 'ipv6', prefix: 128 },
  ],
};

function statistics(subject: string) {
  const packets = Math.floor(fractionOf(subject) * 100_000);
  return {
    ...{ 'rx-bytes': packets * 640, 'rx-packets': packets, 'rx-errs': 0, 'rx-dropped': 0 },
    ...{ 'tx-bytes': packets * 210, 'tx-packets': packets, 'tx-errs': 0, 'tx-dropped': 0 },
  };
}

function interfaces({ guest }: Reached) {
  const address = addressInside(guest);
  const hardware = /\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/i.exec(guest.config.get('net0') ?? '')?.[0];
  const ethernet = {
    ...{ name: 'eth0', 'hardware-address': hardware?.toLowerCase() ?? 'bc:24:11:00:00:01' },
    'ip-addresses': [{ 'ip-address': address, 'ip-address-type': 'ipv4', prefix: 16 }],
    statistics: statistics(address),
  };
  return [{ ...loopback, statistics: statistics('lo') }, ethernet];
}

const gibibyte = 1024 ** 3;

function fileSystems({ guest }: Reached) {
  const totalBytes = 31 * gibibyte;
  const address = { 'bus-type': 'scsi', bus: 0, target: 0, unit: 0, dev: '/dev/sda1' };
  return [
    {
      ...{ name: 'sda1', mountpoint: '/', type: 'ext4', 'total-bytes': totalBytes },
      'used-bytes': Math.floor(totalBytes * (0.1 + fractionOf(`root of ${guest.vmid}`) / 2)),
      disk: [address],
    },
    {
      name: 'sda15',
      mountpoint: '/boot/efi',
      type: 'vfat',
      'total-bytes': 130_000_000,
      'used-bytes': 9_100_000,
      disk: [address],
    },
  ];
}

function supportedCommands() {
  const names = [
    'guest-ping',
    ...Object.keys(facts).map((name) => `guest-${name}`),
    'guest-exec',
    'guest-exec-status',
  ];
  return names.map((name) => ({ name, enabled: true, 'success-response': true }));
}

interface Fact {
  readonly about: string;
  tell(reached: Reached): unknown;
}

/** What the agent tells when it is asked, by the last part of the path. */
const facts: Readonly<Record<string, Fact>> = {
  'get-fsinfo': { about: 'Lists the mounted file systems of the guest.', tell: fileSystems },
  'get-host-name': {
    about: 'Tells the host name of the guest.',
    tell: ({ inside }) => ({
      'host-name': Buffer.from(inside.machine.hostname(), 'latin1').toString('utf8'),
    }),
  },
  'get-osinfo': {
    about: 'Tells which operating system the guest runs.',
    tell: () => ({
      ...{ id: 'debian', name: 'Debian GNU/Linux', 'pretty-name': 'Debian GNU/Linux 13 (trixie)' },
      ...{ version: '13 (trixie)', 'version-id': '13', machine: 'x86_64' },
      ...{ 'kernel-release': kernelRelease, 'kernel-version': '#1 SMP PREEMPT_DYNAMIC' },
    }),
  },
  'get-time': {
    about: 'Tells the clock of the guest, in nanoseconds since 1970.',
    tell: () => Date.now() * 1e6,
  },
  'get-timezone': { about: 'Tells the time zone of the guest.', tell: () => ({ zone: 'UTC', offset: 0 }) },
  'get-users': {
    about: 'Lists who is logged in on the guest.',
    tell: ({ guest }) => [{ user: 'root', 'login-time': Math.floor((guest.bootedMs ?? 0) / 1000) + 60 }],
  },
  'get-vcpus': {
    about: 'Lists the processors of the guest.',
    tell: ({ guest }) =>
      Array.from({ length: Number(guest.config.get('cores') ?? 1) }, (_none, number) => ({
        ...{ 'logical-id': number, online: true, 'can-offline': number > 0 },
      })),
  },
  info: {
    about: 'Tells the version of the agent and what it can do.',
    tell: () => ({ version: '10.0.3', supported_commands: supportedCommands() }),
  },
  'network-get-interfaces': { about: 'Lists the network interfaces of the guest.', tell: interfaces },
};

export const factNames: readonly string[] = Object.keys(facts);

export const factEndpoints: readonly Endpoint[] = Object.entries(facts).map(([name, { about, tell }]) =>
  defineEndpoint({
    ...{ method: 'GET', path: `${agentPath}/${name}`, about, returns: 'object' },
    permission: agentPrivilege('Audit'),
    run: async (call) => ({ result: tell(await reachAgent(call)) }),
  }),
);
