/** Containers whose own programs lie to the gateway: bounded in time and memory, and errors that say so. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { onStand } from '../harness.ts';
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

const file = '/srv/file';
const timeoutS = 1;
/** The timeout, five seconds for the script to clean up, and what it takes to kill it. */
const mostMs = (timeoutS + 9) * 1000;
const mostGrowthBytes = 120 * mebibyte;
const secret = 'host-secret-never-to-be-told';

/** In place of /bin/sh; the mark is what the gateway expects first. */
const shells: readonly (readonly [what: string, script: string])[] = [
  ['ends at once', 'exit 0'],
  ['says garbage in place of the mark', 'head -c 1000000 /dev/urandom'],
  ['says the mark and ends', 'mark'],
  ['says a field that is too long', 'mark; head -c 300000 /dev/zero | tr "\\0" x; cat >/dev/null'],
  ['says one field without end', 'mark; exec yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'],
  ['says too many fields', 'mark; for n in $(seq 10000); do fields at; done; cat >/dev/null'],
  ['says garbage', 'mark; head -c 100000 /dev/urandom'],
  ['says a size below nothing', 'mark; fields at /srv/file -5 "" 1; read -r x; fields same'],
  ['says no size', 'mark; fields at /srv/file "" "" 1; read -r x; fields same'],
  [
    'says a size in other words',
    'mark; fields at /srv/file 1e3 "" 1; read -r x; head -c 1000 /dev/zero; fields same',
  ],
  [
    'says a size beyond all',
    'mark; fields at /srv/file 99999999999999999999 "" 1; read -r x; cat >/dev/null',
  ],
  [
    'says a file that is not named',
    'mark; fields at ../../../etc/shadow 5 yes 1; read -r x; fields sum x; cat >/dev/null',
  ],
  [
    'says control characters',
    'mark; fields failed "$(printf "\\33[31mx\\r\\n")" "$(printf "\\33]0;evil\\7")"',
  ],
  [
    'says a sum that is none',
    'mark; fields at /srv/file 5 yes 1; read -r x; fields sum "$(printf "\\33[31m\\r\\nx: y")"; cat >/dev/null',
  ],
  ['says nothing more', 'mark; exec sleep 1000'],
  ['complains without end', 'mark; exec yes >&2'],
  ['closes all and stays', 'mark; exec >&- 2>&- <&-; exec sleep 1000'],
];

/** What a client sees where the answer had begun before the lie came out. */
const cutShort = { status: 0, body: Buffer.from('{"code":"CUT"}') };

const prelude = `#!/usr/bin/bash
mark() { printf '%s\\n' "$line"; }
fields() { printf '%s\\0' "$@"; }
line=$4
`;

describe('a container that lies', { concurrency: true, ...onStand }, () => {
  for (const route of routes)
    describe(route, { concurrency: false }, () => {
      let on: Transferring;
      before(async () => {
        on = await startTransferring({
          env: { TRANSFER_ROUTE: route, TRANSFER_TIMEOUT: String(timeoutS), CONTAINER_DRIVER: 'pct' },
        });
        await on.fill(file, 200_000);
        on.node.world.write('/root/secret', secret);
        await on.inside(`printf %s '${'x'.repeat(secret.length)}' >/root/secret`);
      });
      after(() => on.close());

      let liars = 0;
      const replace = async (program: string, script: string) => {
        const liar = `/srv/liar${++liars}`;
        await on.onHost(`lxc-attach -n 100 -- tee ${liar} <<'EOF' >/dev/null\n${script}\nEOF`);
        await on.inside(`chmod 755 ${liar}; mount --bind ${liar} ${program}`);
        return () => on.inside(`umount -l ${program}`);
      };
      const bounded = async (what: string, transfer: () => Promise<Outcome>): Promise<Outcome> => {
        const [startedAt, rss] = [performance.now(), process.memoryUsage.rss()];
        const outcome = await transfer();
        assert.ok(performance.now() - startedAt < mostMs, `${what} took ${performance.now() - startedAt} ms`);
        const grown = process.memoryUsage.rss() - rss;
        assert.ok(grown < mostGrowthBytes, `${what}: ${grown} bytes more`);
        return outcome;
      };
      const up = async () => await put(await on.putUrl(file), slices(randomBytes(300_000)), 300_000);
      const down = async (): Promise<Outcome> => {
        const url = await on.getUrl(file);
        const { status, body } = await get(url).catch(() => cutShort);
        return status === 200
          ? { status, bytes_transferred: body.length }
          : { status, ...JSON.parse(body.toString()) };
      };

      for (const [what, script] of shells)
        test(`its shell ${what}`, async (t) => {
          const old = await on.sumOf(file);
          const restore = await replace('/usr/bin/dash', prelude + script);
          const outcomes: Outcome[] = [];
          try {
            outcomes.push(...(await Promise.all([bounded('up', up), bounded('down', down)])));
          } finally {
            await restore();
          }
          t.diagnostic(outcomes.map(({ code, status }) => code ?? status).join(', '));
          for (const { code = '', error = '' } of outcomes) {
            assert.notEqual(code, '', 'it was believed');
            assert.notEqual(code, 'INTERNAL');
            assert.ok(!/\p{Cc}/u.test(error), JSON.stringify(error));
          }
          assert.equal(await on.sumOf(file), old);
          await on.clean(20_000);
        });

      test('its sha256sum gives other sums: nothing counts', async () => {
        const old = await on.sumOf(file);
        const restore = await replace(
          '/usr/bin/sha256sum',
          `#!/usr/bin/bash\ncat >/dev/null\necho '${'a'.repeat(64)}  -'`,
        );
        const [sent, came] = await Promise.all([bounded('up', up), bounded('down', down)]).finally(restore);
        assert.equal(sent.code, 'TRANSFER_UNPROVEN');
        const ways = route === 'staging' ? ['FILE_CHANGED', 'TRANSFER_UNPROVEN'] : ['CUT'];
        assert.ok(ways.includes(came.code ?? ''), came.code);
        assert.equal(await on.sumOf(file), old);
        await on.clean(20_000);
      });

      for (const [what, script] of [
        ['says nothing', 'exit 0'],
        ['says a line without end', "exec tr '\\0' a </dev/zero"],
        ['never ends', 'exec sleep 1000'],
      ] as const)
        test(`its sha256sum ${what}: nothing counts`, async (t) => {
          const old = await on.sumOf(file);
          const restore = await replace('/usr/bin/sha256sum', `#!/usr/bin/bash\n${script}`);
          const [sent, came] = await Promise.all([bounded('up', up), bounded('down', down)]).finally(restore);
          t.diagnostic(`${sent.code}, ${came.code}`);
          for (const { code = '' } of [sent, came]) assert.ok(!['', 'INTERNAL'].includes(code), code);
          assert.equal(await on.sumOf(file), old);
          await on.clean(20_000);
        });

      test('the same name with a sum of the container: the file of the host is never told', async () => {
        const { body } = await get(await on.getUrl('/root/secret'));
        assert.ok(!body.includes(secret));
        assert.equal(sha256(body), sha256('x'.repeat(secret.length)));
      });
    });
});
