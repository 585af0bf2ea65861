/** Every endpoint that a real node describes: found, checked and sent, over HTTPS to a stand-in that serves the description. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { GatewayError } from '../../../src/base/errors.ts';
import {
  type AnyEndpoint,
  createAnyEndpoint,
  type Endpoint,
  type EndpointParameter,
} from '../../../src/ops/api.ts';
import type { Inventory } from '../../../src/ops/inventory.ts';
import type { Guest } from '../../../src/ops/survey.ts';
import { createTasks } from '../../../src/pve/tasks.ts';
import { underCi } from '../../ci.ts';
import { give, type Heard, refuse } from '../pve/https-server.ts';
import { fileOf, methodOf } from '../pve/schema/file.ts';
import { endWorlds, failing, world } from '../pve/world.ts';
import { callOf } from './api-samples.ts';

const file = new URL('../../../../shared/pve/apidoc.json', import.meta.url);
const absent = !underCi && !existsSync(file) ? 'the schema of a real Proxmox VE is not here' : false;

const wait = { signal: new AbortController().signal, waitMs: undefined };

const guest: Guest = {
  ...{ vmid: 300, kind: 'vm', status: 'running', name: 'vm1', node: 'pve1' },
  ...{ lock: undefined, template: false, tags: [] },
};

function inventoryOf(guests: readonly Guest[]): Inventory {
  const find = async (vmid: number) => guests.find((each) => each.vmid === vmid);
  return {
    find,
    nodes: async () => ['pve1', 'pve2'],
    now: async (vmid: number) => (await find(vmid)) ?? assert.fail(`nobody knows ${vmid}`),
  } as Partial<Inventory> as Inventory;
}

/** Answers every call with what it was sent, and serves the description. */
async function echo(description: string, guests: readonly Guest[]) {
  const { node, pve } = await world((heard, response) => {
    if (heard.path === '/pve-docs/api-viewer/apidoc.js') return response.end(description);
    return give(response, { ...sentBy(heard), version: '9.2.11' });
  });
  const api = createAnyEndpoint({ pve, tasks: createTasks({ pve }), inventory: inventoryOf(guests) });
  return { node, api };
}

function sentBy({ method, path, query, body }: Heard) {
  const params = new URLSearchParams(method === 'GET' || method === 'DELETE' ? query : body);
  return { method, path: path.split('/').map(decodeURIComponent).join('/'), params: [...params] };
}

async function problemOf(calling: Promise<unknown>): Promise<string> {
  const error: unknown = await calling.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof GatewayError && error.code === 'INVALID_ARGUMENT', String(error));
  return error.message;
}

/** Of each type, one that is of another. */
const wrong: Readonly<Record<EndpointParameter['type'], unknown>> = {
  ...{ string: ['a', 'list'], integer: 'abc', number: 'abc', boolean: 'maybe', array: [{}] },
};

interface Described {
  readonly path: string;
  readonly info?: Readonly<Record<string, { name: string; description: string }>>;
  readonly children?: readonly Described[];
}

function flat(nodes: readonly Described[]): readonly Described[] {
  return nodes.flatMap((node) => [node, ...flat(node.children ?? [])]);
}

describe('all that a real node describes', { skip: absent }, () => {
  let api: AnyEndpoint;
  let node: Awaited<ReturnType<typeof echo>>['node'];
  let described: readonly { method: string; path: string; words: string }[];
  const endpoints: Endpoint[] = [];

  before(async () => {
    const text = readFileSync(file, 'utf8');
    const nodes = flat(JSON.parse(text) as Described[]);
    described = nodes.flatMap(({ path, info = {} }) =>
      Object.entries(info).map(([method, { name, description }]) => {
        const literal = path.replace(/\{[^}]*\}/g, ' ').replaceAll('/', ' ');
        return { method, path, words: `${description.slice(0, 80)} ${name} ${literal}` };
      }),
    );
    ({ api, node } = await echo(`const apiSchema = ${text.trim().slice(0, -1)}\n]\n;\nlet viewer;\n`, []));
  });
  after(endWorlds);

  test('is found by method and path, each alone', async () => {
    assert.ok(described.length > 600, String(described.length));
    for (const { method, path } of described) {
      const found = await api.search(`${method} ${path}`, wait.signal);
      const [endpoint] = found.endpoints;
      assert.deepEqual(
        [found.exact, found.endpoints.length, endpoint?.method, endpoint?.template],
        [true, 1, method, path],
      );
      if (endpoint !== undefined) endpoints.push(endpoint);
    }
  });

  test('is found by words of its own, among the first ten', async () => {
    for (const { method, path, words } of described) {
      const { endpoints: found } = await api.search(words, wait.signal);
      const place = found.findIndex((each) => each.method === method && each.template === path);
      assert.ok(place >= 0 && place < 10, `${method} ${path} is at ${place} for «${words}»`);
    }
  });

  test('takes a request of its own required parameters, and the node gets what was meant', async () => {
    for (const endpoint of endpoints) {
      const call = callOf(endpoint);
      const { data } = await api.call(call, wait);
      const params = Object.entries(call.params).map(([name, value]) => [name, String(value)]);
      assert.deepEqual(data, { ...call, params, version: '9.2.11' }, `${call.method} ${call.path}`);
    }
  });

  test('refuses a parameter that it does not have, by its name, and sends nothing', async () => {
    const mark = node.heard.length;
    for (const endpoint of endpoints.filter(({ open }) => !open)) {
      const call = callOf(endpoint);
      const problem = await problemOf(api.call({ ...call, params: { ...call.params, nosuch: 1 } }, wait));
      assert.match(problem, /params\.nosuch: there is no such parameter/);
    }
    assert.equal(node.heard.length, mark);
  });

  test('refuses a value of the wrong type, by the name of each parameter, and sends nothing', async () => {
    const mark = node.heard.length;
    let tried = 0;
    for (const endpoint of endpoints) {
      const call = callOf(endpoint);
      const own = [...endpoint.parameters.values()].filter(
        (each) => !endpoint.template.includes(`{${each.name}}`),
      );
      for (const { name, type, format = '' } of own) {
        if (format.endsWith('-list')) continue;
        const given = name.replace('[n]', '0');
        const problem = await problemOf(
          api.call({ ...call, params: { ...call.params, [given]: wrong[type] } }, wait),
        );
        assert.ok(problem.includes(`params.${given}: `), `${call.method} ${call.path}: ${problem}`);
        tried++;
      }
    }
    assert.ok(tried > 1_500, String(tried));
    assert.equal(node.heard.length, mark);
  });

  test('names what is missing', async () => {
    for (const endpoint of endpoints) {
      const { params, ...call } = callOf(endpoint);
      const names = Object.keys(params);
      if (names.length === 0) continue;
      const problem = await problemOf(api.call({ ...call, params: {} }, wait));
      for (const name of names.slice(0, 10))
        assert.ok(problem.includes(`params.${name}: is missing`), problem);
    }
  });
});

