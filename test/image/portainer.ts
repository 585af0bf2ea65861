/** The compose file alone, in a folder with one stack.env beside it, as Portainer keeps a stack. Portainer is not run. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../gateway/harness.ts';
import { freePort } from '../real/stand/ports.ts';
import { connect } from './client.ts';
import { docker } from './docker.ts';
import type { Product } from './product.ts';
import type { Check } from './report.ts';
import { createStack, type Stack } from './stack.ts';

interface Composed {
  readonly services: {
    readonly gateway: {
      readonly image: string;
      readonly environment: Readonly<Record<string, string>>;
      readonly ports: readonly { host_ip: string; target: number; published: string }[];
    };
  };
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

export async function provePortainer(check: Check, product: Product): Promise<void> {
  const { folder, image, fingerprint } = product;
  const place = join(folder, 'elsewhere', 'stack-7');
  await mkdir(place, { recursive: true });
  await copyFile(join(folder, 'docker-compose.yml'), join(place, 'docker-compose.yml'));
  const secrets = join(folder, 'secrets');
  const port = String(await freePort());
  const variables = {
    IMAGE: image,
    SECRETS_DIR: secrets,
    SERVER_PORT: port,
    HOST: 'pve',
    SSH_HOST_KEY: fingerprint,
  };
  const lines = Object.entries({ ...variables, I_ACCEPT_RISKS: 'true' }).map(
    ([name, value]) => `${name}=${value}`,
  );
  await writeFile(join(place, 'stack.env'), `${lines.join('\n')}\n`);
  const project = `${product.stack.project}-portainer`;
  const options = ['-f', join(place, 'docker-compose.yml'), '--env-file', join(place, 'stack.env')];
  const stack = createStack({ project, folder, options });
  try {
    await check('image, secrets and published port come from stack.env', async () => {
      const { code, stdout, stderr } = await stack.tryCompose(['config', '--format', 'json']);
      assert.equal(code, 0, stderr);
      assert.equal(stderr, '', 'no variable is missing');
      const composed = JSON.parse(stdout) as Composed;
      const { gateway } = composed.services;
      assert.equal(gateway.image, image);
      assert.equal(gateway.environment.HOST, 'pve');
      assert.equal(gateway.environment.SERVER_PORT, '8000');
      const [published] = gateway.ports;
      assert.deepEqual(
        [published?.host_ip, published?.target, published?.published],
        ['127.0.0.1', 8000, port],
      );
      assert.equal(composed.secrets.mcp_auth_token?.file, join(secrets, 'mcp_auth_token.txt'));
      assert.equal(composed.secrets.ssh_key?.file, join(secrets, 'id_rsa'));
      for (const unused of ['ssh_password', 'pve_token_secret'])
        assert.equal(composed.secrets[unused]?.file, '/dev/null');
    });
    await check('such a stack comes up from the image alone and serves', () => serves(stack, product));
  } finally {
    await stack.close();
  }
}

async function serves(stack: Stack, product: Product): Promise<void> {
  await stack.compose(['up', '--detach', '--no-build', 'gateway']);
  await docker('network', 'connect', `${product.stack.project}_default`, `${stack.project}-gateway-1`);
  const address = await stack.published('gateway', 8000);
  const ready = async () =>
    (await fetch(new URL('/readyz', address)).catch(() => undefined))?.ok || undefined;
  await eventually(ready, 20_000);
  const caller = await connect('2026-07-28', address, product.token);
  const { structuredContent } = await caller.exec('hostname');
  await caller.close();
  assert.doesNotMatch(await stack.log('gateway'), /is not a setting/);
  assert.equal((structuredContent as { stdout: string }).stdout, 'web1\n');
}
