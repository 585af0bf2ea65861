/** Disks that are full, and containers and pct that fail halfway: the words say which, and the old file stays. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../../gateway/harness.ts';
import { onStand } from '../harness.ts';
import {
  get,
  mebibyte,
  type Outcome,
  put,
  routes,
  slices,
  startTransferring,
  type Transferring,
} from './transfer-stand.ts';

const file = '/srv/file';

async function start(env: Record<string, string>) {
  const on = await startTransferring({ env: { STAGING_DIR: '/srv/small', ...env } });
  await on.onHost('mkdir -p /srv/small && mount -t tmpfs -o size=2m none /srv/small');
  return { on, old: await on.fill(file, 3 * mebibyte) };
}

const fetched = async (url: string): Promise<Outcome> => {
  const { status, body } = await get(url);
  return status === 200
    ? { status, sha256: createHash('sha256').update(body).digest('hex') }
    : { status, ...JSON.parse(body.toString()) };
};

describe("the host's disk is full", onStand, () => {
  let on: Transferring;
  let old: string;
  before(async () => {
    ({ on, old } = await start({}));
  });
  after(() => on.close());

  const saysHost = ({ code, outcome, error = '' }: Outcome) => {
    assert.deepEqual([code, outcome], ['NO_SPACE', 'failed']);
    assert.match(error, /on the host/);
  };
  for (const [what, size] of [
    ['announced', 3 * mebibyte],
    ['in chunks', undefined],
  ] as const)
    test(`in the midst of an upload, ${what}: NO_SPACE on the host, staging empty, the old file stays`, async () => {
      saysHost(await put(await on.putUrl(file), slices(randomBytes(3 * mebibyte)), size));
      assert.equal(await on.onHost('ls -A /srv/small'), '');
      assert.equal(await on.sumOf(file), old);
    });

  test('in the midst of a download: NO_SPACE on the host, staging empty', async () => {
    saysHost(await fetched(await on.getUrl(file)));
    assert.equal(await on.onHost('ls -A /srv/small'), '');
  });

  test('already: NO_SPACE on the host, both ways', async (t) => {
    await on.onHost('head -c 3000000 /dev/zero >/srv/small/ballast || true');
    t.after(() => on.onHost('rm /srv/small/ballast'));
    saysHost(await put(await on.putUrl(file), slices(randomBytes(1000)), 1000));
    saysHost(await fetched(await on.getUrl(file)));
    assert.equal(await on.sumOf(file), old);
  });

  test('for a moment: the next transfer works', async () => {
    const { status, route } = await put(await on.putUrl('/srv/next'), slices(randomBytes(mebibyte)));
    assert.deepEqual([status, route], [201, 'staging']);
    await on.clean(5_000);
  });
});

for (const route of routes) {
  describe(`the container's disk is full, ${route}`, onStand, () => {
    let on: Transferring;
    before(async () => {
      on = await startTransferring({ env: { TRANSFER_ROUTE: route } });
      await on.inside('mkdir /srv/tiny && mount -t tmpfs -o size=2m none /srv/tiny');
    });
    after(() => on.close());

    for (const [what, bytes, announced] of [
      ['that would have fitted without the old file', 1.5 * mebibyte, true],
      ['larger than it all', 4 * mebibyte, true],
      ['larger than it all, in chunks', 4 * mebibyte, false],
    ] as const)
      test(`an upload ${what}: NO_SPACE in the container, the old file stays`, async () => {
        const old = await on.fill('/srv/tiny/file', mebibyte);
        const url = await on.putUrl('/srv/tiny/file');
        const {
          code,
          outcome,
          error = '',
        } = await put(url, slices(randomBytes(bytes)), announced ? bytes : undefined);
        assert.deepEqual([code, outcome], ['NO_SPACE', 'failed']);
        assert.match(error, /in container 100/);
        assert.equal(await on.sumOf('/srv/tiny/file'), old);
        await on.clean(5_000);
      });
  });
}

for (const route of routes) {
  describe(`a container that is stopped halfway, ${route}`, onStand, () => {
    let on: Transferring;
    before(async () => {
      on = await startTransferring({ env: { TRANSFER_ROUTE: route, MAX_FILE_SIZE: '100000000' } });
    });
    after(() => on.close());

    const stop = () => on.onHost('pct stop 100');
    const startAgain = async () => {
      await on.onHost('lxc-start -n 100');
      await on.keep('/srv/kept');
    };
    const told = ({ code = '', outcome = '' }: Outcome) =>
      assert.ok(code === 'CONTAINER_NOT_RUNNING' || outcome === 'unknown', `${code}, outcome ${outcome}`);

    test('upload: said so, the old file stays, and what it left is swept when it runs again', async () => {
      await on.keep('/srv/kept');
      const old = await on.fill('/srv/kept/file', mebibyte);
      const stopped = Promise.withResolvers<void>();
      const chunks = async function* () {
        for (const [index, slice] of [...slices(randomBytes(4 * mebibyte))].entries()) {
          yield slice;
          if (index !== 32) continue;
          await eventually(() => on.underWay('/srv/kept').length > 0 || undefined);
          await stop();
          stopped.resolve();
        }
      };
      const answer = await put(await on.putUrl('/srv/kept/file'), chunks());
      await stopped.promise;
      told(answer);
      assert.match(await on.onHost('ls -A /var/lib/kept'), /^\.proxmox-mcp-.*\.part$/m);
      await startAgain();
      assert.equal(await on.sumOf('/srv/kept/file'), old);
      await on.clean();
    });

    const onStaging = route === 'staging' ? {} : { skip: 'this route has no pct' };
    test('while pct pushes: said so, and nothing is left', onStaging, async () => {
      on.node.turn('copy-wait-ms', 1_500);
      const sending = put(await on.putUrl('/srv/kept/file'), slices(randomBytes(mebibyte)), mebibyte);
      await eventually(
        async () => (await on.node.world.run("pgrep -f '[p]ct push'")).stdout !== '' || undefined,
      );
      await stop();
      told(await sending);
      on.node.turn('copy-wait-ms');
      await startAgain();
      await on.clean();
    });

    test('download: said so, and never a whole answer', async () => {
      await on.fill('/srv/kept/long', 64 * mebibyte);
      const url = await on.getUrl('/srv/kept/long');
      let stopping: Promise<unknown> | undefined;
      if (route === 'staging') {
        on.node.turn('copy-block-ms', 20);
        const answer = fetched(url);
        await eventually(
          async () => (await on.node.world.run("pgrep -f '[p]ct pull'")).stdout !== '' || undefined,
        );
        await stop();
        told(await answer);
        on.node.turn('copy-block-ms');
      } else {
        const answer = await get(url, () => {
          stopping ??= stop();
        }).catch(() => undefined);
        await stopping;
        assert.notEqual(answer?.status, 200);
      }
      await startAgain();
      await on.clean();
    });
  });
}

describe('a pct that does not do what it is told', onStand, () => {
  let on: Transferring;
  let old: string;
  before(async () => {
    on = await startTransferring({ env: { TRANSFER_TIMEOUT: '3' } });
    old = await on.fill(file, mebibyte);
  });
  after(() => on.close());

  const refused = (code = '') => assert.ok(['FILE_CHANGED', 'TRANSFER_UNPROVEN'].includes(code), code);
  const up = async () => await put(await on.putUrl(file), slices(randomBytes(mebibyte)), mebibyte);
  const down = async () => await fetched(await on.getUrl(file));

  test('hangs: both ways end by TRANSFER_TIMEOUT, and it is killed', async () => {
    on.node.turn('pct-hangs', 1);
    for (const way of [up, down]) {
      const { code, outcome } = await way();
      assert.deepEqual([code, outcome], ['TRANSFER_TIMEOUT', 'failed']);
    }
    on.node.turn('pct-hangs');
    await on.clean(20_000);
    assert.equal(await on.sumOf(file), old);
  });

  test('copies less than there is, silently: nothing of it counts', async () => {
    on.node.turn('copy-max-bytes', 700_000);
    const [sent, came] = [await up(), await down()];
    on.node.turn('copy-max-bytes');
    assert.equal(sent.code, 'TRANSFER_UNPROVEN');
    refused(came.code);
    // SECURITY: who knew the sum of what pct fetched as root could have a container name it as its own.
    assert.doesNotMatch(JSON.stringify(came), /[0-9a-f]{64}/);
    assert.equal(await on.sumOf(file), old);
    await on.clean(5_000);
  });

  for (const [what, exchange] of [
    ['another file of the same size', `head -c ${mebibyte} /dev/urandom >/srv/new; mv /srv/new ${file}`],
    ['a link to an endless device', `ln -sfn /dev/zero ${file}`],
    ['a link to what root alone reads', `ln -sfn /proc/1/environ ${file}`],
    ['a directory', `rm ${file}; mkdir ${file}`],
    ['nothing', `rm ${file}`],
  ] as const)
    test(`pulls while it is exchanged for ${what}: the file that was opened, or nothing`, async (t) => {
      const opened = await on.sumOf(file);
      t.after(() => on.inside(`rm -rf ${file}; head -c ${mebibyte} /dev/urandom >${file}`));
      on.node.turn('copy-wait-ms', 700);
      const answer = down();
      await eventually(
        async () => (await on.node.world.run("pgrep -f '[p]ct pull'")).stdout !== '' || undefined,
      );
      await on.inside(exchange);
      const { code, sha256 } = await answer;
      on.node.turn('copy-wait-ms');
      if (code === undefined) assert.equal(sha256, opened);
      else refused(code);
      await on.clean(5_000);
    });
});