describe('a call that does not fit', () => {
  let api: AnyEndpoint;
  let node: Awaited<ReturnType<typeof echo>>['node'];
  const target = { type: 'string', format: 'pve-node' };
  before(async () => {
    const properties = { node: target, vmid: { type: 'integer', format: 'pve-vmid' } };
    ({ api, node } = await echo(
      fileOf(
        { path: '/nodes/{node}/qemu/{vmid}/config', info: { GET: methodOf({ parameters: { properties } }) } },
        {
          path: '/nodes/{node}/qemu/{vmid}/migrate',
          info: { POST: methodOf({ parameters: { properties: { ...properties, target } } }) },
        },
      ),
      [guest],
    ));
  });
  after(endWorlds);

  const calls: readonly [method: 'GET' | 'POST', path: string, params: object, words: RegExp][] = [
    [
      'GET',
      '/nodes/pve1/qemu/300/nothing',
      {},
      /^.*path: Proxmox VE 9\.2\.11 has no endpoint .*proxmox_api_search/,
    ],
    ['GET', '/api2/json/nodes/pve1/qemu/300/config', {}, /paths begin after \/api2\/json/],
    ['POST', '/nodes/pve1/qemu/300/config', {}, /has no POST \(it has GET\)/],
    ['GET', '/nodes/evil.example/qemu/300/config', {}, /path: node must be the name of a node/],
    ['GET', '/nodes/localhost/qemu/300/config', {}, /path: node: there is no such node \(pve1, pve2\)/],
    ['POST', '/nodes/pve1/qemu/300/migrate', { target: 'pve9' }, /params\.target: there is no such node/],
    ['GET', '/nodes/pve2/qemu/300/config', {}, /path: the place of guest 300 is \/nodes\/pve1\/qemu\/300/],
  ];
  for (const [method, path, params, words] of calls)
    test(`${method} ${path} is refused`, async () => {
      await api.search('x', wait.signal);
      const mark = node.heard.length;
      assert.match(await problemOf(api.call({ method, path, params: { ...params } }, wait)), words);
      assert.equal(node.heard.length, mark);
    });

  test('a guest that nobody knows is left to Proxmox VE', async () => {
    const { data } = await api.call({ method: 'GET', path: '/nodes/pve1/qemu/999/config', params: {} }, wait);
    assert.deepEqual(data, {
      method: 'GET',
      path: '/nodes/pve1/qemu/999/config',
      params: [],
      version: '9.2.11',
    });
  });
});

describe('a call that starts a task', () => {
  const upid = 'UPID:pve1:00000001:00000001:6B00EE00:qmstart:300:root@pam!t:';
  after(endWorlds);

  test('has been carried out, though the task cannot be looked at', async () => {
    for (const status of [400, 401, 403]) {
      const { pve } = await world((heard, response) => {
        if (heard.path.endsWith('.js'))
          return response.end(fileOf({ path: '/x', info: { POST: methodOf() } }));
        if (heard.path === '/version') return give(response, { version: '9' });
        return heard.path === '/x' ? give(response, upid) : refuse(response, status, 'no');
      });
      const api = createAnyEndpoint({ pve, tasks: createTasks({ pve }), inventory: inventoryOf([]) });
      const call = api.call({ method: 'POST', path: '/x', params: {} }, wait);
      assert.equal((await failing('TASK_LEFT_RUNNING', call)).outcome, 'unknown');
    }
  });

  test('is followed, and one that reads a UPID is not', async () => {
    const { pve } = await world((heard, response) => {
      if (heard.path.endsWith('.js'))
        return response.end(fileOf({ path: '/x', info: { POST: methodOf(), GET: methodOf() } }));
      if (heard.path === '/version') return give(response, { version: '9' });
      return give(response, heard.path === '/x' ? upid : { status: 'stopped', exitstatus: 'WARNINGS: 2' });
    });
    const api = createAnyEndpoint({ pve, tasks: createTasks({ pve }), inventory: inventoryOf([]) });
    const { task } = await api.call({ method: 'POST', path: '/x', params: {} }, wait);
    assert.deepEqual([task?.upid, task?.state, task?.warnings], [upid, 'warnings', 2]);
    assert.deepEqual(await api.call({ method: 'GET', path: '/x', params: {} }, wait), {
      data: upid,
      task: undefined,
    });
  });
});
