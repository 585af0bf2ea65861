/** What a cancelled transfer leaves: nothing, within two seconds. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../gateway/harness.ts';
import { startGet, startPut } from './direct.ts';
import { type Hands, lookAt, nothingLeft, type Result } from './hands.ts';
import { underWay } from './together.ts';

/** Takes longer than a look at what is under way. */
const bytes = 128 * 1024 * 1024;
const goneWithinMs = 2_000;
const slowPctMs = 20_000;

/** MAX_FILE_SIZE is above that. */
export function stopping(hands: () => Hands): void {
  for (const legacy of [false, true]) {
    const era = legacy ? '2025' : '2026';

    test(`an upload that a client of ${era} cancels leaves the old file alone`, async () => {
      const endless = join(hands().folder, 'endless');
      await writeFile(endless, '');
      await truncate(endless, bytes);
      const directory = await hands().fresh('printf old >f');
      const before = await lookAt(hands(), directory);
      const caller = await hands().with({ legacy });
      const args = { local_path: 'endless', overwrite: true };
      await cancelled(hands(), {
        begin: (signal) => caller.up(`${directory}/f`, args, { signal }),
        ready: () => underWay(hands(), directory),
      });
      assert.equal(await lookAt(hands(), directory), before);
      await rm(endless);
    });

    test(`a download that a client of ${era} cancels leaves no file`, async () => {
      // What is staged has to fit onto the host's disk.
      const size = hands().route === 'staging' ? bytes : hands().site.longBytes;
      const directory = await hands().fresh(`truncate -s ${size} f`);
      const caller = await hands().with({ legacy });
      try {
        await cancelled(hands(), {
          begin: (signal) => caller.down(`${directory}/f`, { local_path: 'never' }, { signal }),
          ready: () => eventually(() => comesDown(hands()), 20_000),
        });
        assert.ok(!existsSync(join(hands().folder, 'never')));
      } finally {
        await hands().sh(`rm ${directory}/f`);
      }
    });
  }

  test('a URL whose client goes away ends the transfer', async () => {
    const directory = await hands().fresh('printf old >f; truncate -s 33554432 g');
    const before = await lookAt(hands(), directory);
    const put = await startPut(hands(), `${directory}/f`, { overwrite: true }, { announced: bytes });
    put.send(Buffer.alloc(1024 * 1024));
    await underWay(hands(), directory);
    put.abort();
    await nothingLeft(hands(), goneWithinMs);
    const get = await startGet(hands(), `${directory}/g`);
    get.abort();
    await nothingLeft(hands(), goneWithinMs);
    assert.equal(await lookAt(hands(), directory), before);
  });
}

/** Where files are staged. */
export function stoppingPct(hands: () => Hands): void {
  test('pct is stopped, too', async () => {
    const directory = await hands().fresh('printf old >f; head -c 200000 /dev/zero >g');
    const before = await lookAt(hands(), directory);
    const args = { content: 'x'.repeat(200_000), overwrite: true };
    const runs = (verb: string) =>
      eventually(async () => {
        const all = await hands().site.processes();
        return all.some((line) => line.includes(`pct ${verb}`)) ? true : undefined;
      }, 10_000);
    hands().site.slowPct(slowPctMs);
    try {
      await cancelled(hands(), {
        begin: (signal) => hands().up(`${directory}/f`, args, { signal }),
        ready: () => runs('push'),
      });
      await cancelled(hands(), {
        begin: (signal) => hands().down(`${directory}/g`, {}, { signal }),
        ready: () => runs('pull'),
      });
    } finally {
      hands().site.slowPct(0);
    }
    assert.equal(await lookAt(hands(), directory), before);
  });
}

interface Stopping {
  readonly begin: (signal: AbortSignal) => Promise<Result>;
  /** Resolves when it is in the middle. */
  readonly ready: () => Promise<unknown>;
}

/** Proves that nothing is left in time, and that the audit log has it. */
async function cancelled(hands: Hands, { begin, ready }: Stopping): Promise<void> {
  const stop = new AbortController();
  const recorded = async () =>
    (await hands.site.audit()).filter(({ outcome }) => outcome === 'cancelled').length;
  const before = await recorded();
  const call = begin(stop.signal);
  const over = call.then(JSON.stringify, String);
  const first = await Promise.race([ready().then(() => 'in the middle'), over]);
  assert.equal(first, 'in the middle');
  stop.abort();
  await assert.rejects(call);
  await nothingLeft(hands, goneWithinMs);
  await eventually(async () => ((await recorded()) > before ? true : undefined));
}

async function comesDown({ folder, route, onHost }: Hands): Promise<true | undefined> {
  const part = (await readdir(folder)).find((name) => name.startsWith('.proxmox-mcp-'));
  const stats = part === undefined ? undefined : await stat(join(folder, part)).catch(() => undefined);
  if (stats !== undefined && stats.size > 0) return true;
  if (route !== 'staging') return undefined;
  const staged = await onHost(
    'n=0; for f in /var/tmp/proxmox-mcp-*/file; do [ ! -s "$f" ] || n=1; done; echo $n',
  );
  return staged.trim() === '1' ? true : undefined;
}
