/** What a demo has beyond the usual guests: machines of several kinds, some of them on the second node. */
import { defaultGuests, hardwareAddress, type LabGuestSpec } from './guests.ts';

function machine(vmid: number, cores: number, memoryMiB: number, diskGiB: number): Record<string, string> {
  return {
    ...{ cores: String(cores), memory: String(memoryMiB), onboot: '1' },
    scsi0: `local-lvm:vm-${vmid}-disk-0,iothread=1,size=${diskGiB}G`,
    net0: `virtio=${hardwareAddress(vmid)},bridge=vmbr0`,
  };
}

const atS = 1_793_498_400;

export const demoGuests: readonly LabGuestSpec[] = [
  ...defaultGuests.map((guest) =>
    guest.vmid === 300 ? { ...guest, tags: 'prod', config: machine(300, 2, 2048, 32) } : guest,
  ),
  {
    ...{ vmid: 103, name: 'cache1', node: 'pve2', status: 'running', tags: 'prod' },
    snapshots: [{ name: 'before-upgrade', description: 'Debian 12', timeS: atS }],
  },
  {
    ...{ vmid: 301, name: 'app1', kind: 'vm', node: 'pve2', status: 'running', tags: 'prod;app' },
    ...{ description: 'Application server', config: machine(301, 4, 8192, 64) },
    snapshots: [
      { name: 'clean', description: 'Just installed', timeS: atS },
      { name: 'v2', parent: 'clean', timeS: atS + 86_400 },
    ],
  },
  {
    vmid: 302,
    name: 'win11',
    kind: 'vm',
    config: { ...machine(302, 4, 8192, 120), agent: '0', ostype: 'win11' },
  },
  { vmid: 900, name: 'debian13', kind: 'vm', template: true, config: machine(900, 2, 2048, 16) },
];
