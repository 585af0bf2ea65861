/** Resources and completion: what tools tell, at addresses, for clients of both eras. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { LabGuestSpec } from '../../lab/lab.ts';
import { type BothWays, startBothWays } from './both-ways.ts';

interface Reader {
  readResource(params: { uri: string }): Promise<{ contents: unknown[] }>;
}

async function dataAt(client: Reader, uri: string): Promise<Record<string, unknown>> {
  const { contents } = await client.readResource({ uri });
  assert.equal(contents.length, 1);
  const [content] = contents as { uri: string; mimeType: string; text: string }[];
  assert.deepEqual([content?.uri, content?.mimeType], [uri, 'application/json']);
  return JSON.parse(content?.text ?? '') as Record<string, unknown>;
}

/** The code and the data of the error that the promise ends with. */
async function errorOf(promise: Promise<unknown>): Promise<{ code: number; message: string; data: unknown }> {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  return error as { code: number; message: string; data: unknown };
}

describe('a gateway with SSH and the API', () => {
  let gateway: BothWays;
  before(async () => {
    gateway = await startBothWays();
  });
  after(() => gateway.close());

  test('lists nodes and guests, and says how others are addressed', async () => {
    for (const client of [gateway.modern, gateway.legacy]) {
      const { resources, nextCursor } = await client.listResources();
      assert.deepEqual(
        resources.map(({ uri, name, title }) => [uri, name, title]),
        [
          ['proxmox://nodes', 'nodes', 'Nodes'],
          ['proxmox://nodes/pve1', 'pve1', 'Node pve1'],
          ['proxmox://nodes/pve2', 'pve2', 'Node pve2'],
          ['proxmox://guests/100', 'web1', 'web1 (container 100 on pve1)'],
          ['proxmox://guests/101', 'db1', 'db1 (container 101 on pve1)'],
          ['proxmox://guests/102', 'old1', 'old1 (container 102 on pve1)'],
          ['proxmox://guests/300', 'vm1', 'vm1 (vm 300 on pve1)'],
        ],
      );
      assert.equal(nextCursor, undefined);
      const { resourceTemplates } = await client.listResourceTemplates();
      assert.deepEqual(
        resourceTemplates.map(({ uriTemplate }) => uriTemplate),
        [
          'proxmox://nodes/{node}',
          'proxmox://guests/{vmid}',
          'proxmox://guests/{vmid}/config',
          'proxmox://tasks/{upid}',
        ],
      );
    }
  });

  test('reads each as the tool that tells it, audited as that tool', async () => {
    const start = await gateway.modern.callTool({
      name: 'proxmox_start_container',
      arguments: { vmid: 102 },
    });
    assert.notEqual(start.isError, true);
    for (const client of [gateway.modern, gateway.legacy]) {
      await gateway.audited();
      const tools = [
        ['proxmox://nodes', 'proxmox_list_nodes', {}],
        ['proxmox://nodes/pve2', 'proxmox_node_status', { node: 'pve2' }],
        ['proxmox://guests/102', 'proxmox_container_status', { vmid: 102 }],
        ['proxmox://guests/300', 'proxmox_vm_status', { vmid: 300 }],
        ['proxmox://guests/102/config', 'proxmox_container_config', { vmid: 102 }],
        ['proxmox://guests/300/config', 'proxmox_vm_config', { vmid: 300 }],
      ] as const;
      for (const [uri, name, args] of tools) {
        const data = await dataAt(client, uri);
        assert.deepEqual(await gateway.audited(), [`${name} ok`]);
        const result = await gateway.modern.callTool({ name, arguments: args });
        assert.deepEqual(Object.keys(data), Object.keys(result.structuredContent ?? {}), uri);
        await gateway.audited();
      }
    }
  });

  test('reads a guest by its name where that is the name of one', async () => {
    for (const [uri, tool, name] of [
      ['proxmox://guests/db1', 'proxmox_container_status', 'db1'],
      ['proxmox://guests/vm1/config', 'proxmox_vm_config', 'vm1'],
    ] as const) {
      await gateway.audited();
      const data = await dataAt(gateway.modern, uri);
      assert.deepEqual(await gateway.audited(), [`${tool} ok`]);
      assert.equal(data.vmid, name === 'vm1' ? 300 : 101);
    }
  });

  test('reads a task, by its id as it is and as templates fill it in', async () => {
    const stop = await gateway.modern.callTool({ name: 'proxmox_stop_vm', arguments: { vmid: 300 } });
    const { upid } = stop.structuredContent as { upid: string };
    for (const uri of [`proxmox://tasks/${upid}`, `proxmox://tasks/${encodeURIComponent(upid)}`]) {
      const { task } = (await dataAt(gateway.modern, uri)) as { task: { upid: string; state: string } };
      assert.deepEqual([task.upid, task.state], [upid, 'ok']);
    }
    const { completion } = await gateway.legacy.complete({
      ref: { type: 'ref/resource', uri: 'proxmox://tasks/{upid}' },
      argument: { name: 'upid', value: 'qmstop' },
    });
    assert.deepEqual(completion, { values: [upid], total: 1, hasMore: false });
  });

  test('says of everything that is not there that it is not found', async () => {
    const unknown = upidOf('300').replace('qmstart', 'qmclone');
    for (const uri of [
      'proxmox://nodes/nope',
      'proxmox://nodes/localhost',
      'proxmox://guests/999',
      'proxmox://guests/999/config',
      'proxmox://guests/nobody',
      'proxmox://guests/nobody/config',
      `proxmox://tasks/${unknown}`,
      'proxmox://tasks/nonsense',
      'proxmox://storages/local',
      'file:///etc/passwd',
      'proxmox://nodes/..%2f..%2faccess',
    ])
      for (const client of [gateway.modern, gateway.legacy]) {
        const { code, data } = await errorOf(client.readResource({ uri }));
        assert.deepEqual([code, data], [-32602, { uri }], uri);
      }
  });

  test('completes nodes, and guests by id and by name', async () => {
    const complete = async (uri: string, name: string, value: string) => {
      const params = { ref: { type: 'ref/resource' as const, uri }, argument: { name, value } };
      const both = [await gateway.modern.complete(params), await gateway.legacy.complete(params)];
      const [modern, legacy] = both.map(({ completion }) => completion);
      assert.deepEqual(modern, legacy);
      return modern?.values;
    };
    const [guest, node] = ['proxmox://guests/{vmid}', 'proxmox://nodes/{node}'];
    assert.deepEqual(await complete(guest, 'vmid', '10'), ['100', '101', '102']);
    assert.deepEqual(await complete(`${guest}/config`, 'vmid', '3'), ['300']);
    assert.deepEqual(await complete(guest, 'vmid', 'web'), ['web1']);
    assert.deepEqual(await complete(guest, 'vmid', 'vm'), ['vm1']);
    assert.deepEqual(await complete(guest, 'vmid', 'nothing'), []);
    assert.deepEqual(await complete(node, 'node', 'pve'), ['pve1', 'pve2']);
    assert.deepEqual(await complete(node, 'node', 'pve2'), ['pve2']);
    assert.deepEqual(await complete(node, 'vmid', '1'), []);
    assert.deepEqual(await complete('proxmox://no/{vmid}', 'vmid', '1'), []);
    const prompt = { type: 'ref/prompt' as const, name: 'diagnose_guest' };
    const completion = async (name: string) =>
      (await gateway.modern.complete({ ref: prompt, argument: { name, value: '10' } })).completion.values;
    assert.deepEqual(await completion('vmid'), ['100', '101', '102']);
    assert.deepEqual(await completion('node'), []);
  });

  test('asks its tools once for what people complete letter by letter', async () => {
    await gateway.audited();
    const ref = { type: 'ref/prompt' as const, name: 'safe_update' };
    for (const value of ['', '1', '10', '100'])
      await gateway.modern.complete({ ref, argument: { name: 'vmid', value } });
    assert.ok((await gateway.audited()).length <= 2);
  });

  test('keeps answers out of caches that are shared', async () => {
    const { cacheScope } = await gateway.modern.readResource({ uri: 'proxmox://nodes' });
    const list = await gateway.modern.listResources();
    const templates = await gateway.modern.listResourceTemplates();
    assert.deepEqual([cacheScope, list.cacheScope, templates.cacheScope], ['private', 'private', 'private']);
  });
});

