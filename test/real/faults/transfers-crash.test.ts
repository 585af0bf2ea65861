/** A gateway that is killed in the midst of transfers, and the one that takes up its state folder. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@modelcontextprotocol/client';
import { connectModern, eventually, token } from '../../gateway/harness.ts';
import { type GatewayProcess, spawnGateway } from '../../gateway/process.ts';
import { onStand } from '../harness.ts';
import { settingsOver } from '../stand/fault-proxy.ts';
import { startNode } from '../stand/node.ts';
import { get, looksAt, mebibyte, put, type Route, routes, slices } from './transfer-stand.ts';

const sweptWithinMs = 60_000;

async function startSite(t: TestContext, route: Route) {
  const node = await startNode();
  const stateDir = await mkdtemp(join(tmpdir(), 'crash-'));
  const gateways: GatewayProcess[] = [];
  t.after(async () => {
    for (const gateway of gateways) await gateway.stop('SIGKILL');
    await node.close();
    await rm(stateDir, { recursive: true, force: true });
  });
  const settings = {
    ...settingsOver(node.sshd, node.sshd, stateDir),
    TRANSFER_ROUTE: route,
    MAX_FILE_SIZE: '200000000',
  };
  const start = async (): Promise<{ gateway: GatewayProcess; client: Client }> => {
    const gateway = spawnGateway('serve', settings);
    gateways.push(gateway);
    return { gateway, client: await connectModern(await gateway.url(), token) };
  };
  const urlOf = async (client: Client, tool: string, args: Record<string, unknown>) => {
    const result = await client.callTool({ name: tool, arguments: { vmid: 100, transfer: 'url', ...args } });
    return (result.structuredContent as { url: string }).url;
  };
  const looks = looksAt(node);
  await looks.keep('/srv/kept');
  return {
    node,
    start,
    ...looks,
    putUrl: (client: Client) =>
      urlOf(client, 'proxmox_upload_file_to_container', {
        container_path: '/srv/kept/file',
        overwrite: true,
      }),
    getUrl: (client: Client) =>
      urlOf(client, 'proxmox_download_file_from_container', { container_path: '/srv/kept/file' }),
  };
}

describe('a gateway that is killed', { concurrency: true, ...onStand }, () => {
  for (const route of routes) {
    test(`in the midst of up- and download, ${route}: the old file stays, and the next one sweeps`, async (t) => {
      const site = await startSite(t, route);
      const old = await site.fill('/srv/kept/file', 64 * mebibyte);
      const { gateway, client } = await site.start();
      const halfway = Promise.withResolvers<void>();
      const chunks = async function* () {
        for (const [index, slice] of [...slices(randomBytes(4 * mebibyte))].entries()) {
          if (index === 48) {
            halfway.resolve();
            await new Promise(() => {});
          }
          yield slice;
        }
      };
      const sending = put(await site.putUrl(client), chunks()).catch(() => 'cut');
      await halfway.promise;
      await eventually(() => site.underWay('/srv/kept').length > 0 || undefined);
      const begun = Promise.withResolvers<void>();
      site.node.turn('copy-block-ms', 2);
      const fetching = get(await site.getUrl(client), () => begun.resolve()).catch(() => 'cut');
      if (route === 'stream') await begun.promise;
      else
        await eventually(
          async () => (await site.node.world.run("pgrep -f '[p]ct pull'")).stdout !== '' || undefined,
        );
      await gateway.stop('SIGKILL');
      assert.deepEqual(await Promise.all([sending, fetching]), ['cut', 'cut']);
      site.node.turn('copy-block-ms');
      await site.start();
      await site.clean(sweptWithinMs);
      assert.equal(await site.sumOf('/srv/kept/file'), old);
    });

    test(`with a container that stops before it is back, ${route}: swept when it runs again`, async (t) => {
      const site = await startSite(t, route);
      const old = await site.fill('/srv/kept/file', mebibyte);
      const { gateway, client } = await site.start();
      const chunks = async function* () {
        yield randomBytes(2 * mebibyte);
        await new Promise(() => {});
      };
      const sending = put(await site.putUrl(client), chunks()).catch(() => 'cut');
      await eventually(() => site.underWay('/srv/kept').length > 0 || undefined);
      // Both at once: what runs in the container can no longer clean up after itself.
      await site.onHost('pct stop 100');
      await gateway.stop('SIGKILL');
      await sending;
      assert.match(await site.onHost('ls -A /var/lib/kept'), /\.part$/m);
      await site.start();
      await eventually(async () => (await site.onHost('ls -A /var/tmp')) === '' || undefined, sweptWithinMs);
      assert.match(await site.onHost('ls -A /var/lib/kept'), /\.part$/m);
      await site.onHost('lxc-start -n 100');
      await site.keep('/srv/kept');
      await site.clean(sweptWithinMs);
      assert.equal(await site.sumOf('/srv/kept/file'), old);
    });
  }

  test('and another that lives on the same state folder: what is its own stays', async (t) => {
    const site = await startSite(t, 'staging');
    const first = await site.start();
    const second = await site.start();
    let goOn = false;
    const chunks = async function* () {
      yield randomBytes(2 * mebibyte);
      while (!goOn) {
        await pause(1_000);
        yield Buffer.from('.');
      }
    };
    const living = put(await site.putUrl(first.client), chunks());
    await eventually(() => site.underWay('/srv/kept').length > 1 || undefined);
    const dying = put(await site.putUrl(second.client), chunks()).catch(() => 'cut');
    await eventually(() => site.underWay('/srv/kept').length > 3 || undefined);
    await second.gateway.stop('SIGKILL');
    assert.equal(await dying, 'cut');
    await eventually(() => site.underWay('/srv/kept').length === 2 || undefined, sweptWithinMs);
    goOn = true;
    assert.equal((await living).status, 201);
    await site.clean(5_000);
  });
});
