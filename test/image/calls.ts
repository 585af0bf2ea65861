/** Calls through the published port, to containers on a real sshd. */
import assert from 'node:assert/strict';
import { eventually, failureOf } from '../gateway/harness.ts';
import { freePort } from '../real/stand/ports.ts';
import { eras } from './client.ts';
import { newMarker, type Product } from './product.ts';
import type { Check } from './report.ts';

export async function proveCalls(check: Check, product: Product): Promise<void> {
  for (const era of eras) await proveEra(check, product, era);
  await check('a wrong token gets 401 and nothing else', async () => {
    const url = new URL('/mcp', await product.address());
    for (const authorization of ['', 'Bearer wrong-token-0123456789']) {
      const headers = { 'content-type': 'application/json', ...(authorization && { authorization }) };
      assert.equal((await fetch(url, { method: 'POST', headers, body: '{}' })).status, 401);
    }
  });
  await provePorts(check, product);
}

async function proveEra(check: Check, product: Product, era: (typeof eras)[number]): Promise<void> {
  const caller = await product.connect(era);
  const told = (what: string) => `${era}: ${what}`;
  try {
    await check(told('lists tools and containers'), async () => {
      assert.ok((await caller.toolNames()).includes('proxmox_host_exec_command'));
      const { structuredContent } = await caller.call('proxmox_list_containers');
      const { containers } = structuredContent as {
        containers: { vmid: number; name: string; status: string }[];
      };
      const web1 = containers.find(({ vmid }) => vmid === 100);
      assert.equal(web1?.name, 'web1');
      assert.equal(web1?.status, 'running');
    });
    await check(told('runs commands and gives output and exit code back'), async () => {
      const { structuredContent } = await caller.exec('hostname; cat; echo no >&2; exit 7', {
        stdin: 'in\n',
      });
      assert.deepEqual(structuredContent, {
        exit_code: 7,
        stdout: 'web1\nin\n',
        stderr: 'no\n',
        success: false,
      });
      const onHost = await caller.call('proxmox_host_exec_command', { command: 'hostname' });
      assert.equal((onHost.structuredContent as { stdout: string }).stdout, 'pve1\n');
    });
    await check(told('a timeout kills, and nothing is left on the node'), async () => {
      const marker = newMarker();
      const call = caller.exec(`(exec -a ${marker} sleep 300) & exec -a ${marker} sleep 300`, { timeout: 3 });
      await eventually(async () => ((await product.runsOnNode(marker)) ? true : undefined));
      const failure = failureOf(await call);
      assert.equal(failure.code, 'COMMAND_TIMEOUT');
      assert.match(failure.error, /was stopped/);
      assert.equal(await product.runsOnNode(marker), false);
    });
  } finally {
    await caller.close();
  }
}

async function provePorts(check: Check, product: Product): Promise<void> {
  const { stack } = product;
  await check('one port is published, on 127.0.0.1, and not that of the metrics', async () => {
    const { HostConfig } = await stack.container('gateway');
    assert.deepEqual(Object.keys(HostConfig.PortBindings), ['8000/tcp']);
    assert.equal((await product.address()).hostname, '127.0.0.1');
    const inside = await stack.inside('gateway', 'cat /proc/net/tcp');
    const hex = (port: number) =>
      `00000000:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`;
    assert.ok(inside.stdout.includes(hex(8000)), inside.stdout);
    assert.ok(inside.stdout.includes(hex(9464)), inside.stdout);
  });
  await check('SERVER_PORT and PUBLISH_HOST move what is published, and nothing inside', async () => {
    const moved = { PUBLISH_HOST: '127.0.0.2', SERVER_PORT: String(await freePort('127.0.0.2')) };
    const address = await product.up(moved);
    assert.equal(address.host, `${moved.PUBLISH_HOST}:${moved.SERVER_PORT}`);
    const { Config } = await stack.container('gateway');
    assert.ok(Config.Env.includes('SERVER_PORT=8000'), 'inside it is 8000 still');
    await product.up();
    assert.equal((await product.address()).hostname, '127.0.0.1');
  });
}
