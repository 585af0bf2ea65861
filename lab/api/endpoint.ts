/** An endpoint of the REST API as a value: its parameters, the privilege it asks for, and what it does. */
import type { LabCluster } from '../proxmox/cluster.ts';
import type { LabNode } from '../proxmox/node.ts';
import type { FormatName } from './formats.ts';
import type { TaskBody, Tasks } from './tasks.ts';
import type { ApiUser } from './tokens.ts';
import type { Values } from './values.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface Parameter {
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'array';
  readonly optional?: true;
  readonly default?: string | number;
  readonly enum?: readonly string[];
  readonly pattern?: RegExp;
  /** Checked by the function of that name; of an array, each item. */
  readonly format?: FormatName;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly about?: string;
}

/** By name; `net[n]` stands for net0, net1, … */
export type Parameters = Readonly<Record<string, Parameter>>;

/** Placeholders in the path are filled from the request: `/vms/{vmid}`. */
export interface Check {
  readonly path: string;
  readonly privileges: readonly string[];
  /** One of the privileges is enough, where all would be asked for otherwise. */
  readonly any?: true;
}

/** `all` is everyone with a token; `run` may ask for more with `call.require`. */
export type Permission = Check | 'all';

export interface EndpointSpec {
  readonly method: Method;
  /** With placeholders in braces: `/nodes/{node}/qemu/{vmid}/status/current`. */
  readonly path: string;
  readonly about: string;
  readonly parameters?: Parameters;
  readonly permission: Permission;
  /** The type of `data`; `null` where nothing is said. A UPID is a string. */
  readonly returns?: 'null' | 'string' | 'object' | 'array' | 'integer';
  /** Answers with `data`. Throws ApiError; a PveError becomes a status 500 with its text. */
  run(call: Call): unknown;
}

export interface Endpoint extends EndpointSpec {
  /** Those of the path included. */
  readonly parameters: Parameters;
}

/** One request, once it is known who asks and that the parameters are right. */
export interface Call {
  readonly cluster: LabCluster;
  /** The node that the path names, else the one that was asked. */
  readonly node: LabNode;
  readonly user: ApiUser;
  readonly tasks: Tasks;
  readonly values: Values;
  may(path: string, privileges: readonly string[], options?: { any?: boolean }): boolean;
  /** Throws ApiError 403 with the path and the privileges. */
  require(path: string, privileges: readonly string[], options?: { any?: boolean }): void;
  /** Puts `total` beside `data`. */
  setTotal(total: number): void;
  /** Starts a task on the node and returns its UPID. The task fails with the text of what the body throws. */
  start(type: string, id: string, body: TaskBody): string;
}

const inPath: Parameters = {
  node: { type: 'string', format: 'pve-node', about: 'Name of a node of the cluster.' },
  vmid: { type: 'integer', format: 'pve-vmid', minimum: 100, maximum: 999_999_999, about: 'Id of a guest.' },
  snapname: { type: 'string', format: 'pve-configid', maxLength: 40, about: 'Name of a snapshot.' },
  upid: { type: 'string', about: 'Id of a task.' },
  storage: { type: 'string', format: 'pve-storage-id', about: 'Name of a storage.' },
  volume: { type: 'string', about: 'Id of a volume.' },
  poolid: { type: 'string', format: 'pve-poolid', about: 'Name of a pool.' },
  id: { type: 'string', about: 'Id.' },
};

/** Names of the placeholders in a path. */
export function placeholdersOf(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
}

export function defineEndpoint(spec: EndpointSpec): Endpoint {
  const path = placeholdersOf(spec.path).map((name) => [name, inPath[name] ?? { type: 'string' }] as const);
  return { ...spec, parameters: { ...Object.fromEntries(path), ...spec.parameters } };
}
