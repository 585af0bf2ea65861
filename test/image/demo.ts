/** `docker compose up --build demo` with nothing configured, as the README has it. */
import assert from 'node:assert/strict';
import { eventually } from '../gateway/harness.ts';
import { isFree } from '../real/stand/ports.ts';
import { connect, eras } from './client.ts';
import { isolation } from './inside.ts';
import type { Check } from './report.ts';
import { createStack } from './stack.ts';

export async function proveDemo(check: Check, folder: string, project: string): Promise<void> {
  // Only where something else has the port of the README: then it needs another one.
  const env: Record<string, string> = (await isFree(8000)) ? {} : { SERVER_PORT: '18000' };
  const stack = createStack({ project, folder, env });
  try {
    await check('comes up healthy with nothing configured', async () => {
      await stack.compose(['up', '--build', '--detach', 'demo']);
      await eventually(
        async () => ((await stack.container('demo')).State.Health?.Status === 'healthy' ? true : undefined),
        30_000,
      );
      const services = await stack.compose(['ps', '--services', '--all']);
      assert.equal(services, 'demo\n', 'it brings nothing else along');
      return env.SERVER_PORT === undefined ? 'port 8000' : `port ${env.SERVER_PORT}, as 8000 is taken here`;
    });
    const address = await stack.published('demo', 8000);
    await check('is published on this machine only', async () => {
      assert.equal(address.hostname, '127.0.0.1');
    });
    const token = await eventually(async () => /Token +([0-9a-f]{48})\b/.exec(await stack.log('demo'))?.[1]);
    await check('tells how to connect a client', async () => {
      const said = await stack.log('demo');
      const line = `claude mcp add --transport http proxmox-demo ${address.origin}/mcp --header "Authorization: Bearer ${token}"`;
      if (env.SERVER_PORT === undefined) assert.ok(said.includes(line), said);
    });
    for (const era of eras)
      await check(`serves a client of ${era} with the token that it printed`, async () => {
        const caller = await connect(era, address, token);
        try {
          const { structuredContent } = await caller.exec('hostname; exit 3');
          assert.deepEqual(structuredContent, { exit_code: 3, stdout: 'web1\n', stderr: '', success: false });
          const vms = await caller.call('proxmox_list_vms');
          assert.match(JSON.stringify(vms.structuredContent), /"vmid":300\b/);
        } finally {
          await caller.close();
        }
      });
    await check('runs as no one in particular, on a root file system that cannot be written', () =>
      isolation(stack, 'demo', '/app/lab/demo.ts'),
    );
    await check('ends when told to, within the time it is given', async () => {
      const sinceMs = performance.now();
      await stack.compose(['--profile', 'demo', 'stop', 'demo']);
      const { State } = await stack.container('demo');
      assert.equal(State.ExitCode, 0);
      assert.ok(performance.now() - sinceMs < 10_000);
    });
  } finally {
    await stack.close();
  }
}
