/** The metrics, as Prometheus beside the gateway would scrape them. */
import assert from 'node:assert/strict';
import { run } from './docker.ts';
import type { Product } from './product.ts';
import type { Check } from './report.ts';

export const prometheusImage = 'prom/prometheus';

export async function proveMetrics(check: Check, product: Product): Promise<void> {
  const { stack, secrets } = product;
  const caller = await product.connect('2026-07-28');
  assert.equal(((await caller.exec('true')).structuredContent as { success: boolean }).success, true);
  await caller.close();
  const scrape = `node -e "fetch('http://gateway:9464/metrics').then((a) => a.text()).then((t) => process.stdout.write(t))"`;
  const { stdout: text } = await stack.inside('pve', scrape);
  await check('the network of the stack reaches them, and they tell of calls', async () => {
    assert.match(
      text,
      /^proxmox_mcp_tool_calls_total\{tool="proxmox_container_exec_command",.*outcome="ok"\} [1-9]/m,
    );
    assert.match(text, /^proxmox_mcp_ssh_connections [1-9]/m);
    for (const secret of secrets) assert.ok(!text.includes(secret));
  });
  await check('promtool finds nothing to object to', async () => {
    const argv = [
      'docker',
      'run',
      '--rm',
      '--interactive',
      '--entrypoint',
      'promtool',
      prometheusImage,
      'check',
      'metrics',
    ];
    const { code, stdout, stderr } = await run(argv, { stdin: text });
    assert.equal(`${stdout}${stderr}`, '');
    assert.equal(code, 0);
    const bad = await run(argv, { stdin: '# TYPE x counter\nx 1\n' });
    assert.notEqual(bad.code, 0, 'it objects where there is a reason');
  });
}
