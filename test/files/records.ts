/** What is heard of a transfer while it lasts, and what is written down of it. */
import assert from 'node:assert/strict';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../gateway/harness.ts';
import { startGet, startPut } from './direct.ts';
import { type CallOptions, failing, type Hands, movedBy, type Result, sumOf } from './hands.ts';

const secret = 'the-content-that-nobody-writes-down';

export function records(hands: () => Hands): void {
  test('the audit log has begin and end with bytes, and neither content nor ticket', async () => {
    const path = `${await hands().fresh()}/f`;
    const earlier = (await hands().site.audit()).length;
    movedBy(await hands().up(path, { content: secret }));
    movedBy(await hands().down(path));
    await failing(hands().up(path, { content: secret }), 'FILE_EXISTS');
    const put = await startPut(hands(), path, { overwrite: true }, { announced: 5 });
    assert.equal((await put.end(Buffer.from('12345'))).status, 201);
    const get = await startGet(hands(), path);
    assert.equal((await get.rest()).toString(), '12345');
    const since = async () => (await hands().site.audit()).slice(earlier);
    const lines = await eventually(async () => {
      const all = (await since()).filter(({ tool }) => /load_file/.test(String(tool)));
      return all.filter(({ event }) => event === 'finish').length === 7 ? all : undefined;
    });
    const begun = lines.filter(({ event }) => event === 'begin');
    const finished = lines.filter(({ event }) => event === 'finish');
    assert.deepEqual(
      new Set(begun.map(({ requestId }) => requestId)),
      new Set(finished.map(({ requestId }) => requestId)),
    );
    const ends = finished.map(({ outcome, code, bytes }) => [outcome, code, bytes]);
    const moved = secret.length;
    assert.deepEqual(
      ends.filter((_, index) => ![3, 5].includes(index)),
      [
        ['ok', undefined, moved],
        ['ok', undefined, moved],
        ['error', 'FILE_EXISTS', 0],
        ['ok', undefined, 5],
        ['ok', undefined, 5],
      ],
    );
    const text = JSON.stringify(lines);
    assert.ok(text.includes(path));
    assert.ok(!text.includes(secret));
    for (const { url } of [put, get]) assert.ok(!text.includes(url.split('/').at(-1) ?? ''));
  });

  test('the metrics count the bytes of both directions', async () => {
    const path = `${await hands().fresh()}/f`;
    const earlier = await bytesMoved(hands());
    movedBy(await hands().up(path, { content: 'x'.repeat(1000) }));
    movedBy(await hands().down(path));
    await failing(hands().up(path, { content: 'x' }), 'FILE_EXISTS');
    const later = await bytesMoved(hands());
    assert.deepEqual([later.up - earlier.up, later.down - earlier.down], [1000, 1000]);
  });
}

async function bytesMoved({ site, route }: Hands): Promise<{ up: number; down: number }> {
  const text = await (await fetch(site.metricsUrl)).text();
  const of = (direction: string) => {
    const line = new RegExp(
      `^proxmox_mcp_transfer_bytes_total\\{direction="${direction}",route="${route}"\\} (\\d+)$`,
      'm',
    );
    return Number(line.exec(text)?.[1] ?? 0);
  };
  return { up: of('up'), down: of('down') };
}

/** The first message comes after a second. */
const heardAfterMs = 1_500;
const slowPctMs = 2_000;
/** The stream is as fast as the machine: more and more, until it takes long enough. */
const mebibytes = { staging: [8], stream: [48, 96, 192] };

/** MAX_FILE_SIZE is above those. */
export function progress(hands: () => Hands): void {
  for (const legacy of [false, true])
    test(`a client of ${legacy ? '2025' : '2026'} hears how far a slow transfer is`, async (context) => {
      const directory = await hands().fresh();
      const caller = await hands().with({ legacy });
      const [from, to] = ['from', 'to'].map((name) => join(hands().folder, name)) as [string, string];
      await writeFile(from, '');
      hands().site.slowPct(slowPctMs);
      const up = (onprogress: OnProgress) =>
        caller.up(`${directory}/f`, { local_path: 'from', overwrite: true }, { onprogress });
      const down = (onprogress: OnProgress) =>
        caller.down(`${directory}/f`, { local_path: 'to', overwrite: true }, { onprogress });
      try {
        for (const size of mebibytes[hands().route]) {
          await truncate(from, size * 1024 * 1024);
          const sent = await heardOf(up, new RegExp(`^\\d+\\.\\d of ${size}\\.0 MiB sent$`));
          const got = await heardOf(down, new RegExp(`^\\d+\\.\\d of ${size}\\.0 MiB received$`));
          assert.equal(got.moved.sha256, sent.moved.sha256);
          assert.equal(sumOf(await readFile(to)), sent.moved.sha256);
          if (sent.heard && got.heard) return;
          await hands().sh(`rm ${directory}/f`);
        }
        context.skip('this machine is too fast for it');
      } finally {
        hands().site.slowPct(0);
        await Promise.all([from, to].map((path) => rm(path, { force: true })));
        await hands().sh(`rm -f ${directory}/f`);
      }
    });
}

type OnProgress = NonNullable<CallOptions['onprogress']>;

/** Throws where a transfer that took long enough was silent. */
async function heardOf(transfer: (onprogress: OnProgress) => Promise<Result>, expected: RegExp) {
  const heard: string[] = [];
  const startedAt = performance.now();
  const moved = movedBy(await transfer(({ message = '' }) => void heard.push(message)));
  const isHeard = heard.some((message) => expected.test(message));
  if (performance.now() - startedAt > heardAfterMs) assert.ok(isHeard, `heard ${heard.join('; ')}`);
  return { moved, heard: isHeard };
}
