/** Storages and what is in them. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';
import { apiPath } from '../pve/api-path.ts';
import { Flag, Num, Text } from './answers.ts';
import type { ApiRoom, TaskEnd, TaskWait } from './api-room.ts';
import { ListOf } from './list-of.ts';
import {
  contentTypes,
  onceEach,
  placeOf,
  placesOf,
  type StoragePlace,
  storagePlaces,
} from './storage-places.ts';
import { isSeen, readEach, readVolumes, type Unread, type Volume } from './volumes.ts';

export interface StorageInfo {
  readonly storage: string;
  /** One of them, unless it is shared. */
  readonly nodes: readonly string[];
  readonly type: string;
  readonly content: readonly string[];
  readonly shared: boolean;
  /** Whether it can be used now. */
  readonly active: boolean;
  readonly totalBytes: number | undefined;
  readonly usedBytes: number | undefined;
  /** Less than what is not used, where some is kept back. Only known of one node's storages. */
  readonly availableBytes: number | undefined;
}

export interface ContentRequest {
  readonly storage: string;
  readonly node: string | undefined;
  readonly content: string | undefined;
  readonly vmid: number | undefined;
  readonly mayReach: (vmid: number) => boolean;
}

export interface DownloadRequest {
  readonly storage: string;
  readonly node: string | undefined;
  readonly content: string;
  /** As a URL parser writes it. */
  readonly url: string;
  readonly fileName: string;
  readonly checksum: { readonly algorithm: string; readonly hex: string } | undefined;
}

/** A container template of the catalogue that a node keeps. */
export interface Offer {
  readonly template: string;
  readonly section: string;
  readonly headline: string;
  readonly url: string;
  readonly sha512: string;
}

export interface Storage {
  /** Of one node with exact figures, else of all with those that the cluster keeps. */
  list(
    filter: { node: string | undefined; content: string | undefined },
    signal: AbortSignal,
  ): Promise<readonly StorageInfo[]>;
  /** Throws INVALID_ARGUMENT where the storage is not found, or is one of several. */
  content(request: ContentRequest, signal: AbortSignal): Promise<readonly Volume[]>;
  /** Throws INVALID_ARGUMENT, TASK_FAILED, TASK_LEFT_RUNNING. */
  download(request: DownloadRequest, wait: TaskWait): Promise<{ node: string; end: TaskEnd | undefined }>;
  /** ISO images, container templates and disk images to import, of every storage that can be read. */
  templates(
    node: string | undefined,
    signal: AbortSignal,
  ): Promise<{ volumes: readonly Volume[]; unread: readonly Unread[] }>;
  /** What the template catalogue of a node offers, some node's where none is named. */
  offers(node: string | undefined, signal: AbortSignal): Promise<readonly Offer[]>;
}

const Listing = ListOf(
  z.object({
    storage: z.string(),
    type: Text,
    content: Text,
    shared: Flag,
    active: Flag,
    total: Num,
    used: Num,
    avail: Num,
  }),
);
const Offers = ListOf(
  z.object({
    template: z.string(),
    section: Text,
    headline: Text,
    location: Text,
    sha512sum: Text,
  }),
);

const templateContent = ['iso', 'vztmpl', 'import'] as const;

/** The catalogue is about 300 kB. */
const offersMaxBytes = 4 * 1024 * 1024;

export function createStorage({ pve, tasks }: ApiRoom): Storage {
  const ofNode = async (node: string, signal: AbortSignal): Promise<readonly StorageInfo[]> => {
    const action = `list the storages of node ${node}`;
    const path = apiPath`/nodes/${node}/storage`;
    const listing = await pve.request({ method: 'GET', path, action, signal }, Listing);
    return listing
      .map(({ storage, type = '', content, shared = false, active = false, total, used, avail }) => ({
        ...{ storage, nodes: [node], type, content: contentTypes(content), shared, active },
        ...{ totalBytes: total, usedBytes: used, availableBytes: avail },
      }))
      .sort((one, other) => (one.storage < other.storage ? -1 : 1));
  };

  return {
    async list({ node, content }, signal) {
      const all =
        node === undefined ? ofCluster(await storagePlaces(pve, signal)) : await ofNode(node, signal);
      return content === undefined ? all : all.filter((storage) => storage.content.includes(content));
    },
    async content({ mayReach, content, vmid, ...wanted }, signal) {
      const place = placeOf(await storagePlaces(pve, signal), wanted);
      const volumes = await readVolumes(pve, place, { content, vmid }, signal);
      // What belongs to nobody is listed whatever guest is asked for.
      const owned = volumes.filter((volume) => vmid === undefined || volume.vmid === vmid);
      return owned.filter((volume) => isSeen(volume, mayReach));
    },
    async download({ url, fileName, checksum, ...wanted }, wait) {
      const { node, storage } = placeOf(await storagePlaces(pve, wait.signal), wanted);
      const { content } = wanted;
      const params = {
        ...{ content, url, filename: fileName },
        ...(checksum && { checksum: checksum.hex, 'checksum-algorithm': checksum.algorithm }),
      };
      const path = apiPath`/nodes/${node}/storage/${storage}/download-url`;
      const action = `download a file into the storage ${storage} of node ${node}`;
      return { node, end: await tasks.run({ method: 'POST', path, params, action }, wait) };
    },
    async templates(node, signal) {
      const places = placesOf(await storagePlaces(pve, signal), { node });
      const wanted = places.filter(({ content }) => templatesIn(content).length > 0);
      const read = async (place: StoragePlace) =>
        (
          await Promise.all(
            templatesIn(place.content).map((content) => readVolumes(pve, place, { content }, signal)),
          )
        ).flat();
      return await readEach(wanted, read, signal);
    },
    async offers(node, signal) {
      const of = node ?? (await storagePlaces(pve, signal)).find((place) => place.available)?.node;
      if (of === undefined)
        throw failure('INVALID_ARGUMENT', { problem: 'node: name the node whose catalogue is asked for' });
      const action = `list the templates that node ${of} can download`;
      const path = apiPath`/nodes/${of}/aplinfo`;
      const request = { method: 'GET', path, action, signal, maxBytes: offersMaxBytes } as const;
      const offers = await pve.request(request, Offers);
      return offers
        .map(({ template, section = '', headline = '', location = '', sha512sum = '' }) => ({
          ...{ template, section, headline, url: location, sha512: sha512sum },
        }))
        .sort((one, other) => (one.template < other.template ? -1 : 1));
    },
  };
}

function templatesIn(content: readonly string[]): readonly string[] {
  return templateContent.filter((type) => content.includes(type));
}

function ofCluster(places: readonly StoragePlace[]): readonly StorageInfo[] {
  const nodesOf = Map.groupBy(places, ({ storage }) => storage);
  return onceEach(places).map(({ available, node: first, ...place }) => ({
    ...place,
    nodes: place.shared
      ? (nodesOf.get(place.storage) ?? []).filter(({ shared }) => shared).map(({ node }) => node)
      : [first],
    active: available,
    availableBytes: undefined,
  }));
}
