/** Which storages there are and on which nodes, from one look at the whole cluster. */

import { failure } from '../base/errors.ts';
import { wordsIn } from '../base/text.ts';
import type { Pve } from '../pve/pve.ts';
import { readResources } from './resources.ts';

/** A storage as one node has it. */
export interface StoragePlace {
  readonly storage: string;
  readonly node: string;
  /** Such as `dir`, `zfspool` or `nfs`. */
  readonly type: string;
  /** What it may hold: `iso`, `vztmpl`, `backup`, `images`, `rootdir`, `snippets`, `import`. */
  readonly content: readonly string[];
  /** Whether all its nodes see the same. */
  readonly shared: boolean;
  /** Whether the node could use it when Proxmox VE last looked. */
  readonly available: boolean;
  readonly totalBytes: number | undefined;
  readonly usedBytes: number | undefined;
}

/** In the order of nodes, then of names. */
export async function storagePlaces(pve: Pve, signal: AbortSignal): Promise<readonly StoragePlace[]> {
  return (await readResources(pve, { family: 'storage', action: 'list storages', signal }))
    .flatMap(({ storage, node, plugintype = '', content, shared = false, status, maxdisk, disk }) => {
      if (storage === undefined || node === undefined) return [];
      const space = { totalBytes: maxdisk, usedBytes: disk };
      const available = status === 'available';
      return [
        { storage, node, shared, content: contentTypes(content), type: plugintype, available, ...space },
      ];
    })
    .sort((one, other) => compare(one.node, other.node) || compare(one.storage, other.storage));
}

/** From `iso,backup`, which comes in any order. */
export function contentTypes(list: string | undefined): readonly string[] {
  return wordsIn(list).sort();
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** A storage that all nodes see is one: it stands there once, where it can be used best. */
export function onceEach(places: readonly StoragePlace[]): readonly StoragePlace[] {
  const shared = new Map<string, StoragePlace>();
  for (const place of places)
    if (place.shared && !(shared.get(place.storage)?.available ?? false)) shared.set(place.storage, place);
  return places.filter((place) => !place.shared || shared.get(place.storage) === place);
}

export interface Wanted {
  readonly storage?: string | undefined;
  readonly node?: string | undefined;
  /** What the storage must be for. */
  readonly content?: string | undefined;
}

/** All that fit, shared ones once. Throws INVALID_ARGUMENT where a storage is named and does not fit. */
export function placesOf(
  places: readonly StoragePlace[],
  { storage, node, content }: Wanted,
): readonly StoragePlace[] {
  const named = places.filter((place) => storage === undefined || place.storage === storage);
  const here = onceEach(named.filter((place) => node === undefined || place.node === node));
  const fit = here.filter((place) => content === undefined || place.content.includes(content));
  const [first] = here;
  if (storage === undefined || fit.length > 0) return fit;
  if (first === undefined) throw refusal(`storage: ${nowhere(storage, named)}`);
  throw refusal(`storage: ${storage} is not for ${content} (it is for ${first.content.join(', ')})`);
}

/** The one that fits. Throws INVALID_ARGUMENT where there is none, or several are meant. */
export function placeOf(
  places: readonly StoragePlace[],
  wanted: Wanted & { readonly storage: string },
): StoragePlace {
  const fit = placesOf(places, wanted);
  const [first, second] = fit;
  if (first === undefined || second !== undefined)
    throw refusal(
      `node: each node has its own storage ${wanted.storage}; name one of ${fit.map(({ node }) => node).join(', ')}`,
    );
  return first;
}

function nowhere(storage: string, named: readonly StoragePlace[]): string {
  return named.length === 0
    ? `there is no storage ${storage} that the gateway can see`
    : `${storage} is only on ${named.map((place) => place.node).join(', ')}`;
}

function refusal(problem: string) {
  return failure('INVALID_ARGUMENT', { problem });
}