function upidOf(vmid: string): string {
  return `UPID:pve1:00000001:00000001:6B00EF18:qmstart:${vmid}:root@pam:`;
}

test('guests out of reach are in no list, no completion and at no address', async () => {
  const gateway = await startBothWays({ env: { DENIED_VMIDS: '100,300' } });
  try {
    const { resources } = await gateway.modern.listResources();
    const uris = resources.map(({ uri }) => uri).filter((uri) => uri.includes('guests'));
    assert.deepEqual(uris, ['proxmox://guests/101', 'proxmox://guests/102']);
    const ref = { type: 'ref/resource' as const, uri: 'proxmox://guests/{vmid}' };
    for (const value of ['', '1', '3', 'web', 'vm']) {
      const { completion } = await gateway.modern.complete({ ref, argument: { name: 'vmid', value } });
      assert.ok(
        completion.values.every((each) => each === '101' || each === '102'),
        value,
      );
    }
    for (const [vmid, absent] of [
      ['100', '105'],
      ['300', '305'],
    ] as const)
      for (const rest of ['', '/config']) {
        const uri = `proxmox://guests/${vmid}${rest}`;
        const { code, message } = await errorOf(gateway.modern.readResource({ uri }));
        assert.equal(code, -32603);
        assert.match(message, new RegExp(`guest ${vmid} is outside what it may reach`));
        const other = await errorOf(gateway.modern.readResource({ uri: uri.replace(vmid, absent) }));
        assert.equal(other.code, -32602);
      }
    const task = await errorOf(gateway.modern.readResource({ uri: `proxmox://tasks/${upidOf('300')}` }));
    assert.match(task.message, /guest 300 is outside what it may reach/);
    assert.ok((await gateway.audited()).includes('proxmox_container_status denied'));
  } finally {
    await gateway.close();
  }
});

