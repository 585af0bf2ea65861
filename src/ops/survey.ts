/** What guests there are: the cluster's own files, read in one shell without a process per guest. */
import { failure } from '../base/errors.ts';
import { wordsIn } from '../base/text.ts';

export type RunState = 'running' | 'stopped' | 'unknown';

export interface Guest {
  readonly vmid: number;
  readonly kind: 'container' | 'vm';
  readonly node: string;
  readonly name: string | undefined;
  /** From files: unknown for guests of other nodes, and for virtual machines. */
  readonly status: RunState;
  readonly lock: string | undefined;
  readonly template: boolean;
  readonly tags: readonly string[];
}

export interface Survey {
  /** The node that answered, where it is one's own files that were read. */
  readonly here?: string;
  readonly guests: ReadonlyMap<number, Guest>;
  /** Names of the cluster's nodes. */
  readonly nodes: ReadonlySet<string>;
  /** Where they are, where it is the cluster's own files that were read. */
  readonly members?: Members;
}

/** The cluster's nodes, as .members has them. */
export interface Members {
  /** The node that answered. */
  readonly here: string;
  /** Empty where there is but one. */
  readonly nodes: ReadonlyMap<string, { readonly address: string | undefined; readonly online: boolean }>;
}

/** Parts of the answer are kept apart by this line, which no file among them can hold. */
const divider = '\u0001';
const nextPart = `printf '\\n\\001\\n'`;

/**
 * .vmlist knows every guest's node and kind, .members the name of this node, and each configuration file
 * above its first [section] the guest's name, lock, template flag and tags. `states` prints what runs.
 */
export function surveyScript(states: string): string {
  return [
    'cat /etc/pve/.vmlist || exit 9',
    nextPart,
    'cat /etc/pve/.members || exit 9',
    nextPart,
    `grep -HsE '^(\\[|hostname:|name:|lock:|template:|tags:)' /etc/pve/nodes/*/lxc/*.conf /etc/pve/nodes/*/qemu-server/*.conf`,
    nextPart,
    states,
    'exit 0',
  ].join('; ');
}

interface Conf {
  readonly node: string;
  readonly values: Map<string, string>;
}

/** `runningIn` reads the ids of running containers from the last part. Throws UNEXPECTED_ANSWER. */
export function parseSurvey(output: string, runningIn: (states: string) => ReadonlySet<number>): Survey {
  const [vmlist = '', members = '', confs = '', states = ''] = output.split(`\n${divider}\n`);
  const ids = jsonObject(jsonObject(vmlist, '.vmlist').ids ?? {}, '.vmlist');
  const known = parseMembers(members);
  const { here, nodes } = known;
  const running = runningIn(states);
  const byId = parseConfs(confs);
  const guests = new Map<number, Guest>();
  for (const [id, entry] of Object.entries(ids)) {
    const { node, type } = jsonObject(entry, '.vmlist');
    const vmid = Number(id);
    if (typeof node !== 'string' || !Number.isSafeInteger(vmid)) throw unexpected('.vmlist');
    const kind = type === 'lxc' ? 'container' : 'vm';
    const conf = byId.get(vmid)?.values;
    const local = node === here && kind === 'container';
    guests.set(vmid, {
      vmid,
      kind,
      node,
      name: conf?.get(kind === 'container' ? 'hostname' : 'name'),
      status: local ? (running.has(vmid) ? 'running' : 'stopped') : 'unknown',
      lock: conf?.get('lock'),
      template: conf?.get('template') === '1',
      tags: wordsIn(conf?.get('tags')),
    });
  }
  const owners = [...guests.values()].map(({ node }) => node);
  return { here, guests, nodes: new Set([here, ...nodes.keys(), ...owners]), members: known };
}

/** Throws UNEXPECTED_ANSWER. */
export function parseMembers(text: string): Members {
  const { nodename: here, nodelist } = jsonObject(text, '.members');
  if (typeof here !== 'string') throw unexpected('.members');
  const entries = Object.entries(jsonObject(nodelist ?? {}, '.members')).map(([name, entry]) => {
    const { ip, online } = jsonObject(entry, '.members');
    return [name, { address: typeof ip === 'string' ? ip : undefined, online: online === 1 }] as const;
  });
  return { here, nodes: new Map(entries) };
}

/** Lines «path:key: value» and «path:[section]»; what follows a section belongs to a snapshot. */
function parseConfs(text: string): Map<number, Conf> {
  const confs = new Map<number, Conf>();
  const inSection = new Set<number>();
  for (const line of text.split('\n')) {
    const match = /^\/etc\/pve\/nodes\/([^/]+)\/(?:lxc|qemu-server)\/(\d+)\.conf:(.*)$/.exec(line);
    if (match === null) continue;
    const [, node = '', id = '', content = ''] = match;
    const vmid = Number(id);
    if (content.startsWith('[')) inSection.add(vmid);
    if (inSection.has(vmid)) continue;
    const conf = confs.get(vmid) ?? { node, values: new Map<string, string>() };
    confs.set(vmid, conf);
    const colon = content.indexOf(':');
    conf.values.set(content.slice(0, colon), content.slice(colon + 1).trim());
  }
  return confs;
}

function jsonObject(value: unknown, from: string): Record<string, unknown> {
  try {
    const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value;
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  } catch (error) {
    throw unexpected(from, error);
  }
  throw unexpected(from);
}

function unexpected(from: string, cause?: unknown) {
  return failure('UNEXPECTED_ANSWER', { from: `/etc/pve/${from}` }, { cause });
}
