/** Seeing storages and what they hold. */
import { z } from 'zod';
import { bytesText } from '../base/quantities.ts';
import { clean } from '../base/text.ts';
import { present } from '../ops/answers.ts';
import type { Offer, StorageInfo } from '../ops/storage.ts';
import { defineTool } from './define.ts';
import { downloadTools } from './download-to-storage.ts';
import { Limit, Offset, pageOf, restOf } from './page.ts';
import { NodeName, StorageName, Vmid } from './params.ts';
import { Rows } from './rows.ts';
import { ContentType } from './storage-params.ts';
import { UnreadStorages, unreadLines, unreadOf, Volumes, volumeEntry, volumeLine } from './volume-lines.ts';

interface StorageEntry {
  readonly storage: string;
  readonly type: string;
  readonly nodes: readonly string[];
  readonly content: readonly string[];
  readonly shared: boolean;
  readonly active: boolean;
  readonly total_bytes?: number;
  readonly used_bytes?: number;
  readonly available_bytes?: number;
}

function describe(info: StorageInfo): StorageEntry {
  const { storage, type, nodes, content, shared, active, totalBytes, usedBytes, availableBytes } = info;
  return present({
    ...{ storage, type, nodes: [...nodes], content: [...content], shared, active },
    ...{ total_bytes: totalBytes, used_bytes: usedBytes, available_bytes: availableBytes },
  });
}

function sentence(entry: StorageEntry): string {
  const { storage, type, nodes, content, shared, active, total_bytes, used_bytes, available_bytes } = entry;
  const space =
    total_bytes === undefined || used_bytes === undefined
      ? 'size unknown'
      : `${bytesText(used_bytes)} of ${bytesText(total_bytes)} used`;
  const rest = available_bytes === undefined ? '' : `, ${bytesText(available_bytes)} available`;
  const where = `${shared ? 'shared, ' : ''}on ${nodes.join(', ')}`;
  return clean(
    `${storage} (${type}, ${where}): ${active ? `${space}${rest}` : 'not available'}; for ${content.join(', ')}`,
  );
}

const family = { toolset: 'storage', target: 'cluster', needs: 'api', effect: 'read' } as const;
const part = { limit: Limit, offset: Offset };

export const storageTools = [
  defineTool({
    ...family,
    name: 'proxmox_list_storage',
    title: 'List storages',
    about: 'Lists storages: size, what is used, what they hold. With node, also what is available there now.',
    everyday: true,
    input: z.strictObject({ node: NodeName.optional(), content: ContentType.optional(), ...part }),
    output: z.object({ storages: Rows<StorageEntry>(), total: z.number() }),
    async run({ node, content, ...page }, { ops, signal }) {
      const storages = await ops.storage.list({ node, content }, signal);
      return { storages: pageOf(storages, page).map(describe), total: storages.length };
    },
    show({ storages, total }, { offset }) {
      if (total === 0) return 'There are no such storages that the gateway can see.';
      return [...storages.map(sentence), ...restOf(storages.length, { total, offset })].join('\n');
    },
  }),
  defineTool({
    ...family,
    name: 'proxmox_storage_content',
    title: 'Content of a storage',
    about: 'Lists what one storage holds: disk images, backups, ISO images, container templates.',
    input: z.strictObject({
      storage: StorageName,
      node: NodeName.optional().meta({ description: 'Where each node has its own' }),
      content: ContentType.optional(),
      vmid: Vmid.optional(),
      ...part,
    }),
    output: z.object({ volumes: Volumes, total: z.number() }),
    async run({ storage, node, content, vmid, ...page }, { ops, signal, mayReach }) {
      const volumes = await ops.storage.content({ storage, node, content, vmid, mayReach }, signal);
      return { volumes: pageOf(volumes, page).map(volumeEntry), total: volumes.length };
    },
    show({ volumes, total }, { storage, offset }) {
      if (total === 0) return `The storage ${storage} holds nothing of the kind.`;
      return [...volumes.map(volumeLine), ...restOf(volumes.length, { total, offset })].join('\n');
    },
  }),
  ...downloadTools,
  defineTool({
    ...family,
    name: 'proxmox_list_templates',
    title: 'List ISO images and templates',
    about: 'Lists ISO images, container templates and images to import that new guests can be made from.',
    input: z.strictObject({
      node: NodeName.optional(),
      search: z.string().max(100).optional().meta({ description: 'Part of the name' }),
      available: z
        .boolean()
        .default(false)
        .meta({ description: 'List instead what Proxmox offers for download' }),
      ...part,
    }),
    output: z.object({
      volumes: Volumes.optional(),
      available: Rows<Offer>().optional(),
      total: z.number(),
      unread: UnreadStorages,
    }),
    async run({ node, search = '', available, ...page }, { ops, signal }) {
      const fits = (text: string) => text.toLowerCase().includes(search.toLowerCase());
      if (available) {
        const all = await ops.storage.offers(node, signal);
        const offers = all.filter(({ template, headline }) => fits(`${template} ${headline}`));
        return { available: pageOf(offers, page), total: offers.length };
      }
      const { volumes, unread } = await ops.storage.templates(node, signal);
      const found = volumes.filter(({ volid }) => fits(volid));
      return { volumes: pageOf(found, page).map(volumeEntry), total: found.length, ...unreadOf(unread) };
    },
    show({ volumes = [], available = [], total, unread }, { offset }) {
      const lines = [
        ...volumes.map(volumeLine),
        ...available.map(({ template, headline, url }) => clean(`${template}: ${headline} – ${url}`)),
      ];
      const rest = restOf(lines.length, { total, offset });
      const none = total === 0 ? ['Nothing of the kind was found.'] : [];
      return [...none, ...lines, ...rest, ...unreadLines(unread)].join('\n');
    },
  }),
];
