/** What storages hold, as data and as lines of a chat. */
import { bytesText } from '../base/quantities.ts';
import { bound, clean } from '../base/text.ts';
import { present } from '../ops/answers.ts';
import { archiveOf, type Unread, type Volume } from '../ops/volumes.ts';
import { momentText } from './moments.ts';
import { Rows } from './rows.ts';

export interface VolumeEntry {
  readonly volid: string;
  readonly content: string;
  /** Where the storage is not shared. */
  readonly node?: string;
  readonly vmid?: number;
  readonly size_bytes?: number;
  readonly created_at?: string;
  readonly notes?: string;
  readonly protected?: true;
  readonly encrypted?: true;
  readonly verification?: string;
}

/** Code points. */
const maxNotes = 500;

export function volumeEntry(volume: Volume): VolumeEntry {
  const { volid, content, place, sizeBytes, createdAt, notes, verification } = volume;
  return present({
    ...{ volid, content, node: place.shared ? undefined : place.node },
    vmid: volume.vmid ?? archiveOf(volid)?.vmid,
    ...{ size_bytes: sizeBytes, created_at: createdAt?.toISOString() },
    notes: notes === '' ? undefined : bound(notes, maxNotes).text,
    protected: volume.protected ? (true as const) : undefined,
    encrypted: volume.encrypted ? (true as const) : undefined,
    verification: verification === '' ? undefined : verification,
  });
}

export function volumeLine(entry: VolumeEntry): string {
  const { volid, content, node, vmid, size_bytes, created_at, notes, verification } = entry;
  const facts = [
    clean(content, 40),
    vmid !== undefined && `guest ${vmid}`,
    size_bytes !== undefined && bytesText(size_bytes),
    created_at !== undefined && momentText(created_at),
    node !== undefined && `on ${clean(node, 64)}`,
    entry.protected && 'protected',
    entry.encrypted && 'encrypted',
    verification !== undefined && `verification: ${clean(verification, 40)}`,
  ].filter((fact) => typeof fact === 'string');
  return `${clean(volid)}: ${facts.join(', ')}${notes === undefined ? '' : ` – ${clean(notes, 200)}`}`;
}

export const Volumes = Rows<VolumeEntry>();
export const UnreadStorages = Rows<Unread>().optional();

/** As a property of the data, only where there are any. */
export function unreadOf(unread: readonly Unread[]): { unread?: Unread[] } {
  return unread.length === 0 ? {} : { unread: [...unread] };
}

export function unreadLines(unread: readonly Unread[] = []): string[] {
  return unread.map(
    ({ storage, node, problem }) => `Not read: ${clean(storage, 100)} on ${clean(node, 64)}. ${problem}`,
  );
}
