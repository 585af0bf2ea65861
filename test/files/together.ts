/** Several transfers at a time: how many there may be, and who wins where only one can. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, failureOf, otherToken } from '../gateway/harness.ts';
import { startPut } from './direct.ts';
import { contentOf, failing, type Hands, movedBy, sumOf } from './hands.ts';

const maxTransfers = 8;
const rounds = 20;
const half = Buffer.alloc(512 * 1024, 'h');

/** Waits until some bytes of an upload into the directory have arrived, wherever they go first. */
export async function underWay(hands: Hands, directory: string, count = 1): Promise<void> {
  const arrived = async () => {
    const lines =
      hands.route === 'staging'
        ? await hands.onHost(countOf('/var/tmp/proxmox-mcp-*/file'))
        : await hands.sh(countOf(`${directory}/.proxmox-mcp-*.part`));
    return Number(lines) >= count ? true : undefined;
  };
  await eventually(arrived, 10_000);
}

const countOf = (pattern: string) =>
  `n=0; for f in ${pattern}; do [ ! -s "$f" ] || n=$((n + 1)); done; echo $n`;

export function together(hands: () => Hands): void {
  test('eight files go up at once, and come down at once', async () => {
    const directory = await hands().fresh();
    const files = Array.from({ length: maxTransfers }, (_, index) => ({
      path: `${directory}/${index}`,
      content: String(index).repeat(300_000 + index),
    }));
    const sent = await Promise.all(files.map(({ path, content }) => hands().up(path, { content })));
    const got = await Promise.all(files.map(({ path }) => hands().down(path)));
    for (const [index, { content }] of files.entries()) {
      assert.equal(movedBy(sent[index] ?? {}).sha256, sumOf(content));
      assert.equal(contentOf(movedBy(got[index] ?? {})).toString(), content);
    }
  });

  test('a ninth of one token has to wait, and another token does not', async () => {
    const directory = await hands().fresh();
    const puts = await Promise.all(
      Array.from({ length: maxTransfers }, (_, index) =>
        startPut(hands(), `${directory}/${index}`, {}, { announced: half.length * 2 }),
      ),
    );
    for (const put of puts) put.send(half);
    await underWay(hands(), directory, maxTransfers);
    const busy = await failing(hands().up(`${directory}/ninth`, { content: 'x' }), 'BUSY');
    assert.match(busy.error, /MAX_TRANSFERS/);
    assert.equal(busy.retryable, true);
    await failing(hands().down('/etc/hostname'), 'BUSY');
    const bob = await hands().with({ bearer: otherToken });
    movedBy(await bob.up(`${directory}/bob`, { content: 'x' }));
    const answers = await Promise.all(puts.map((put) => put.end(half)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(maxTransfers).fill(201),
    );
    movedBy(await hands().up(`${directory}/ninth`, { content: 'x' }));
    assert.equal(await hands().sh(`ls -A ${directory}`), '0\n1\n2\n3\n4\n5\n6\n7\nbob\nninth\n');
  });

  test(`of two that go for one new name one wins, in each of ${rounds} rounds`, async () => {
    const directory = await hands().fresh();
    const bob = await hands().with({ bearer: otherToken });
    for (let round = 0; round < rounds; round++) {
      const path = `${directory}/${round}`;
      const contents = [`alice ${round}`, `bob ${round}`];
      const results = await Promise.all([
        hands().up(path, { content: contents[0] }),
        bob.up(path, { content: contents[1] }),
      ]);
      const winners = contents.filter((_, index) => results[index]?.isError !== true);
      assert.equal(winners.length, 1, `round ${round}: ${JSON.stringify(results)}`);
      for (const result of results)
        if (result.isError === true) assert.equal(failureOf(result).code, 'FILE_EXISTS');
      assert.equal(await hands().sh(`cat ${path}`), winners[0]);
    }
  });
}
