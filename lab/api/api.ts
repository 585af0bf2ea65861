/** Answers one request of a known user: finds the endpoint, checks the privilege, verifies, and runs it. */
import type { LabCluster } from '../proxmox/cluster.ts';
import { PveError } from '../proxmox/command-line.ts';
import type { LabNode } from '../proxmox/node.ts';
import { ApiError, forbidden } from './api-error.ts';
import type { Call, Endpoint } from './endpoint.ts';
import { createRouter, type Route } from './routes.ts';
import type { Tasks } from './tasks.ts';
import { type ApiUser, normalPath } from './tokens.ts';
import { createValues, type Value } from './values.ts';
import { verify } from './verify.ts';

export interface Answer {
  readonly status: number;
  readonly reason: string;
  /** A text for what is refused before it is a call, and nothing for errors of transport. */
  readonly body: Readonly<Record<string, unknown>> | string | undefined;
}

export interface ApiRequest {
  /** The node that was asked. */
  readonly here: LabNode;
  readonly user: ApiUser;
  readonly method: string;
  readonly segments: readonly string[];
  /** Of the body, then of the query, which wins. */
  readonly given: ReadonlyMap<string, Value>;
}

export type Api = (request: ApiRequest) => Promise<Answer>;

export function createApi({
  cluster,
  tasks,
  endpoints,
}: {
  cluster: LabCluster;
  tasks: Tasks;
  endpoints: readonly Endpoint[];
}): Api {
  const route = createRouter(endpoints);
  return async (request) => {
    try {
      const { method, segments } = request;
      const found = route(method, segments);
      if (found === undefined)
        return failed(501, `Method '${method} /${segments.join('/')}' not implemented`, undefined, '');
      return await carryOut(cluster, tasks, request, found);
    } catch (error) {
      return answerTo(error);
    }
  };
}

async function carryOut(
  cluster: LabCluster,
  tasks: Tasks,
  { here, user, given }: ApiRequest,
  { endpoint, places }: Route,
): Promise<Answer> {
  const { permission, parameters } = endpoint;
  if (permission !== 'all') {
    const path = filled(permission.path, new Map([...given, ...places]));
    requireOf(user, path, permission.privileges, permission);
  }
  const node = nodeFor(cluster, here, places.get('node'));
  const values = createValues(verify(parameters, new Map([...given, ...places])));
  let total: number | undefined;
  const call: Call = {
    ...{ cluster, node, user, tasks, values },
    may: (path, privileges, options) => mayDo(user, path, privileges, options),
    require: (path, privileges, options) => requireOf(user, path, privileges, options),
    setTotal(count) {
      total = count;
    },
    start: (type, id, body) => tasks.start({ node, type, id, user }, body).upid,
  };
  const data = (await endpoint.run(call)) ?? null;
  return { status: 200, reason: 'OK', body: total === undefined ? { data } : { data, total } };
}

/** Nothing stands for a parameter that is not given. */
function filled(path: string, given: ReadonlyMap<string, Value>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => [given.get(name) ?? ''].flat().at(-1) ?? '');
}

function mayDo(
  user: ApiUser,
  path: string,
  privileges: readonly string[],
  { any = false }: { any?: boolean } = {},
): boolean {
  const has = user.at(path);
  return any ? privileges.some((each) => has.includes(each)) : privileges.every((each) => has.includes(each));
}

/** The complaint names the first privilege that is missing, or all of which one would do. */
function requireOf(
  user: ApiUser,
  path: string,
  privileges: readonly string[],
  options: { any?: boolean } = {},
): void {
  const place = normalPath(path);
  if (place === undefined) throw forbidden('', privileges);
  if (mayDo(user, place, privileges, options)) return;
  throw forbidden(
    place,
    options.any === true
      ? privileges
      : privileges.filter((each) => !user.at(place).includes(each)).slice(0, 1),
  );
}

/** A node that only a guest's configuration speaks of is known and cannot be reached. */
function nodeFor(cluster: LabCluster, here: LabNode, name: string | undefined): LabNode {
  if (name === undefined || name === 'localhost') return here;
  const node = cluster.nodes.get(name);
  if (node !== undefined) return node;
  if ([...cluster.guests.values()].some((guest) => guest.node === name))
    throw new ApiError(596, 'error:0A000086:SSL routines::certificate verify failed');
  const unknown = `failed to get address info for: ${name}: Temporary failure in name resolution`;
  throw new ApiError(500, `hostname lookup '${name}' failed - ${unknown}`);
}

function failed(
  status: number,
  text: string,
  errors?: Readonly<Record<string, string>>,
  lineEnd = '\n',
): Answer {
  const message = text.replace(/\n$/, '');
  const body = { data: null, message: `${message}${lineEnd}`, ...(errors !== undefined && { errors }) };
  // What a proxy could not do has a reason and no body.
  return { status, reason: message.replaceAll('\n', ' '), body: status >= 595 ? undefined : body };
}

function answerTo(error: unknown): Answer {
  if (error instanceof ApiError) return failed(error.status, error.message, error.errors);
  if (error instanceof PveError) return failed(500, error.message);
  throw error;
}
