/** Containers that exchange files and directories for others while they are copied. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { onStand } from '../harness.ts';
import { put, routes, sha256, slices, startTransferring, type Transferring } from './transfer-stand.ts';

const fileBytes = 4096;
/** By one process that waits for nothing: a round is one whole call. */
const rounds = { staging: 120, stream: 400 };
const atOnce = 6;

/** Ends with the one that has started it. */
const forever = (place: string, round: string) => `
use POSIX;
chdir("${place}") or die;
my $parent = getppid();
for (my $n = 0; getppid() == $parent; $n++) {
  ${round}
  select(undef, undef, undef, rand(0.004));
}`;

/** Gives one name to one thing after the other; each `way` makes it under the name \`new\`. */
const exchanging = (place: string, ways: readonly string[]) =>
  forever(
    place,
    `rmdir("new"); unlink("new");
  (${ways.map((way) => `sub { ${way} }`).join(', ')})[$n % ${ways.length}]->();
  if (!rename("new", "target")) { rename("target", "old"); rename("new", "target"); rmdir("old"); unlink("old"); }`,
  );

/** A directory that now is itself, now a link to another. */
const cheating = (place: string, other: string) =>
  forever(
    place,
    `if ($n % 2) { unlink("target"); rename("aside", "target") }
  else { rename("target", "aside"); symlink("${other}", "target") }`,
  );

describe('exchanged while it is copied', { concurrency: true, ...onStand }, () => {
  for (const route of routes)
    describe(route, { concurrency: false }, () => {
      let on: Transferring;
      before(async () => {
        on = await startTransferring({
          env: { TRANSFER_ROUTE: route, TRANSFER_TIMEOUT: '3', ALLOWED_PATHS: '/srv/share' },
        });
        await on.inside('mkdir -p /srv/share /srv/private; echo private >/srv/private/file');
      });
      after(() => on.close());

      /** The container's own process, ended with the channel that it hangs on. */
      const swapping = async <T>(script: string, work: () => Promise<T>): Promise<T> => {
        on.node.world.write('/root/swapper', script);
        const child = on.node.world.spawn([
          '/bin/sh',
          '-c',
          'lxc-attach -n 100 -- /usr/bin/perl -e "$(cat /root/swapper)"',
        ]);
        let said = '';
        child.stderr.on('data', (chunk) => {
          said += chunk;
        });
        try {
          return await work();
        } finally {
          assert.equal(child.exitCode, null, `the swapper ended: ${said}`);
          await on.onHost("pkill -KILL -f '[p]erl -e'; true");
        }
      };
      const inTurn = async (count: number, one: (round: number) => Promise<void>) => {
        let next = 0;
        const worker = async () => {
          while (next < count) await one(next++);
        };
        await Promise.all(Array.from({ length: atOnce }, worker));
      };

      test(`a source, ${rounds[route]} times: one of its regular contents or an error, and no more staged than announced`, async (t) => {
        const contents = [1, 2].map((mark) => `${mark}`.repeat(fileBytes));
        for (const [index, content] of contents.entries())
          await on.inside(`printf %s '${content}' >/srv/share/regular${index}`);
        const script = exchanging('/srv/share', [
          'symlink("regular0", "new")',
          'symlink("/dev/zero", "new")',
          'link("regular0", "new")',
          'symlink("/proc/1/environ", "new")',
          'symlink("regular1", "new")',
          'symlink("/etc/shadow", "new")',
          'symlink("regular0", "new")',
          'POSIX::mkfifo("new", 0600)',
          'link("regular1", "new")',
          'mkdir("new")',
          'link("regular0", "new")',
          'symlink("/srv/private/file", "new")',
        ]);
        const codes: Record<string, number> = {};
        let mostStaged = 0;
        const watch = setInterval(() => {
          const places = readdirSync(on.node.world.path('/var/tmp'));
          const sizes = places.map(
            (name) =>
              statSync(on.node.world.path(`/var/tmp/${name}/file`), { throwIfNoEntry: false })?.size ?? 0,
          );
          mostStaged = Math.max(mostStaged, ...sizes);
        }, 2);
        await swapping(script, () =>
          inTurn(rounds[route], async () => {
            const result = await on.download({ container_path: '/srv/share/target' });
            const data = result.structuredContent as { content?: string } | undefined;
            const [text = ''] = (result.content as { text?: string }[]).map((block) => block.text ?? '');
            const code = result.isError === true ? JSON.parse(text).code : 'ok';
            codes[code] = (codes[code] ?? 0) + 1;
            if (code === 'ok')
              assert.ok(contents.includes(data?.content ?? ''), data?.content?.slice(0, 200));
            assert.ok(!/private|root:|INTERNAL/.test(text), text.slice(0, 500));
          }),
        ).finally(() => clearInterval(watch));
        t.diagnostic(JSON.stringify({ ...codes, mostStaged }));
        assert.ok((codes.ok ?? 0) > 0);
        assert.ok((codes.ok ?? 0) < rounds[route]);
        assert.ok(mostStaged <= fileBytes + 1024, `${mostStaged}`);
        await on.clean();
      });

      test(`the directory of a destination, ${rounds[route]} times: nothing lands where it was not allowed`, async (t) => {
        await on.inside('rm -rf /srv/share/* /srv/private/*; mkdir /srv/share/target');
        const script = cheating('/srv/share', '/srv/private');
        const codes: Record<string, number> = {};
        const sums = new Map<string, string>();
        await swapping(script, () =>
          inTurn(rounds[route], async (round) => {
            const content = randomBytes(60);
            const path = `/srv/share/target/file${round}`;
            const { status, code = 'ok' } = await put(await on.putUrl(path), slices(content), content.length);
            codes[code] = (codes[code] ?? 0) + 1;
            if (status === 201) sums.set(`file${round}`, sha256(content));
            assert.notEqual(code, 'INTERNAL');
          }),
        );
        t.diagnostic(JSON.stringify(codes));
        assert.ok(sums.size > 0 && sums.size < rounds[route]);
        assert.equal(await on.inside('ls -A /srv/private'), '');
        await on.inside('cd /srv/share; if [ -d aside ]; then rm -f target; mv aside target; fi');
        const arrived = await on.inside("cd /srv/share/target; sha256sum file* | sed 's/  / /'");
        const found = arrived.split('\n').map((line) => line.split(' ').toReversed());
        assert.deepEqual(Object.fromEntries(found), Object.fromEntries(sums));
        await on.clean();
      });
    });
});
