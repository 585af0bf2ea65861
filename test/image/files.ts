/** Files through the published port and through the volume for local_path, as compose has them. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { connect } from './client.ts';
import type { Product } from './product.ts';
import type { Check } from './report.ts';

const path = '/root/from-image-test.bin';

export async function proveFiles(check: Check, product: Product): Promise<void> {
  const address = await product.address();
  const caller = await connect('2026-07-28', address, product.token);
  const move = async (tool: string, args: Record<string, unknown>) =>
    (await caller.call(tool, { vmid: 100, container_path: path, overwrite: true, ...args }))
      .structuredContent as Record<string, unknown>;
  const up = (args: Record<string, unknown>) => move('proxmox_upload_file_to_container', args);
  const down = (args: Record<string, unknown>) => move('proxmox_download_file_from_container', args);
  const bytes = randomBytes(3_000_000);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  try {
    await check('a one-time URL names the published address, and takes a file in', async () => {
      const { url } = await up({ transfer: 'url' });
      assert.ok(String(url).startsWith(`${address.origin}/transfers/`), String(url));
      const answer = await fetch(String(url), { method: 'PUT', body: bytes });
      const said = (await answer.json()) as Record<string, unknown>;
      assert.equal(answer.status, 201, JSON.stringify(said));
      assert.equal(said.sha256, sha256);
      assert.equal((await fetch(String(url), { method: 'PUT', body: bytes })).status, 410);
    });
    await check('and another one gives it out again', async () => {
      const { url } = await down({ transfer: 'url' });
      assert.deepEqual(Buffer.from(await (await fetch(String(url))).arrayBuffer()), bytes);
    });
    await check('local_path is a file on the volume, of the gateway alone', async () => {
      assert.equal((await down({ local_path: 'copy.bin' })).sha256, sha256);
      const { stdout } = await product.stack.inside(
        'gateway',
        'stat -c "%a %u %s" /transfers /transfers/copy.bin | sed "1s/ [0-9]*$//"; ls -A /transfers',
      );
      assert.equal(stdout, `700 1000\n600 1000 ${bytes.length}\ncopy.bin\n`);
      assert.equal((await up({ local_path: 'copy.bin' })).sha256, sha256);
    });
    await check('nothing of it is left on the node', async () => {
      const { stdout } = await product.stack.inside('pve', 'ls -A /var/tmp');
      assert.doesNotMatch(stdout, /proxmox-mcp-/);
    });
  } finally {
    await caller.close();
  }
}
