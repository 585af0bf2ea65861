/** More transfers than there are places, and clients that send or take next to nothing. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connectModern, eventually } from '../../gateway/harness.ts';
import { onStand } from '../harness.ts';
import { freePort } from '../stand/ports.ts';
import {
  get,
  mebibyte,
  type Outcome,
  put,
  routes,
  sha256,
  slices,
  startTransferring,
  type Transferring,
} from './transfer-stand.ts';

const principals = ['alice', 'bob', 'carol', 'dave', 'erin'].map(
  (name) => [name, `${name}-token-0123456789`] as const,
);
const each = 8;
const fileBytes = 300_000;

for (const route of routes) {
  describe(`many transfers, ${route}`, onStand, () => {
    let on: Transferring;
    let metricsPort: number;
    const clients: Awaited<ReturnType<typeof connectModern>>[] = [];
    before(async () => {
      metricsPort = await freePort();
      on = await startTransferring({
        env: {
          TRANSFER_ROUTE: route,
          TRANSFER_TIMEOUT: '60',
          METRICS_PORT: String(metricsPort),
          MCP_AUTH_TOKEN: [
            'alice-token-0123456789',
            ...principals.slice(1).map(([name, secret]) => `${name}:${secret}`),
          ]
            .join('\n')
            .replace(/^/, 'alice:'),
        },
      });
      for (const [, secret] of principals) clients.push(await connectModern(on.gateway.url, secret));
      await on.inside('mkdir -p /srv/many');
    });
    after(async () => {
      await Promise.all(clients.map((client) => client.close()));
      await on.close();
    });

    const metric = async (name: string) => {
      const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      return Number(new RegExp(`^\\S*${name} (\\S+)$`, 'm').exec(page)?.[1]);
    };
    const urlOf = async (index: number, tool: string, path: string) => {
      const args = { vmid: 100, container_path: path, transfer: 'url' };
      const client = clients[index % clients.length] ?? on.gateway.client;
      // A URL is asked for like a transfer, and so can be told to wait.
      return await eventually(async () => {
        const result = await client.callTool({ name: tool, arguments: args });
        return (result.structuredContent as { url: string } | undefined)?.url;
      }, 30_000);
    };
    const putUrl = (index: number) =>
      urlOf(index, 'proxmox_upload_file_to_container', `/srv/many/file${index}`);
    const idle = async () => {
      await eventually(async () => (await metric('ssh_queue_length')) === 0 || undefined, 10_000);
      // The guard and shells opened ahead keep theirs.
      await eventually(async () => (await metric('ssh_channels')) <= 5 || undefined, 15_000);
    };

    test('40 at once of five principals: whole or BUSY, all of them in the end, and the channels fall idle', async (t) => {
      const files = Array.from({ length: principals.length * each }, () => randomBytes(fileBytes));
      let busy = 0;
      const patiently = async <T extends { status: number }>(transfer: () => Promise<T>): Promise<T> =>
        await eventually(async () => {
          const outcome = await transfer();
          if (outcome.status !== 429) return outcome;
          busy++;
          return undefined;
        }, 30_000);
      const sent = await Promise.all(
        files.map((bytes, index) =>
          patiently(async () => await put(await putUrl(index), slices(bytes), bytes.length)),
        ),
      );
      assert.deepEqual(new Set(sent.map(({ status, error }) => error ?? status)), new Set([201]));
      const came = await Promise.all(
        files.map((_, index) =>
          patiently(async () =>
            get(await urlOf(index, 'proxmox_download_file_from_container', `/srv/many/file${index}`)),
          ),
        ),
      );
      assert.deepEqual(
        came.map(({ body }) => sha256(body)),
        files.map((bytes) => sha256(bytes)),
      );
      t.diagnostic(`${busy} were told to wait`);
      await idle();
      await on.clean(5_000);
    });

    test('twenty of one principal: eight at a time, the others BUSY and not begun', async () => {
      const release = Promise.withResolvers<void>();
      let begun = 0;
      const chunks = async function* () {
        yield randomBytes(1000);
        begun++;
        await release.promise;
        yield randomBytes(1000);
      };
      const urls = await Promise.all(
        Array.from({ length: 20 }, (_, index) => putUrl(1000 + index * clients.length)),
      );
      const settled: Outcome[] = [];
      const sending = urls.map((url) => put(url, chunks(), 2000).then((outcome) => settled.push(outcome)));
      await eventually(() => settled.length === 12 || undefined, 20_000);
      for (const { code, outcome, status } of settled)
        assert.deepEqual([code, outcome, status], ['BUSY', 'not_started', 429]);
      release.resolve();
      await Promise.all(sending);
      assert.deepEqual(
        settled.slice(12).map(({ status }) => status),
        Array(8).fill(201),
      );
      assert.ok(begun >= 8);
      await idle();
    });
  });

  describe(`transfers that drag on, ${route}`, onStand, () => {
    let on: Transferring;
    let old: string;
    before(async () => {
      on = await startTransferring({ env: { TRANSFER_ROUTE: route, TRANSFER_TIMEOUT: '4' } });
      old = await on.fill('/srv/file', 8 * mebibyte);
    });
    after(() => on.close());

    const underWay = async () => {
      const lines = (await on.gateway.audit()).split('\n').filter((line) => line !== '');
      const events = lines.map((line) => JSON.parse(line).event as string);
      return (
        events.filter((event) => event === 'begin').length -
        events.filter((event) => event === 'finish').length
      );
    };
    const drip = async function* () {
      for (;;) {
        yield Buffer.from('.');
        await pause(1_000, undefined, { ref: false });
      }
    };
    for (const [what, chunks] of [
      ['a byte a second', drip],
      [
        'no more',
        async function* () {
          yield Buffer.from('.');
          await new Promise(() => {});
        },
      ],
    ] as const)
      test(`an upload that sends ${what}: cut by TRANSFER_TIMEOUT, the old file stays, nothing is left`, async () => {
        const startedAt = performance.now();
        const { code, outcome } = await put(await on.putUrl('/srv/file'), chunks(), mebibyte);
        const tookMs = performance.now() - startedAt;
        assert.deepEqual([code, outcome], ['TRANSFER_TIMEOUT', 'failed']);
        assert.ok(tookMs > 3_500 && tookMs < 12_000, `${tookMs}`);
        await on.clean(15_000);
        assert.equal(await on.sumOf('/srv/file'), old);
      });

    test('a download that nobody takes: cut by TRANSFER_TIMEOUT, nothing is left', async () => {
      const asking = request(await on.getUrl('/srv/file'), { agent: false });
      asking.end();
      const [answer] = (await once(asking, 'response')) as [IncomingMessage];
      const drip = setInterval(() => answer.read(1), 500);
      answer.on('error', () => {});
      const over = async () => (await underWay()) === 0 || undefined;
      await eventually(over, 12_000).finally(() => clearInterval(drip));
      await on.clean(15_000);
      answer.destroy();
    });

    test('a download whose source gives a byte a second: cut by TRANSFER_TIMEOUT', async () => {
      // Nothing of the container can be slow by itself: its file system is in memory. The copying is.
      if (route === 'staging') on.node.turn('copy-block-ms', 1_000);
      else
        await on.inside(
          `printf '#!/usr/bin/bash\\nexec sleep 100' >/srv/slow; chmod 755 /srv/slow; mount --bind /srv/slow /usr/bin/cat`,
        );
      try {
        const startedAt = performance.now();
        const came = await get(await on.getUrl('/srv/file')).catch(() => undefined);
        if (came !== undefined) assert.equal(JSON.parse(came.body.toString()).code, 'TRANSFER_TIMEOUT');
        assert.ok(performance.now() - startedAt < 12_000);
      } finally {
        if (route === 'staging') on.node.turn('copy-block-ms');
        else await on.inside('umount -l /usr/bin/cat');
      }
      await on.clean(15_000);
    });
  });
}
