/** What goes on by itself on the host and in the container when the connection under a transfer is gone. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../../gateway/harness.ts';
import { onStand } from '../harness.ts';
import { type FaultProxy, startFaultProxy } from '../stand/fault-proxy.ts';
import {
  get,
  mebibyte,
  put,
  type Route,
  routes,
  slices,
  startTransferring,
  type Transferring,
} from './transfer-stand.ts';

const file = '/srv/file';

interface Site {
  readonly link: FaultProxy;
  readonly on: Transferring;
  readonly old: string;
  ready(): Promise<unknown>;
  close(): Promise<void>;
}

async function startSite(route: Route): Promise<Site> {
  const link = await startFaultProxy();
  const on = await startTransferring({ env: { SSH_PORT: String(link.port), TRANSFER_ROUTE: route } });
  link.leadTo(on.node.sshd);
  const ready = () =>
    eventually(async () => (await fetch(new URL('/readyz', on.gateway.url))).ok || undefined, 20_000);
  await ready();
  return {
    link,
    on,
    old: await on.fill(file, 4 * mebibyte),
    ready,
    async close() {
      link.thaw();
      await on.close();
      await link.close();
    },
  };
}

/** Half of the bytes, and the rest when it is told. */
function halting(bytes: Buffer) {
  const halfway = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const chunks = async function* () {
    let sent = 0;
    for (const slice of slices(bytes)) {
      if (sent >= bytes.length / 2) {
        halfway.resolve();
        await goOn.promise;
      }
      sent += slice.length;
      yield slice;
    }
  };
  return { chunks: chunks(), halfway: halfway.promise, goOn: goOn.resolve };
}

describe('pct that outlives its connection', { concurrency: true, ...onStand }, () => {
  const pctRuns = ({ node }: Transferring, verb: string) =>
    eventually(async () => (await node.world.run(`pgrep -f '[p]ct ${verb}'`)).stdout !== '' || undefined);

  for (const [when, how] of [
    ['cut', ({ link }: Site) => link.cut()],
    ['killed with its server', ({ on }: Site) => void on.node.sshd.killSessions()],
  ] as const) {
    test(`push, ${when}: the old file stays, and of the new one nothing appears later`, async (t) => {
      const site = await startSite('staging');
      t.after(site.close);
      const { on } = site;
      on.node.turn('copy-wait-ms', 3_000);
      const sending = put(await on.putUrl(file), slices(randomBytes(mebibyte)), mebibyte);
      await pctRuns(on, 'push');
      how(site);
      const { code, outcome } = await sending;
      assert.deepEqual([code, outcome], ['TRANSFER_INTERRUPTED', 'failed']);
      await on.clean();
      assert.equal(await on.sumOf(file), site.old);
    });
  }

  test('pull, cut: an error, and nothing of it is left', async (t) => {
    const site = await startSite('staging');
    t.after(site.close);
    const { on, link } = site;
    on.node.turn('copy-wait-ms', 3_000);
    const fetching = get(await on.getUrl(file));
    await pctRuns(on, 'pull');
    link.cut();
    const { status, body } = await fetching;
    assert.deepEqual([status, JSON.parse(body.toString()).code], [502, 'TRANSFER_INTERRUPTED']);
    await on.clean();
  });

  test('push, cancelled while the link is silent: nothing of it is left when the link is back', async (t) => {
    const site = await startSite('staging');
    t.after(site.close);
    const { on, link } = site;
    on.node.turn('copy-wait-ms', 3_000);
    const giveUp = new AbortController();
    const args = { vmid: 100, container_path: file, content: 'never', overwrite: true };
    const call = on.gateway.call('proxmox_upload_file_to_container', args, giveUp.signal);
    await Promise.all([
      assert.rejects(call),
      pctRuns(on, 'push').then(() => {
        link.freeze();
        giveUp.abort();
      }),
    ]);
    const finished = async () => (await on.gateway.audit()).includes('"cancelled"') || undefined;
    await eventually(finished, 12_000);
    link.thaw();
    await on.clean();
    assert.equal(await on.sumOf(file), site.old);
  });
});

describe('a link that falls silent', { concurrency: true, ...onStand }, () => {
  for (const route of routes) {
    test(`in the midst of an upload, ${route}: told within 40 s, the old file stays, nothing is left`, async (t) => {
      const site = await startSite(route);
      t.after(site.close);
      const { on, link } = site;
      const sending = halting(randomBytes(4 * mebibyte));
      const ended = put(await on.putUrl(file), sending.chunks, 4 * mebibyte);
      await sending.halfway;
      const silentAt = performance.now();
      link.freeze();
      sending.goOn();
      const { code, outcome } = await ended;
      assert.deepEqual([code, outcome], ['TRANSFER_INTERRUPTED', 'failed']);
      assert.ok(performance.now() - silentAt < 41_000);
      assert.equal(await on.sumOf(file), site.old);
      link.thaw();
      await site.ready();
      await on.clean();
    });

    test(`in the midst of a download, ${route}: cut short within 40 s, never a whole answer`, async (t) => {
      const site = await startSite(route);
      t.after(site.close);
      const { on, link } = site;
      const { taken } = link;
      link.failAt(1_500_000, 'freeze');
      link.cut();
      await eventually(() => link.taken > taken || undefined);
      await site.ready();
      const silentAt = performance.now();
      link.failAt(undefined);
      const answer = await get(await on.getUrl(file)).catch(() => undefined);
      assert.notEqual(answer?.status, 200);
      assert.ok(performance.now() - silentAt < 41_000);
      await site.ready();
      await on.clean();
    });
  }
});

for (const route of routes) {
  describe(`the server behind the connection is killed, ${route}`, onStand, () => {
    let site: Site;
    before(async () => {
      site = await startSite(route);
    });
    after(() => site.close());

    test('in the midst of an upload: told within 2 s, the old file stays, the next call works', async () => {
      const { on, old } = site;
      const sending = halting(randomBytes(4 * mebibyte));
      const ended = put(await on.putUrl(file), sending.chunks);
      await sending.halfway;
      const killedAt = performance.now();
      await on.node.sshd.killSessions();
      sending.goOn();
      const { code, outcome } = await ended;
      assert.deepEqual([code, outcome], ['TRANSFER_INTERRUPTED', 'failed']);
      assert.ok(performance.now() - killedAt < 2_000);
      await site.ready();
      const next = await on.upload({ container_path: '/srv/next', content: 'next' });
      assert.equal(next.isError ?? false, false, JSON.stringify(next.content));
      await on.clean();
      assert.equal(await on.sumOf(file), old);
    });
  });
}
