/** Any endpoint of the REST API, as the connected node itself describes them. */
import { failure } from '../base/errors.ts';
import type { Method } from '../pve/pve.ts';
import { checkCall, declared, type Given } from '../pve/schema/check.ts';
import { createApiDoc, type DescribedApi } from '../pve/schema/load.ts';
import type { ApiEndpoint, ApiParameter } from '../pve/schema/parse.ts';
import type { Matched } from '../pve/schema/search.ts';
import type { ApiRoom, TaskEnd, TaskWait } from './api-room.ts';
import type { Guest } from './survey.ts';

/** How tools see endpoints. */
export type Endpoint = ApiEndpoint;
export type EndpointParameter = ApiParameter;

export interface EndpointsFound {
  /** Of Proxmox VE on the connected node. */
  readonly version: string;
  /** Whether the query named them by their path. */
  readonly exact: boolean;
  /** Best first. */
  readonly endpoints: readonly Endpoint[];
}

export interface EndpointCall {
  readonly method: Method;
  /** Concrete, below /api2/json: /nodes/pve1/qemu/300/config. No part is empty or a dot segment. */
  readonly path: string;
  readonly params: Given;
}

export interface EndpointAnswer {
  readonly data: unknown;
  /** The task that the call has started, if it has. */
  readonly task: TaskEnd | undefined;
}

export interface AnyEndpoint {
  /** By words, or by a path with or without a method. */
  search(query: string, signal: AbortSignal): Promise<EndpointsFound>;
  /**
   * Sends a call that fits the node's own description, and follows the task that it starts. Throws
   * INVALID_ARGUMENT with the names of the parameters that do not fit, and what the API and tasks throw.
   */
  call(call: EndpointCall, wait: TaskWait): Promise<EndpointAnswer>;
}

const maxProblems = 10;

export function createAnyEndpoint({ pve, tasks, inventory }: ApiRoom): AnyEndpoint {
  const doc = createApiDoc({ pve });

  /** SECURITY: a call goes to no other address than the cluster's own. */
  const checkNodes = async ({ endpoint, variables }: Matched, params: Given, signal: AbortSignal) => {
    const named = nodesIn(endpoint, variables, 'path').concat(nodesIn(endpoint, params, 'params'));
    if (named.length === 0) return;
    const known = await inventory.nodes(signal);
    const strange = named.find(({ node }) => !known.includes(node));
    if (strange !== undefined)
      throw invalid([
        `${strange.where}: there is no such node${known.length === 0 ? ', as far as the API token sees' : ` (${known.join(', ')})`}`,
      ]);
  };

  /** Proxmox VE itself would say that the guest does not exist. */
  const checkGuest = async ({ variables, endpoint }: Matched, signal: AbortSignal) => {
    const type = /^\/nodes\/\{node\}\/(qemu|lxc)\/\{vmid\}/.exec(endpoint.template)?.[1];
    if (type === undefined) return;
    const vmid = Number(variables.vmid);
    const named = `/nodes/${variables.node}/${type}/${vmid}`;
    const known = await inventory.find(vmid, signal);
    if (known === undefined || placeOf(known) === named) return;
    // It may have moved since.
    const place = placeOf(await inventory.now(vmid, signal));
    if (place !== named) throw invalid([`path: the place of guest ${vmid} is ${place}`]);
  };

  return {
    async search(query, signal) {
      const api = await doc.get(signal);
      return { version: api.version, ...api.search(query) };
    },
    async call({ method, path, params: given }, wait) {
      const { signal } = wait;
      const api = await doc.get(signal);
      const matched = api.match(method, path);
      if (matched === undefined) throw invalid([`path: ${noEndpoint(api, method, path)}`]);
      const { params, problems } = checkCall(matched.endpoint, matched.variables, given);
      if (problems.length > 0) throw invalid(problems);
      await checkNodes(matched, given, signal);
      await checkGuest(matched, signal);
      const action = `carry out ${method} ${path}`;
      const sent = await tasks.send({ method, path: matched.path, params, action }, wait);
      return { data: sent.answer, task: sent.end };
    },
  };
}

function invalid(problems: readonly string[]): Error {
  return failure('INVALID_ARGUMENT', { problem: problems.slice(0, maxProblems).join('; ') });
}

function placeOf({ node, kind, vmid }: Guest): string {
  return `/nodes/${node}/${kind === 'vm' ? 'qemu' : 'lxc'}/${vmid}`;
}

function noEndpoint(api: DescribedApi, method: Method, path: string): string {
  const methods = api.methodsOf(path);
  if (methods.length > 0) return `${path} has no ${method} (it has ${methods.join(', ')})`;
  const hint = path.startsWith('/api2') ? 'paths begin after /api2/json' : 'proxmox_api_search finds them';
  return `Proxmox VE ${api.version} has no endpoint ${path} (${hint})`;
}

/** What of the values are names of nodes, by what the endpoint says of them. */
function nodesIn(endpoint: Endpoint, values: Given, where: 'path' | 'params') {
  return Object.entries(values).flatMap(([name, value]) => {
    const format = declared(endpoint.parameters, name)?.format ?? (name === 'node' ? 'pve-node' : '');
    if (format !== 'pve-node' && format !== 'pve-node-list') return [];
    const nodes = String(value)
      .split(/[,;\s]+/)
      .filter((node) => node !== '');
    return nodes.map((node) => ({ node, where: where === 'path' ? `path: ${name}` : `params.${name}` }));
  });
}
