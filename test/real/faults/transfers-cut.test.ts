/** A connection that breaks while a file is on its way: true words, the old file or the new one, and nothing left. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../../gateway/harness.ts';
import { onStand } from '../harness.ts';
import { type FaultProxy, startFaultProxy } from '../stand/fault-proxy.ts';
import {
  get,
  mebibyte,
  put,
  routes,
  seeded,
  sha256,
  slices,
  startTransferring,
  type Transferring,
} from './transfer-stand.ts';

const points = 20;
const hangMs = 10_000;
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

describe('a connection that breaks', { concurrency: true, ...onStand }, () => {
  for (const route of routes)
    describe(route, { concurrency: false }, () => {
      let link: FaultProxy;
      let on: Transferring;
      const file = '/srv/file';
      before(async () => {
        link = await startFaultProxy();
        on = await startTransferring({ env: { SSH_PORT: String(link.port), TRANSFER_ROUTE: route } });
        link.leadTo(on.node.sshd);
        await ready();
        await on.inside('mkdir -p /srv');
      });
      after(async () => {
        await on.close();
        await link.close();
      });
      const ready = () =>
        eventually(async () => (await fetch(new URL('/readyz', on.gateway.url))).ok || undefined, 15_000);
      const works = async () => {
        await ready();
        const result = await on.upload({ container_path: '/srv/next', content: 'next', overwrite: true });
        assert.equal(result.isError ?? false, false, JSON.stringify(result.content));
      };
      /** Gives what the transfer came to, and asserts that it did so in time. */
      const inTime = async <T>(transfer: Promise<T>, what: string): Promise<T> => {
        const late = pause(hangMs, 'late', { ref: false });
        const first = await Promise.race([transfer, late]);
        assert.notEqual(first, 'late', `${what} hangs`);
        return first as T;
      };

      test(`at ${points} points of an upload`, async (t) => {
        t.diagnostic(`SEED=${seed}`);
        const random = seeded(seed);
        let current = await on.fill(file, 3 * mebibyte);
        const codes: Record<string, number> = {};
        for (let point = 0; point < points; point++) {
          const bytes = randomBytes(4 * mebibyte + point);
          const at = random() * 1.25;
          const how = random() < 0.5 ? 'cut' : 'reset';
          const waitMs = random() * 150;
          const what = `${how} at ${at.toFixed(3)}, ${waitMs.toFixed(0)} ms`;
          await ready();
          const url = await on.putUrl(file);
          const earlier = on.underWay('/srv');
          const arrived = () => {
            const mine = on.underWay('/srv').filter((path) => !earlier.includes(path));
            const sizes = mine.map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
            return sizes.length === 0 ? Number.NEGATIVE_INFINITY : Math.max(...sizes);
          };
          const chunks = async function* () {
            let sent = 0;
            let broken = false;
            for (const slice of slices(bytes)) {
              if (!broken && sent >= at * bytes.length) {
                broken = true;
                await eventually(() => arrived() >= sent - 1.5 * mebibyte || undefined, 3_000);
                link[how]();
              }
              sent += slice.length;
              yield slice;
            }
            if (!broken) void pause(waitMs).then(() => link[how]());
          };
          const size = random() < 0.5 ? bytes.length : undefined;
          const { status, code = 'done', outcome } = await inTime(put(url, chunks(), size), what);
          codes[code] = (codes[code] ?? 0) + 1;
          await works();
          const sum = await eventually(async () => {
            const found = await on.sumOf(file);
            return (await on.busy()) ? undefined : found;
          }, 10_000);
          if (status === 201) assert.equal(sum, sha256(bytes), what);
          else if (outcome === 'unknown') assert.ok([current, sha256(bytes)].includes(sum), what);
          else {
            assert.ok(['failed', 'not_started'].includes(outcome ?? ''), `${what}: ${code} ${outcome}`);
            assert.notEqual(code, 'INTERNAL', what);
            assert.equal(sum, current, `${what}: ${code}`);
          }
          current = sum;
        }
        t.diagnostic(JSON.stringify(codes));
        assert.ok((codes.TRANSFER_INTERRUPTED ?? 0) >= points / 2, JSON.stringify(codes));
        await on.clean();
      });

      test(`at ${points} points of a download`, async (t) => {
        t.diagnostic(`SEED=${seed}`);
        const random = seeded(seed + 1);
        const sum = await on.fill(file, 4 * mebibyte);
        let lost = 0;
        let place = Math.floor(8_000 + random() * 4 * mebibyte);
        link.failAt(place);
        link.cut();
        for (let point = 0; point < points; point++) {
          await ready();
          const url = await on.getUrl(file);
          const what = `after ${place} bytes`;
          place = Math.floor(8_000 + random() * 4 * mebibyte);
          // For the connection after this one, which stands already.
          link.failAt(point + 1 < points ? place : undefined, random() < 0.5 ? 'cut' : 'reset');
          const answered = await inTime(
            get(url).catch(() => undefined),
            what,
          );
          if (answered === undefined) lost++;
          else if (answered.status === 200) {
            assert.equal(sha256(answered.body), sum, what);
            link.cut();
          } else {
            lost++;
            const { code, outcome } = JSON.parse(answered.body.toString());
            assert.ok(['failed', 'not_started'].includes(outcome), `${what}: ${code} ${outcome}`);
            assert.notEqual(code, 'INTERNAL', what);
          }
        }
        t.diagnostic(`${lost} were lost`);
        assert.ok(lost >= points * 0.75, `${lost} of ${points} were in the midst of it`);
        await works();
        const whole = await get(await on.getUrl(file));
        assert.equal(sha256(whole.body), sum);
        await on.clean();
      });
    });
});
