/** The volume that keeps a guest as it is. */
import { copyFiles } from '../files/copy.ts';
import { createTree, type Tree } from '../files/tree.ts';
import { bytesOf } from '../proxmox/figures.ts';
import { type LabGuest, maxMachineBytes } from '../proxmox/guest.ts';
import { kindOf } from './guest-kinds.ts';
import { disksOf, fractionOf, type LabStorage, type LabVolume } from './storage-volumes.ts';

const endings: Readonly<Record<string, string>> = { gzip: '.gz', lzo: '.lzo', '1': '.lzo', zstd: '.zst' };

/** The node's clock is in UTC. */
function stampOf(timeS: number): string {
  const [date = '', time = ''] = new Date(timeS * 1000).toISOString().slice(0, 19).split('T');
  return `${date.replaceAll('-', '_')}-${time.replaceAll(':', '_')}`;
}

function filesOf({ machine }: LabGuest): Tree | undefined {
  if (machine === undefined) return undefined;
  const files = createTree({ maxBytes: maxMachineBytes });
  copyFiles(machine.files, files);
  return files;
}

/** The volume that a guest, as it is now, would be kept in. */
export function archiveOf(
  guest: LabGuest,
  { storage }: LabStorage,
  { timeS, compression }: { timeS: number; compression: string },
): LabVolume {
  const { kind, vmid, config, description } = guest;
  const format = `${kind === 'vm' ? 'vma' : 'tar'}${endings[compression] ?? ''}`;
  const name = `vzdump-${kindOf(guest).path}-${vmid}-${stampOf(timeS)}.${format}`;
  const diskBytes = disksOf(config).reduce((sum, { size }) => sum + bytesOf(size), 0);
  const kept = [...config].filter(([key]) => key !== 'lock');
  return {
    ...{ volid: `${storage}:backup/${name}`, content: 'backup', format, vmid, ctimeS: timeS },
    sizeBytes: Math.floor((0.02 + fractionOf(name) / 20) * diskBytes) + 10_240,
    archived: { kind, description, config: new Map(kept), files: filesOf(guest) },
  };
}