test('many guests come in pages', async () => {
  const guests: LabGuestSpec[] = Array.from({ length: 230 }, (_, index) => ({
    vmid: 1_000 + index,
    name: `guest-${index}`,
    ...(index % 2 === 1 && { kind: 'vm' as const }),
  }));
  const gateway = await startBothWays({ guests });
  try {
    const uris: string[] = [];
    const sizes: number[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await gateway.legacy.listResources({ ...(cursor !== undefined && { cursor }) });
      uris.push(...page.resources.map(({ uri }) => uri));
      sizes.push(page.resources.length);
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    assert.deepEqual(sizes, [103, 100, 30]);
    assert.deepEqual(
      uris.slice(3),
      guests.map(({ vmid }) => `proxmox://guests/${vmid}`),
    );
    for (const cursor of ['x', '-1', '1e3', '99999999999'])
      assert.equal((await errorOf(gateway.legacy.listResources({ cursor }))).code, -32602, cursor);
    const ref = { type: 'ref/resource' as const, uri: 'proxmox://guests/{vmid}' };
    const { completion } = await gateway.modern.complete({ ref, argument: { name: 'vmid', value: '1' } });
    assert.deepEqual([completion.values.length, completion.total, completion.hasMore], [100, 230, true]);
  } finally {
    await gateway.close();
  }
});

test('only what tools stand behind is offered', async () => {
  const offer = async (options: Parameters<typeof startBothWays>[0]) => {
    const gateway = await startBothWays(options);
    try {
      const { resources, prompts, completions } = gateway.modern.getServerCapabilities() ?? {};
      if (resources === undefined) {
        assert.deepEqual([prompts, completions], [undefined, undefined]);
        assert.equal(
          (await errorOf(gateway.legacy.request({ method: 'resources/list' }, Anything))).code,
          -32601,
        );
        return undefined;
      }
      const { resourceTemplates } = await gateway.modern.listResourceTemplates();
      const listed = (await gateway.legacy.listResources()).resources.map(({ uri }) => uri);
      const { code } = await errorOf(gateway.modern.readResource({ uri: 'proxmox://guests/300' }));
      return { listed, templates: resourceTemplates.map(({ name }) => name), vm: code };
    } finally {
      await gateway.close();
    }
  };
  const containers = ['100', '101', '102'].map((vmid) => `proxmox://guests/${vmid}`);
  const ofGuests = ['guest', 'guest-config'];
  assert.deepEqual(await offer({ ways: ['ssh'] }), { listed: containers, templates: ofGuests, vm: -32603 });
  const onlyContainers = { env: { TOOLSETS: 'containers' } };
  assert.deepEqual(await offer(onlyContainers), { listed: containers, templates: ofGuests, vm: -32603 });
  assert.equal(await offer({ env: { TOOLSETS: 'files' } }), undefined);
});

const Anything = { parse: (value: unknown) => value } as never;

test('what can be asked is listed where the API is out of reach, and the rest is left out', async () => {
  const gateway = await startBothWays();
  try {
    gateway.lab.api.control.refuseConnections(true);
    gateway.lab.api.control.dropConnections();
    const { resources } = await gateway.modern.listResources();
    assert.deepEqual(
      resources.map(({ uri }) => uri),
      ['100', '101', '102'].map((vmid) => `proxmox://guests/${vmid}`),
    );
    const ref = { type: 'ref/resource' as const, uri: 'proxmox://guests/{vmid}' };
    const { completion } = await gateway.modern.complete({ ref, argument: { name: 'vmid', value: '10' } });
    assert.deepEqual(completion.values, ['100', '101', '102']);
  } finally {
    await gateway.close();
  }
});

test('a host that cannot be asked is said to be that, and no guest to be missing', async () => {
  const gateway = await startBothWays({ ways: ['ssh'] });
  try {
    gateway.lab.control.refuseConnections(true);
    gateway.lab.control.dropConnections();
    for (const asked of [
      gateway.modern.readResource({ uri: 'proxmox://guests/100' }),
      gateway.legacy.listResources(),
    ]) {
      const { code, data } = await errorOf(asked);
      assert.equal(code, -32603);
      assert.equal((data as { code: string }).code, 'HOST_UNREACHABLE');
    }
  } finally {
    await gateway.close();
  }
});
