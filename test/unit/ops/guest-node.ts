/** A node with the guests that a test gives it, for what works with guests over the API. */
import assert from 'node:assert/strict';
import { type ErrorCode, GatewayError } from '../../../src/base/errors.ts';
import type { ApiRoom, TaskWait } from '../../../src/ops/api-room.ts';
import { createApiSource } from '../../../src/ops/api-source.ts';
import { createInventory } from '../../../src/ops/inventory.ts';
import { createPve } from '../../../src/pve/client.ts';
import { createTasks } from '../../../src/pve/tasks.ts';
import { give, type Heard, refuse, startStandIn } from '../pve/https-server.ts';

export interface GuestNode {
  readonly room: ApiRoom;
  /** What /cluster/resources lists. */
  resources: object[];
  /** What status/current says of every guest. */
  current: object;
  /** How the next tasks end; OK, where nothing is left. */
  readonly ends: string[];
  /** Answers before anything else does; undefined leaves it to the node. */
  answer: (heard: Heard) => { data: unknown } | { status: number; text: string } | undefined;
  /** «POST /nodes/pve1/qemu/300/status/start timeout=60», without what only asks. */
  readonly writes: string[];
  /** The parameters of the latest of them. */
  sent: Readonly<Record<string, string>>;
  /** Paths of what was only read. */
  readonly reads: string[];
  close(): Promise<void>;
}

export const vm = { id: 'qemu/300', type: 'qemu', vmid: 300, node: 'pve1', name: 'web', status: 'running' };
export const container = {
  id: 'lxc/100',
  type: 'lxc',
  vmid: 100,
  node: 'pve1',
  name: 'db',
  status: 'stopped',
};
const nodes = ['pve1', 'pve2'].map((node) => ({ id: `node/${node}`, type: 'node', node, status: 'online' }));

export function wait(waitMs?: number): TaskWait {
  return { signal: AbortSignal.timeout(20_000), waitMs };
}

export const failsWith = (code: ErrorCode, words?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GatewayError, String(error));
  assert.equal(error.code, code, error.message);
  if (words !== undefined) assert.match(`${error.message}\n${error.evidence.stderr ?? ''}`, words);
  return true;
};

export async function startGuestNode(): Promise<GuestNode> {
  const standIn = await startStandIn((heard, response) => {
    const { method, path, body, query } = heard;
    if (method === 'GET') node.reads.push(path);
    else {
      node.writes.push(`${method} ${path} ${decodeURIComponent(body || String(query))}`.trim());
      node.sent = Object.fromEntries(method === 'DELETE' ? query : new URLSearchParams(body));
    }
    const said = node.answer(heard);
    if (said !== undefined)
      return 'data' in said ? give(response, said.data) : refuse(response, said.status, said.text);
    if (path === '/cluster/resources') return give(response, [...node.resources, ...nodes]);
    if (path.endsWith('/status/current')) return give(response, node.current);
    if (/\/tasks\/.*\/status$/.test(path))
      return give(response, { status: 'stopped', exitstatus: node.ends.shift() ?? 'OK' });
    if (path.endsWith('/log')) return give(response, [{ n: 1, t: 'a line' }], { total: 1 });
    if (method === 'GET') return give(response, []);
    return give(response, 'UPID:pve1:00004DC4:000A73EB:6B00EF18:some:300:root@pam!lab:');
  });
  const { host, port } = standIn;
  const pve = createPve({
    endpoints: [{ host, port }],
    token: () => 'root@pam!lab=secret',
    trust: { kind: 'off' },
  });
  const inventory = createInventory({ ssh: undefined, api: createApiSource({ pve }) });
  const node: GuestNode = {
    ...{ room: { pve, inventory, tasks: createTasks({ pve }) }, ends: [], writes: [], sent: {}, reads: [] },
    ...{ resources: [vm, container], current: { status: 'running' }, answer: () => undefined },
    async close() {
      await pve.close();
      await standIn.stop();
    },
  };
  return node;
}
