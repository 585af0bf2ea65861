/** Finds endpoints of the REST API: by method and path, or by words. */
import { type ApiPath, apiPath } from '../api-path.ts';
import type { Method } from '../pve.ts';
import type { ApiEndpoint } from './parse.ts';

export interface Matched {
  readonly endpoint: ApiEndpoint;
  /** The path with every variable encoded. */
  readonly path: ApiPath;
  /** The parts of the path that stand for something, by name. */
  readonly variables: Readonly<Record<string, string>>;
}

export interface Ranked {
  /** Whether the query named these endpoints by their path. */
  readonly exact: boolean;
  /** Best first. */
  readonly endpoints: readonly ApiEndpoint[];
}

export interface ApiDirectory {
  /** The endpoint of a concrete path such as /nodes/pve1/qemu/300/config. */
  match(method: Method, path: string): Matched | undefined;
  /** Which methods a concrete path has. */
  methodsOf(path: string): readonly Method[];
  /** By words, by a path (concrete or with {names}), or by a method and a path. */
  search(query: string): Ranked;
}

interface Posting {
  readonly endpoint: ApiEndpoint;
  readonly weight: number;
}

type Words = ReadonlyMap<string, readonly Posting[]>;

const maxQueryChars = 1_100;
const maxQueryWords = 20;
/** The only variables whose value may hold slashes; they stand at the end. */
const slashed = /^\{(volume|cidr)\}$/;

/** Share of the best score below which an endpoint is left out. */
const enough = 0.4;

const fillers: ReadonlySet<string> = new Set(
  'a an the of on in to for from with and or i my me how'.split(' '),
);

/** What people say for what the API says. */
const synonyms: Readonly<Record<string, readonly string[]>> = {
  vm: ['qemu'],
  ct: ['lxc'],
  container: ['lxc'],
  backup: ['vzdump'],
  iso: ['content'],
  user: ['access'],
};
const verbs: Readonly<Record<string, Method>> = {
  list: 'GET',
  get: 'GET',
  show: 'GET',
  read: 'GET',
  create: 'POST',
  add: 'POST',
  update: 'PUT',
  change: 'PUT',
  set: 'PUT',
  delete: 'DELETE',
  remove: 'DELETE',
  destroy: 'DELETE',
};

export function createApiDirectory(endpoints: readonly ApiEndpoint[]): ApiDirectory {
  const words = wordsOf(endpoints);
  const fitting = (path: string) =>
    endpoints.flatMap((endpoint) => {
      const variables = variablesOf(endpoint.template, path);
      return variables === undefined ? [] : [{ endpoint, variables }];
    });
  const best = (path: string) => {
    const found = fitting(path);
    const most = Math.max(...found.map(({ endpoint }) => fixedParts(endpoint.template)));
    return found.filter(({ endpoint }) => fixedParts(endpoint.template) === most);
  };
  return {
    match(method, path) {
      const found = best(path).find(({ endpoint }) => endpoint.method === method);
      return found && { ...found, path: filled(found.endpoint.template, found.variables) };
    },
    methodsOf: (path) => best(path).map(({ endpoint }) => endpoint.method),
    search(query) {
      const { method, path, text } = parseQuery(query.slice(0, maxQueryChars));
      const wanted = endpoints.filter((each) => method === undefined || each.method === method);
      const templates = path === undefined ? [] : best(path).map(({ endpoint }) => endpoint.template);
      const form = nameless(path ?? '');
      const named = wanted.filter(
        ({ template }) => templates.includes(template) || nameless(template) === form,
      );
      if (named.length > 0) return { exact: true, endpoints: named };
      const below = path === undefined ? [] : wanted.filter((each) => isBelow(each.template, path));
      const scores = score(text, words);
      const others = wanted.filter((each) => scores.has(each) && !below.includes(each));
      return { exact: false, endpoints: [...below, ...rank(others, scores)] };
    },
  };
}

function fixedParts(template: string): number {
  return template.split('/').filter((part) => !part.startsWith('{')).length;
}

/** Undefined where the path does not fit the template. */
function variablesOf(template: string, path: string): Record<string, string> | undefined {
  const parts = template.slice(1).split('/');
  const given = path.slice(1).split('/');
  const last = parts.at(-1) ?? '';
  if (given.length > parts.length && slashed.test(last))
    given.splice(parts.length - 1, given.length, given.slice(parts.length - 1).join('/'));
  if (given.length !== parts.length) return undefined;
  const variables: [string, string][] = [];
  for (const [place, part] of parts.entries()) {
    const value = given[place] ?? '';
    if (part.startsWith('{')) variables.push([part.slice(1, -1), value]);
    else if (part !== value) return undefined;
  }
  return Object.fromEntries(variables);
}

function filled(template: string, variables: Readonly<Record<string, string>>): ApiPath {
  const fixed = template.split(/\{[^}]*\}/);
  const values = [...template.matchAll(/\{([^}]*)\}/g)].map(([, name = '']) => variables[name] ?? '');
  return apiPath(Object.assign([...fixed], { raw: fixed }), ...values);
}

