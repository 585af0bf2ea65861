/** A client before stand-ins for nodes, and how to see what it throws. */
import { z } from 'zod';
import type { ErrorCode } from '../../../src/base/errors.ts';
import { GatewayError } from '../../../src/base/errors.ts';
import { type ApiPath, apiPath } from '../../../src/pve/api-path.ts';
import { createPve, type PveInput } from '../../../src/pve/client.ts';
import type { Pve, PveRequest } from '../../../src/pve/pve.ts';
import { type Handler, type StandIn, startStandIn } from './https-server.ts';

export const token = 'root@pam!gateway=11111111-2222-3333-4444-555555555555';

export interface World {
  readonly node: StandIn;
  readonly pve: Pve;
}

const open: { stop(): Promise<void> }[] = [];

/** To be called after each test: no server and no client outlives it. */
export async function endWorlds(): Promise<void> {
  await Promise.all(open.splice(0).map((each) => each.stop()));
}

export async function standIn(handler: Handler, options: Parameters<typeof startStandIn>[1] = {}) {
  const node = await startStandIn(handler, options);
  open.push(node);
  return node;
}

export function client(input: Partial<PveInput> & Pick<PveInput, 'endpoints'>): Pve {
  const pve = createPve({ token: () => token, trust: { kind: 'off' }, ...input });
  open.push({ stop: () => pve.close() });
  return pve;
}

export async function world(handler: Handler, input: Partial<PveInput> = {}): Promise<World> {
  const node = await standIn(handler);
  return { node, pve: client({ endpoints: [node], ...input }) };
}

export const version: ApiPath = apiPath`/version`;

export function get(pve: Pve, request: Partial<PveRequest> = {}): Promise<unknown> {
  const { signal } = new AbortController();
  const all = { method: 'GET', path: version, action: 'tell its version', signal, ...request } as const;
  return pve.request(all, z.unknown());
}

export function post(pve: Pve, request: Partial<PveRequest> = {}): Promise<unknown> {
  return get(pve, {
    method: 'POST',
    path: apiPath`/nodes/pve1/qemu/100/status/start`,
    action: 'start VM 100',
    ...request,
  });
}

/** The error that a call ends with; fails where it is another, or none. */
export async function failing(code: ErrorCode, call: Promise<unknown>): Promise<GatewayError> {
  const result: unknown = await call.catch((error: unknown) => error);
  if (result instanceof GatewayError && result.code === code) return result;
  throw new Error(`not ${code}`, { cause: result });
}
