/** Which guests a call of the REST API is about, and which of those in an answer may be shown. */
import { guestsOfUpid } from '../base/task-guests.ts';
import type { ApiCall } from './api-rules.ts';
import { guestsInOption } from './guest-options.ts';

/** Ids of guests, or all that there are where the call does not name what it is about. */
export type Reach = readonly number[] | 'every';

/** Reading these tells of guests in text from which nothing can be left out. */
const telling =
  /^\/(cluster\/(log|metrics\/export|ha\/status\/manager_status|backup\/[^/]+\/included_volumes)|nodes\/[^/]+\/(syslog|journal|report|firewall\/log|ceph\/log))$/;

/** Changes that touch no guest. */
const apart: readonly RegExp[] = [
  /^\/nodes\/[^/]+\/(wakeonlan|aplinfo)$/,
  /^\/nodes\/[^/]+\/storage\/[^/]+\/content\/([^/:]+:)?(iso|vztmpl|snippets|import)\/[^/]+$/,
];

/** Changes that touch more than the guests that they name. */
function spreads({ method, path, params }: ApiCall): boolean {
  const isJob = /^\/(nodes\/[^/]+\/vzdump|cluster\/backup)$/.test(path);
  if (isJob && (params.all !== undefined || params.pool !== undefined || params.stop !== undefined))
    return true;
  if (/^\/cluster\/(backup\/[^/]+|ha\/rules\/[^/]+)$/.test(path)) return true;
  return method === 'DELETE' && /^\/pools(\/|$)/.test(path);
}

const idParameters: ReadonlySet<string> = new Set(
  'vmid vms newid target-vmid guest sid resources'.split(' '),
);
const volumeParameters: ReadonlySet<string> = new Set(
  'volume volid archive ostemplate filename target'.split(' '),
);

/** SECURITY: where policy keeps guests apart, a change that names none of them is taken to touch every one. */
export function apiReach(call: ApiCall): Reach {
  const { method, path, params } = call;
  const named: Reach[] = [
    inPath(path),
    ...Object.entries(params).map(([name, value]) => inParameter(name, value)),
  ];
  const whole = named.includes('every');
  const ids = [...new Set(named.flatMap((reach) => (reach === 'every' ? [] : reach)))];
  if (method === 'GET') return whole || telling.test(path) ? 'every' : ids;
  if (whole || spreads(call)) return 'every';
  return ids.length > 0 || apart.some((each) => each.test(path)) || makesPool(call) ? ids : 'every';
}

function makesPool({ method, path }: ApiCall): boolean {
  return method === 'POST' && path === '/pools';
}

function inPath(path: string): Reach {
  const [, guest, resource, replication, volume, upid] =
    /^\/nodes\/[^/]+\/(?:qemu|lxc)\/([^/]+)|^\/cluster\/ha\/resources\/([^/]+)|^\/(?:cluster|nodes\/[^/]+)\/replication\/([^/]+)|^\/nodes\/[^/]+\/storage\/[^/]+\/content\/(.+)$|^\/nodes\/[^/]+\/tasks\/([^/]+)/.exec(
      path,
    ) ?? [];
  if (guest !== undefined) return idsIn(guest);
  if (resource !== undefined) return idsIn(resource);
  if (replication !== undefined) return idsIn(replication.replace(/-\d+$/, ''));
  if (volume !== undefined) return ownersOf(volume);
  return upid === undefined ? [] : guestsOfUpid(upid);
}

function inParameter(name: string, value: unknown): Reach {
  if (idParameters.has(name)) return idsIn(Array.isArray(value) ? value.join(',') : String(value));
  return volumeParameters.has(name) ? ownersOf(String(value)) : guestsInOption(name, value);
}

/** 100 or vm:100, several with commas between. */
function idsIn(text: string): Reach {
  const pieces = text.split(/[,;\s]+/).filter((piece) => piece !== '');
  const ids = pieces.map((piece) => /^(?:(?:vm|ct):)?(\d{1,9})$/.exec(piece)?.[1]);
  return ids.length === 0 || ids.includes(undefined) ? 'every' : ids.map(Number);
}

function ownersOf(volume: string): readonly number[] {
  return guestsInOption('archive', volume);
}

const maxDepth = 12;

type MayReach = (vmid: number | 'every') => boolean;

/**
 * An answer without what it tells of guests that may not be reached: items, and the parts of items. Undefined
 * where nothing is left.
 */
export function withinReach(data: unknown, mayReach: MayReach, depth = 0): unknown {
  if (typeof data !== 'object' || data === null) return data;
  if (depth > maxDepth) return undefined;
  if (Array.isArray(data))
    return data.map((item) => withinReach(item, mayReach, depth + 1)).filter((item) => item !== undefined);
  const entries = Object.entries(data);
  if (!entries.flatMap(([key, value]) => tellsOf(key, value)).every(mayReach)) return undefined;
  return Object.fromEntries(
    entries
      .filter(([key]) => /^\/vms\/(\d+)$/.test(key) === false || mayReach(Number(key.slice(5))))
      .map(([key, value]) => [key, withinReach(value, mayReach, depth + 1)])
      .filter(([, value]) => value !== undefined),
  );
}

/** Ids of the guests of which a field of an answer tells. */
function tellsOf(key: string, value: unknown): readonly (number | 'every')[] {
  if (typeof value !== 'string' && typeof value !== 'number') return [];
  const text = String(value);
  if (idParameters.has(key)) return [...text.matchAll(/\d{3,9}/g)].map(([id]) => Number(id));
  if (key === 'volid') return ownersOf(text);
  if (key === 'upid') return [guestsOfUpid(text)].flat();
  if (key !== 'id') return [];
  const id = /^(?:qemu|lxc|vm|ct)[/:](\d{3,9})$|^(?:service:)?(?:vm|ct):(\d{3,9})$|^(\d{3,9})-\d+$/.exec(
    text,
  );
  return id === null ? [] : [Number(id[1] ?? id[2] ?? id[3])];
}
