/** An error that nobody foresaw: the real process, with code of its own that throws once it runs. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../../gateway/harness.ts';
import { spawnGateway } from '../../gateway/process.ts';
import { onStand } from '../harness.ts';
import { settingsOver, startFaultProxy } from '../stand/fault-proxy.ts';
import { startSshd } from '../stand/sshd.ts';

describe('an error that nobody foresaw', { concurrency: true, ...onStand }, () => {
  for (const [what, code] of [
    ['an exception', 'setTimeout(() => { throw new Error("unforeseen"); }, 2000)'],
    ['a rejection', 'setTimeout(() => Promise.reject(new Error("unforeseen")), 2000)'],
    [
      'an event',
      'setTimeout(() => new (require("node:events"))().emit("error", new Error("unforeseen")), 2000)',
    ],
  ] as const) {
    test(`${what} is logged, with where it came from, and ends the process with 1`, async (t) => {
      const sshd = await startSshd();
      t.after(() => sshd.close());
      const link = await startFaultProxy(sshd);
      t.after(() => link.close());
      const stateDir = await mkdtemp(join(tmpdir(), 'unforeseen-'));
      t.after(() => rm(stateDir, { recursive: true }));
      const script = `import { createRequire } from 'node:module'; const require = createRequire('/'); ${code}`;
      const gateway = spawnGateway('serve', {
        ...settingsOver(link, sshd, stateDir),
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}`,
      });
      t.after(() => gateway.stop('SIGKILL'));
      await gateway.url();
      assert.equal(await eventually(() => gateway.child.exitCode ?? undefined, 10_000), 1);
      const last = gateway.stderr().trim().split('\n').at(-1) ?? '';
      const { level, error } = JSON.parse(last) as { level: string; error: string };
      assert.equal(level, 'error');
      assert.match(error, /unforeseen[\s\S]* at /);
    });
  }
});
