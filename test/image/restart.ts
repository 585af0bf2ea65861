/** A new container over the old state: sessions of 2025 go on, and nothing that was kept is lost. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectLegacy } from '../gateway/harness.ts';
import { docker, must } from './docker.ts';
import type { Product } from './product.ts';
import type { Check } from './report.ts';
import { auditLines } from './stopping.ts';

export async function proveRestart(check: Check, product: Product): Promise<void> {
  const { stack, token } = product;
  const legacy = await connectLegacy(new URL('/mcp', await product.address()), token);
  const sessionId = legacy.transport?.sessionId;
  const works = async () => {
    const args = { vmid: 100, command: 'echo on' };
    const result = await legacy.callTool({ name: 'proxmox_container_exec_command', arguments: args });
    assert.equal((result.structuredContent as { stdout: string }).stdout, 'on\n');
    assert.ok((await legacy.listTools()).tools.length > 0);
    assert.equal(legacy.transport?.sessionId, sessionId, 'it is the same session');
  };
  const id = async () => (await stack.compose(['ps', '--quiet', '--no-trunc', 'gateway'])).trim();
  const sessionKey = async () => (await stack.inside('gateway', 'sha256sum /state/session.key')).stdout;

  try {
    await works();
    assert.match(sessionId ?? '', /./);
    const [key, container, records] = [await sessionKey(), await id(), (await auditLines(product)).length];
    await check('a session of 2025 goes on after docker compose restart', async () => {
      await stack.compose(['restart', 'gateway']);
      await product.ready();
      await works();
      assert.equal(await id(), container);
    });
    await check('and after docker compose up --force-recreate', async () => {
      await product.up({}, '--force-recreate');
      await works();
      assert.notEqual(await id(), container, 'the container is a new one');
    });
    await check('and after its container was removed, for the volume stays', async () => {
      await stack.compose(['rm', '--stop', '--force', 'gateway']);
      await product.up();
      await works();
    });
    await check('and on another image, and on the former one again', () => upgrades(product, works));
    await check('and on a new volume with the copy of the former', async () => {
      const backup = join(product.folder, 'backup');
      await stack.compose(['cp', '--archive', 'gateway:/state', backup]);
      await stack.compose(['rm', '--stop', '--force', 'gateway']);
      await docker('volume', 'rm', `${stack.project}_state`);
      await product.up();
      assert.notEqual(await sessionKey(), key, 'it is a new volume');
      await stack.compose(['cp', '--archive', `${backup}/.`, 'gateway:/state']);
      await stack.compose(['restart', 'gateway']);
      await product.ready();
      await works();
    });
    await check('session key and record are those of before', async () => {
      assert.equal(await sessionKey(), key);
      assert.match(key, /^[0-9a-f]{64} /);
      const all = await auditLines(product);
      assert.ok(all.length > records);
    });
    await check('a session that nobody sealed is refused', () => refusesForged(product, sessionId ?? ''));
  } finally {
    await legacy.close();
  }
}

async function refusesForged({ address, token }: Product, sessionId: string): Promise<void> {
  const url = new URL('/mcp', await address());
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    authorization: `Bearer ${token}`,
    'mcp-session-id': `${sessionId.slice(0, -4)}AAAA`,
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  assert.equal((await fetch(url, { method: 'POST', headers, body })).status, 404);
}

async function upgrades(product: Product, works: () => Promise<void>): Promise<void> {
  const { stack } = product;
  const other = `${product.image}-next`;
  await must(['docker', 'build', '--quiet', '--label', 'next=yes', '--tag', other, product.folder]);
  await product.up({ IMAGE: other });
  const labels = async () => (await stack.container('gateway')).Config.Labels;
  assert.equal((await labels()).next, 'yes');
  await works();
  await product.up();
  assert.equal((await labels()).next, undefined);
  await works();
}
