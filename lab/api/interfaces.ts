/** The endpoint that tells which addresses a running container has. */
import { type Call, defineEndpoint, type Endpoint } from './endpoint.ts';

interface Address {
  readonly type: 'inet' | 'inet6';
  readonly address: string;
  readonly prefix: string;
}

function entry(name: string, hardwareAddress: string, addresses: readonly Address[]) {
  return {
    ...{ name, hwaddr: hardwareAddress, 'hardware-address': hardwareAddress },
    ...Object.fromEntries(addresses.map(({ type, address, prefix }) => [type, `${address}/${prefix}`])),
    'ip-addresses': addresses.map(({ type, address, prefix }) => ({
      ...{ 'ip-address': address, 'ip-address-type': type, prefix },
    })),
  };
}

/** As the kernel derives it from a hardware address. */
function linkLocal(hardwareAddress: string): string {
  const [first = 0, ...rest] = hardwareAddress.split(':').map((part) => Number.parseInt(part, 16));
  const bytes = Buffer.from([first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)]);
  return `fe80::${bytes.toString('hex').match(/.{4}/g)?.join(':')}`;
}

/** Nothing at all of a container that is unknown or stopped. */
function interfaces({ cluster, node, values }: Call) {
  const guest = cluster.guests.get(values.number('vmid'));
  if (guest?.kind !== 'container' || guest.node !== node.name || guest.pid === undefined) return null;
  const cards = [...guest.config].filter(([key]) => /^net\d+$/.test(key));
  return [
    entry('lo', '00:00:00:00:00:00', [
      { type: 'inet', address: '127.0.0.1', prefix: '8' },
      { type: 'inet6', address: '::1', prefix: '128' },
    ]),
    ...cards.map(([, value]) => {
      const settings = new Map(value.split(',').map((part) => part.split('=') as [string, string]));
      const hardwareAddress = (settings.get('hwaddr') ?? 'BC:24:11:00:00:01').toLowerCase();
      const [, address, prefix = '24'] = /^([\d.]+)(?:\/(\d+))?$/.exec(settings.get('ip') ?? '') ?? [];
      return entry(settings.get('name') ?? 'eth0', hardwareAddress, [
        ...(address === undefined ? [] : [{ type: 'inet' as const, address, prefix }]),
        { type: 'inet6', address: linkLocal(hardwareAddress), prefix: '64' },
      ]);
    }),
  ];
}

export const interfaceEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/lxc/{vmid}/interfaces', returns: 'array' },
    about: 'Tells the addresses of a running container.',
    ...{ permission: { path: '/vms/{vmid}', privileges: ['VM.Audit'] }, run: interfaces },
  }),
];
