/** What the processes of a running container are allowed, and what can be seen of the secrets. */
import assert from 'node:assert/strict';
import { docker } from './docker.ts';
import type { Product } from './product.ts';
import type { Check } from './report.ts';
import type { Stack } from './stack.ts';

export async function proveInside(check: Check, product: Product): Promise<void> {
  const { stack } = product;
  await check('it is not root, has no capability and can get none', () =>
    isolation(stack, 'gateway', 'dist/main.js'),
  );
  await check('it can write its state and nothing of its image', async () => {
    assert.equal((await stack.inside('gateway', 'echo >/state/x && rm /state/x && echo >/tmp/x')).code, 0);
    const mounts = (await stack.inside('gateway', 'cat /proc/1/mounts')).stdout;
    assert.match(mounts, /^\S+ \/tmp tmpfs \S*nosuid/m);
  });
  await check('the session key and the audit log are for their owner only', async () => {
    const { stdout } = await stack.inside(
      'gateway',
      'stat -c "%a %u %n" /state /state/session.key /state/audit.jsonl',
    );
    assert.equal(stdout, '700 1000 /state\n600 1000 /state/session.key\n600 1000 /state/audit.jsonl\n');
  });
  await check('no secret is in the environment, arguments, log or record', async () => {
    const everything = 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /state/*';
    const { stdout } = await stack.inside('gateway', everything);
    assert.match(stdout, /MCP_AUTH_TOKEN_FILE=\/run\/secrets\/mcp_auth_token/);
    hides(product, stdout);
    hides(product, await stack.log('gateway'));
  });
  await check('docker inspect and docker compose config show no secret', async () => {
    hides(product, await docker('container', 'inspect', `${stack.project}-gateway-1`));
    hides(product, await stack.compose(['config']));
    hides(product, await docker('image', 'inspect', product.image));
    hides(product, await docker('history', '--no-trunc', product.image));
  });
}

/** Looks at the first process and at the one whose arguments hold `program`. */
export async function isolation(stack: Stack, service: string, program: string): Promise<void> {
  const name = program.split('/').at(-1);
  const line = `for p in /proc/1 $(grep -lz '${name}$' /proc/[0-9]*/cmdline | sed 's,/cmdline,,'); do cat $p/status; done`;
  const { stdout } = await stack.inside(service, line);
  const values = (field: string) =>
    [...stdout.matchAll(new RegExp(`^${field}:\\s+(.*)$`, 'gm'))].map(([, v]) => v);
  assert.ok(
    values('Pid').some((pid) => pid !== '1'),
    `${program} was not found`,
  );
  for (const uids of values('Uid')) assert.equal(uids, '1000\t1000\t1000\t1000');
  for (const gids of values('Gid')) assert.equal(gids, '1000\t1000\t1000\t1000');
  for (const field of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
    for (const capabilities of values(field)) assert.match(capabilities ?? '', /^0+$/, field);
  for (const field of ['NoNewPrivs', 'Seccomp'])
    for (const value of values(field)) assert.notEqual(value, '0', field);
  // Root, so that no permission of the file system stands in the way.
  for (const folder of ['/', '/app', '/usr/bin', '/etc', '/root']) {
    const { code, stderr } = await stack.inside(service, `echo >${folder}/x`, { asRoot: true });
    assert.notEqual(code, 0);
    assert.match(stderr, /Read-only file system/, folder);
  }
}

function hides({ secrets }: Product, text: string): void {
  assert.notEqual(text, '');
  for (const secret of secrets) assert.ok(!text.includes(secret), 'a secret is shown');
}
