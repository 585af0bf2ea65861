import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { failureOf, ordersTo, startTestGateway, type TestGateway } from './harness.ts';

describe('what the operator allows', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({ env: { ALLOWED_VMIDS: '100-101,998', DENIED_VMIDS: '101' } });
  });
  after(() => gateway.close());

  test('guests outside the list are neither shown nor touched, whether they exist or not', async () => {
    const client = await gateway.modern();
    const list = await client.callTool({ name: 'proxmox_list_containers', arguments: {} });
    const { containers } = list.structuredContent as { containers: { vmid: number }[] };
    assert.deepEqual(
      containers.map(({ vmid }) => vmid),
      [100],
    );
    const refusals = await Promise.all(
      [101, 102, 999].map(async (vmid) =>
        failureOf(await client.callTool({ name: 'proxmox_container_status', arguments: { vmid } })),
      ),
    );
    for (const refusal of refusals) assert.equal(refusal.code, 'PERMISSION_DENIED');
    const words = new Set(refusals.map(({ error }) => error.replace(/\d{3}/, 'N')));
    assert.equal(words.size, 1);
    const absent = failureOf(
      await client.callTool({ name: 'proxmox_container_status', arguments: { vmid: 998 } }),
    );
    assert.equal(absent.code, 'CONTAINER_NOT_FOUND');
  });

  test('a refused call asks nothing of the host and is recorded', async () => {
    const client = await gateway.modern();
    const mark = gateway.lab.control.heardTotal;
    await client.callTool({
      name: 'proxmox_container_exec_command',
      arguments: { vmid: 102, command: 'id', env: { API_TOKEN: 'canary-value' } },
    });
    assert.deepEqual(ordersTo(gateway.lab, mark), []);
    const refusal = (await gateway.audit()).findLast(({ event }) => event === 'refuse');
    assert.equal(refusal?.code, 'PERMISSION_DENIED');
    assert.equal(refusal?.principal, 'alice');
    assert.equal(refusal?.vmid, 102);
    assert.doesNotMatch(JSON.stringify(refusal), /canary-value/);
  });

  test('a loader variable and an obvious accident are refused', async () => {
    const client = await gateway.modern();
    const call = async (args: Record<string, unknown>) =>
      failureOf(
        await client.callTool({
          name: 'proxmox_container_exec_command',
          arguments: { vmid: 100, command: 'true', ...args },
        }),
      );
    assert.match((await call({ env: { LD_PRELOAD: '/x.so' } })).error, /LD_PRELOAD/);
    assert.match((await call({ command: 'rm -rf /' })).error, /ENABLE_DANGEROUS_COMMANDS/);
  });
});

test('read-only leaves the tools that change nothing', async () => {
  const gateway = await startTestGateway({ env: { READ_ONLY: 'true', ENABLE_HOST_EXEC: 'true' } });
  try {
    const client = await gateway.legacy();
    const { tools } = await client.listTools();
    assert.ok(tools.length > 0);
    for (const { annotations } of tools) assert.equal(annotations?.readOnlyHint, true);
    const refused = failureOf(
      await client.callTool({ name: 'proxmox_stop_container', arguments: { vmid: 100 } }),
    );
    assert.match(refused.error, /READ_ONLY/);
  } finally {
    await gateway.close();
  }
});

test('a toolset that is switched off is gone, and says so when it is called', async () => {
  const gateway = await startTestGateway({ env: { TOOLSETS: 'host', ENABLE_HOST_EXEC: 'true' } });
  try {
    const client = await gateway.modern();
    const { tools } = await client.listTools();
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['proxmox_host_exec_command', 'proxmox_download_file_from_host', 'proxmox_upload_file_to_host'],
    );
    const refused = failureOf(await client.callTool({ name: 'proxmox_list_containers', arguments: {} }));
    assert.match(refused.error, /TOOLSETS/);
  } finally {
    await gateway.close();
  }
});
