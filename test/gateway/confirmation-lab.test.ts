/** What cannot be undone on a lab, with the catalogue's own tools: over HTTP, over stdio, and without a flag. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { type BothWays, overSsh, startBothWays } from './both-ways.ts';
import { connect, eras, personWho } from './confirmation-stand.ts';
import { failureOf, overApi } from './harness.ts';

const yes = { action: 'accept', content: { confirm: true } } as const;
const question = (name: string) =>
  `Delete snapshot\nguest: container 100 (web1) on node pve1\nname: ${name}\nforce: false\n\nThis cannot be undone. Do it?`;

let gateway: BothWays;
before(async () => {
  gateway = await startBothWays({ env: { TOOLSETS: 'all', ENABLE_DESTRUCTIVE: 'true' } });
});
after(() => gateway.close());

async function take(name: string): Promise<void> {
  const taken = await gateway.modern.callTool({
    name: 'proxmox_create_snapshot',
    arguments: { vmid: 100, name },
  });
  assert.notEqual(taken.isError, true, JSON.stringify(taken));
}

async function snapshots(): Promise<string[]> {
  const { structuredContent } = await gateway.modern.callTool({
    name: 'proxmox_list_snapshots',
    arguments: { vmid: 100 },
  });
  return (structuredContent as { snapshots: { name: string }[] }).snapshots.map(({ name }) => name);
}

for (const era of eras)
  test(`a snapshot goes when a person at a client of the ${era} era agrees, and stays when not`, async () => {
    const name = `of-${era}`;
    await take(name);
    let agrees = false;
    const person = personWho(() => (agrees ? yes : { action: 'decline' }));
    const caller = await connect(era, gateway.url, person);
    try {
      const args = { vmid: 'web1', name };
      const refused = failureOf(await caller.call('proxmox_delete_snapshot', args));
      assert.equal(refused.code, 'CONFIRMATION_DECLINED');
      assert.deepEqual(await snapshots(), [name]);
      agrees = true;
      const deleted = await caller.call('proxmox_delete_snapshot', args);
      assert.notEqual(deleted.isError, true, JSON.stringify(deleted));
      assert.deepEqual(await snapshots(), []);
      assert.deepEqual(person.asked, [question(name), question(name)]);
    } finally {
      await caller.close();
    }
  });

test('over stdio a person is asked as well', async () => {
  await take('of-stdio');
  const stateDir = await mkdtemp(join(tmpdir(), 'confirmation-'));
  const client = new Client({ name: 'stdio', version: '1' }, { capabilities: { elicitation: {} } });
  const asked: string[] = [];
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message);
    return yes;
  });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ['src/main.ts', 'stdio'],
    env: {
      PATH: process.env.PATH ?? '',
      I_ACCEPT_RISKS: 'true',
      STATE_DIR: stateDir,
      TOOLSETS: 'snapshots',
      ENABLE_DESTRUCTIVE: 'true',
      ...overSsh(gateway.lab),
      ...overApi(gateway.lab),
    },
    stderr: 'pipe',
  });
  try {
    await client.connect(transport as Transport);
    const args = { vmid: 100, name: 'of-stdio' };
    const deleted = await client.callTool({ name: 'proxmox_delete_snapshot', arguments: args });
    assert.notEqual(deleted.isError, true, JSON.stringify(deleted));
    assert.deepEqual(asked, [question('of-stdio')]);
    assert.deepEqual(await snapshots(), []);
  } finally {
    await client.close();
    await rm(stateDir, { recursive: true, force: true });
  }
});

test('who can ask nobody follows the flag', async () => {
  await take('kept');
  const strict = await startBothWays({
    env: { TOOLSETS: 'snapshots', ENABLE_DESTRUCTIVE: 'true', REQUIRE_CONFIRMATION: 'true' },
  });
  const without = await startBothWays({ env: { TOOLSETS: 'snapshots' } });
  const codes: string[] = [];
  try {
    const call = { name: 'proxmox_delete_snapshot', arguments: { vmid: 100, name: 'kept' } };
    for (const { modern, legacy } of [strict, without])
      for (const client of [modern, legacy]) codes.push(failureOf(await client.callTool(call)).code);
    assert.deepEqual(codes, [
      ...['CONFIRMATION_IMPOSSIBLE', 'CONFIRMATION_IMPOSSIBLE'],
      ...['PERMISSION_DENIED', 'PERMISSION_DENIED'],
    ]);
    assert.notEqual((await gateway.legacy.callTool(call)).isError, true);
    assert.deepEqual(await snapshots(), []);
  } finally {
    await strict.close();
    await without.close();
  }
});