/** GET /nodes/… , nodes/pve1/qemu, or words; a pasted address may begin with /api2/json. */
function parseQuery(query: string): { method: Method | undefined; path: string | undefined; text: string } {
  const [, verb, rest = ''] = /^\s*(?:(GET|POST|PUT|DELETE)\s+)?(.*?)\s*$/s.exec(query) ?? [];
  const method = verb as Method | undefined;
  const plain = rest.replace(/^(https?:\/\/[^/\s]+)?\/?api2\/(json|extjs)(?=\/)/i, '');
  const path = /^\/?[^\s/]+(\/[^\s/]+)+\/?$|^\/[^\s/]*\/?$/.test(plain)
    ? `/${plain.replace(/^\/|\/$/g, '')}`
    : undefined;
  return { method, path, text: plain };
}

/** With {names} and <names> of variables alike. */
function nameless(path: string): string {
  return path.replace(/\{[^{}]*\}|<[^<>]*>/g, '{}');
}

/** Whether the endpoint lies below a path whose variable parts may be named or filled. */
function isBelow(template: string, path: string): boolean {
  const parts = template.split('/');
  const given = path.split('/');
  return (
    given.length < parts.length &&
    given.every((part, place) => part === parts[place] || parts[place]?.startsWith('{') === true)
  );
}

function tokens(text: string): readonly string[] {
  const found = text
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .match(/[a-z0-9]+/g);
  return (found ?? []).map((word) => (word.length > 3 ? word.replace(/(?<!s)s$/, '') : word));
}

/** What an endpoint is found by: its path most, its description least. */
function wordsOf(endpoints: readonly ApiEndpoint[]): Words {
  const words = new Map<string, Posting[]>();
  for (const endpoint of endpoints) {
    const weights = new Map<string, number>();
    const weigh = (text: string, weight: number) => {
      for (const token of tokens(text)) weights.set(token, Math.max(weight, weights.get(token) ?? 0));
    };
    const parts = endpoint.template.split('/').filter((part) => !part.startsWith('{'));
    weigh(parts.slice(0, -2).join(' '), 3);
    weigh(parts.slice(-2).join(' '), 5);
    weigh(endpoint.name, 2);
    weigh(endpoint.about, 2);
    for (const { name, about } of endpoint.parameters.values()) {
      weigh(name, 1);
      weigh(about, 0.3);
    }
    for (const [token, weight] of weights) {
      const postings = words.get(token) ?? [];
      postings.push({ endpoint, weight });
      words.set(token, postings);
    }
  }
  return words;
}

/**
 * Rare words count more, beginnings of words less, and every further word of the query a good deal. A verb
 * counts for endpoints whose method it means, where they fit by another word.
 */
function score(query: string, words: Words): ReadonlyMap<ApiEndpoint, number> {
  const scores = new Map<ApiEndpoint, number>();
  const asked = [...new Set(tokens(query))].filter((token) => !fillers.has(token)).slice(0, maxQueryWords);
  const nouns = asked.filter((token) => !Object.hasOwn(verbs, token));
  for (const token of nouns.length > 0 ? nouns : asked)
    for (const [endpoint, points] of pointsOf(token, words))
      scores.set(endpoint, (scores.get(endpoint) ?? 0) + points);
  for (const token of asked.filter((each) => nouns.length > 0 && !nouns.includes(each))) {
    const points = pointsOf(token, words);
    for (const [endpoint, sum] of scores) {
      const meant = endpoint.method === verbs[token] ? 1.5 : 0;
      scores.set(endpoint, sum + Math.max(meant, points.get(endpoint) ?? 0));
    }
  }
  return scores;
}

function pointsOf(token: string, words: Words): ReadonlyMap<ApiEndpoint, number> {
  const points = new Map<ApiEndpoint, number>();
  const gain = (word: string, share: number) => {
    const postings = words.get(word) ?? [];
    const rarity = 0.3 + 1 / Math.log2(postings.length + 2);
    for (const { endpoint, weight } of postings)
      points.set(endpoint, Math.max(points.get(endpoint) ?? 0, share * weight * rarity));
  };
  gain(token, 1);
  for (const synonym of Object.hasOwn(synonyms, token) ? (synonyms[token] ?? []) : []) gain(synonym, 1);
  if (token.length >= 3)
    for (const word of words.keys()) if (word !== token && word.startsWith(token)) gain(word, 0.4);
  return points;
}

/** Without what fits much worse than the best; equal scores in the order of path and method, short paths first. */
function rank(
  found: readonly ApiEndpoint[],
  scores: ReadonlyMap<ApiEndpoint, number>,
): readonly ApiEndpoint[] {
  const places = new Map(found.map((endpoint, place) => [endpoint, place]));
  const parts = ({ template }: ApiEndpoint) => template.split('/').length;
  const best = Math.max(...found.map((each) => scores.get(each) ?? 0));
  return found
    .filter((each) => (scores.get(each) ?? 0) >= best * enough)
    .sort(
      (one, other) =>
        (scores.get(other) ?? 0) - (scores.get(one) ?? 0) ||
        parts(one) - parts(other) ||
        (places.get(one) ?? 0) - (places.get(other) ?? 0),
    );
}
