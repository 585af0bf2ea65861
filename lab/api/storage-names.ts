/** What a volume's name says of it, and where its file lies. */
import type { Content, LabStorage } from './storage-volumes.ts';

export interface VolumeName {
  readonly volid: string;
  readonly content: Content;
  readonly format: string;
  readonly vmid: number | undefined;
  /** Where the node has it. */
  readonly path: string;
}

interface Kind {
  readonly content: Content;
  readonly directory: string;
  /** What files must be called; the group is their format, unless that is given. */
  readonly name: RegExp;
  readonly format?: string;
}

const archiveName =
  /^vzdump-(?:lxc|qemu)-(?<vmid>\d+)-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d\.(?<format>(?:tar|vma)(?:\.(?:gz|lzo|zst))?)$/;

const kinds: readonly Kind[] = [
  { content: 'iso', directory: 'template/iso', name: /\.(?:iso|img)$/i, format: 'iso' },
  { content: 'vztmpl', directory: 'template/cache', name: /\.tar\.(?<format>gz|xz|zst|bz2)$/ },
  { content: 'backup', directory: 'dump', name: archiveName },
  { content: 'snippets', directory: 'snippets', name: /./, format: 'snippet' },
  { content: 'import', directory: 'import', name: /\.(?<format>qcow2|raw|vmdk|ova)$/ },
];

/** Of a file called `name` in the directory for that content; undefined where such a file is not called so. */
export function formatOf(content: string, name: string): string | undefined {
  const kind = kinds.find((one) => one.content === content);
  const found = kind?.name.exec(name);
  if (found === undefined || found === null) return undefined;
  const format = kind?.format ?? found.groups?.format;
  return content === 'vztmpl' ? `t${format}` : format;
}

/** Reads the part of a volume id behind the colon; undefined where the storage has no such names. */
export function readVolumeName({ storage, path }: LabStorage, name: string): VolumeName | undefined {
  const volid = `${storage}:${name}`;
  if (path === undefined) {
    const [, vmid] = /^(?:vm|base)-(\d+)-[\w.-]+$/.exec(name) ?? [];
    if (vmid === undefined) return undefined;
    return { volid, content: 'images', format: 'raw', vmid: Number(vmid), path: `/dev/pve/${name}` };
  }
  const [, vmid, disk = ''] = /^(\d+)\/([^/\s]+)$/.exec(name) ?? [];
  if (vmid !== undefined) {
    const format = /\.(raw|qcow2|subvol|vmdk)$/.exec(disk)?.[1];
    if (format === undefined) return undefined;
    return { volid, content: 'images', format, vmid: Number(vmid), path: `${path}/images/${name}` };
  }
  const [, word = '', file = ''] = /^(\w+)\/([^/\s]+)$/.exec(name) ?? [];
  const kind = kinds.find(({ content }) => content === word);
  const format = formatOf(word, file);
  if (kind === undefined || format === undefined) return undefined;
  const { content, directory } = kind;
  const owner = archiveName.exec(file)?.groups?.vmid;
  const place = { content, format, path: `${path}/${directory}/${file}` };
  return { volid, ...place, vmid: content === 'backup' && owner !== undefined ? Number(owner) : undefined };
}
