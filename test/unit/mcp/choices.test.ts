import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, GatewayError } from '../../../src/base/errors.ts';
import { createChoices } from '../../../src/mcp/choices.ts';
import type { Data, Look } from '../../../src/mcp/reading.ts';
import { catalog } from '../../../src/tools/catalog.ts';

const names = catalog.map(({ name }) => name);

function lookOf(principal = 'alice', tools: readonly string[] = names): Look {
  return {
    viewer: { principal: { name: principal }, tools: new Set(tools) },
    signal: new AbortController().signal,
  };
}

/** A gate that gives what the tools are said to tell, and takes no arguments that they would refuse. */
function choicesOf(told: Record<string, (args: Data) => Data>) {
  const asked: string[] = [];
  const choices = createChoices({
    async reading(tool, args, { viewer }) {
      const { input } = catalog.find(({ name }) => name === tool) ?? assert.fail(tool);
      assert.ok(input.safeParse(args).success, `${tool} ${JSON.stringify(args)}`);
      asked.push(`${tool} ${viewer.principal.name}`);
      return told[tool]?.(args) ?? {};
    },
  });
  return { choices, asked };
}

const vmAt = (index: number) => ({
  vmid: 1_000 + index,
  name: `vm-${index}`,
  node: 'pve1',
  status: 'stopped',
});

test('guests of both kinds are listed by id, all pages of them', async () => {
  const vms = Array.from({ length: 1_234 }, (_, index) => vmAt(index));
  const { choices } = choicesOf({
    proxmox_list_containers: () => ({
      containers: [{ vmid: 1_500, name: 'ct', node: 'pve2' }, { vmid: 100 }],
    }),
    proxmox_list_vms: ({ limit, offset }) => ({
      total: vms.length,
      vms: vms.slice(Number(offset), Number(offset) + Number(limit)),
    }),
  });
  const guests = await choices.guests(lookOf());
  assert.equal(guests.length, vms.length + 2);
  assert.deepEqual(guests[0], { vmid: 100, kind: 'container', name: '', node: '' });
  assert.deepEqual(
    guests.filter(({ vmid }) => vmid === 1_500),
    [
      { vmid: 1_500, kind: 'container', name: 'ct', node: 'pve2' },
      { vmid: 1_500, kind: 'vm', name: 'vm-500', node: 'pve1' },
    ],
  );
});

test('a tool is asked once in a moment, for each caller, and never one that is not offered', async () => {
  const { choices, asked } = choicesOf({ proxmox_list_nodes: () => ({ nodes: [{ name: 'pve1' }] }) });
  for (const principal of ['alice', 'bob', 'alice'])
    assert.deepEqual(await choices.nodes(lookOf(principal)), ['pve1']);
  assert.deepEqual(asked, ['proxmox_list_nodes alice', 'proxmox_list_nodes bob']);
  const none = lookOf('carol', []);
  assert.deepEqual(
    [await choices.nodes(none), await choices.guests(none), await choices.tasks(none)],
    [[], [], []],
  );
  assert.equal(asked.length, 2);
});

test('what fails is asked again, and what is no list is an empty one', async () => {
  let failing = true;
  const { choices, asked } = choicesOf({
    proxmox_list_tasks() {
      if (failing) throw new Error('not now');
      return { tasks: [{ upid: 'UPID:1' }, { upid: 'UPID:2' }], silent_nodes: ['pve2'] };
    },
    proxmox_list_nodes: () => ({ nodes: [{ name: 7 }] }),
    proxmox_list_containers: () => ({ containers: 'none' }),
  });
  await assert.rejects(choices.tasks(lookOf()), /not now/);
  failing = false;
  assert.deepEqual(await choices.tasks(lookOf()), ['UPID:1', 'UPID:2']);
  assert.equal(asked.length, 2);
  assert.deepEqual([await choices.nodes(lookOf()), await choices.guests(lookOf())], [[], []]);
});

test('guests of one kind are told where the others cannot be asked for, and none only where nobody answers', async () => {
  const fail = (): never => {
    throw failure('API_UNREACHABLE', { host: 'pve1', problem: 'refused' });
  };
  const containers = { proxmox_list_containers: () => ({ containers: [{ vmid: 100 }] }) };
  const half = choicesOf({ ...containers, proxmox_list_vms: fail }).choices;
  assert.deepEqual(
    (await half.guests(lookOf())).map(({ vmid }) => vmid),
    [100],
  );
  const none = choicesOf({ proxmox_list_containers: fail, proxmox_list_vms: fail }).choices;
  await assert.rejects(none.guests(lookOf()), GatewayError);
  await assert.rejects(half.guests(lookOf('bob', ['proxmox_list_vms'])), GatewayError);
  const broken = choicesOf({
    ...containers,
    proxmox_list_vms() {
      throw new TypeError('a fault of our own');
    },
  }).choices;
  await assert.rejects(broken.guests(lookOf()), TypeError);
});
