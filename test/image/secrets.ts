/** Secrets that are missing, closed, empty or no files, and those that may be left out. */
import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../gateway/harness.ts';
import type { Ran } from './docker.ts';
import { nodePassword, type Product, writeSecret } from './product.ts';
import type { Check } from './report.ts';

const files = { token: 'mcp_auth_token.txt', key: 'id_rsa' };
const configurationFault = 78;

/** A folder of secrets that are all in order, for a check to spoil. */
async function goodSecrets({ folder, token, privateKey }: Product, name: string): Promise<string> {
  const secrets = join(folder, 'spoiled', name);
  await writeSecret(join(secrets, files.token), `alice:${token}\n`);
  await writeSecret(join(secrets, files.key), privateKey);
  return secrets;
}

/** The gateway once, in the foreground, as compose would start it. */
async function start({ stack }: Product, env: Record<string, string>): Promise<Ran> {
  const ran = await stack.tryCompose(['run', '--rm', '--no-deps', '-T', 'gateway'], {
    env,
    timeoutMs: 30_000,
  });
  return ran;
}

export async function proveSecrets(check: Check, product: Product): Promise<void> {
  await check('a missing file: docker refuses, names it, and makes nothing in its place', async () => {
    for (const missing of Object.values(files)) {
      const secrets = await goodSecrets(product, `without-${missing}`);
      await rm(join(secrets, missing));
      const { code, stderr } = await start(product, { SECRETS_DIR: secrets });
      assert.notEqual(code, 0);
      assert.ok(stderr.includes(`does not exist: ${join(secrets, missing)}`), stderr);
      assert.ok(!(await readdir(secrets)).includes(missing));
    }
  });
  const named = {
    token: /^ {2}MCP_AUTH_TOKEN .*\/run\/secrets\/mcp_auth_token/m,
    key: /^ {2}SSH_KEY .*\/run\/secrets\/ssh_key/m,
  };
  for (const which of ['token', 'key'] as const) {
    const fault = async (name: string, spoil: (path: string) => Promise<void>, fix: RegExp) => {
      const secrets = await goodSecrets(product, `${name}-${which}`);
      await rm(join(secrets, files[which]));
      await spoil(join(secrets, files[which]));
      const { code, stderr } = await start(product, { SECRETS_DIR: secrets });
      assert.equal(code, configurationFault, stderr);
      assert.match(stderr, named[which]);
      assert.match(stderr, fix);
      assert.equal(stderr.match(/^ {2}[A-Z_]+ /gm)?.length, 1, `only one is at fault:\n${stderr}`);
    };
    await check(`a ${which} that only root may read is named, with the place and the fix`, () =>
      fault('closed', closed, /permission denied for uid 1000.*chown 1000/),
    );
    await check(`an empty ${which} is named, with the place and the fix`, () =>
      fault('empty', (path) => writeSecret(path, '\n'), /empty: .*: (make a token with|set SSH_KEY to)/),
    );
    await check(`a folder in place of the ${which} is named, with the place and the fix`, () =>
      fault('folder', (path) => mkdir(path).then(() => {}), /it is a directory.*put the file/),
    );
  }
  await check('without a pin the log shows the line to add, as the README has it', async () => {
    // Over stack.local.env: an empty value counts as unset.
    const argv = ['run', '--rm', '--no-deps', '-T', '-e', 'SSH_HOST_KEY=', 'gateway'];
    const { code, stderr } = await product.stack.tryCompose(argv);
    assert.equal(code, configurationFault, stderr);
    assert.ok(stderr.includes(`SSH_HOST_KEY=${product.fingerprint}\n`), stderr);
  });
  await check('a token that is written into its file is taken up by what runs', () => changesToken(product));
  await proveOptional(check, product);
  await check('a fault that lasts is no storm of restarts', () => restartsSlowly(product));
}

async function changesToken(product: Product): Promise<void> {
  const { folder, token } = product;
  const other = 'bob-has-a-token-of-his-own-0123456789';
  const file = join(folder, 'secrets', files.token);
  const status = async (bearer: string) => {
    const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' };
    const url = new URL('/mcp', await product.address());
    return (await fetch(url, { method: 'POST', headers, body: '{}' })).status;
  };
  const becomes = (bearer: string, wanted: boolean) =>
    eventually(async () => ((await status(bearer)) !== 401) === wanted || undefined, 10_000);
  assert.equal(await status(other), 401);
  await writeFile(file, `bob:${other}\n`);
  try {
    await becomes(other, true);
    await becomes(token, false);
  } finally {
    await writeFile(file, `alice:${token}\n`);
  }
  await becomes(token, true);
}

async function closed(path: string): Promise<void> {
  await writeFile(path, 'closed');
  await chown(path, 0, 0);
  await chmod(path, 0o600);
}

async function proveOptional(check: Check, product: Product): Promise<void> {
  const secrets = await goodSecrets(product, 'optional');
  await check('empty optional files count as not set', async () => {
    for (const name of ['passphrase', 'password']) await writeSecret(join(secrets, name), '');
    await serves(product, {
      SECRETS_DIR: secrets,
      SSH_KEY_PASSPHRASE_SECRET: join(secrets, 'passphrase'),
      SSH_PASSWORD_SECRET: join(secrets, 'password'),
    });
  });
  await check('a password in place of the key, as the README has it', async () => {
    await writeSecret(join(secrets, 'ssh_password.txt'), `${nodePassword}\n`);
    await serves(product, {
      SSH_KEY_SECRET: '/dev/null',
      SSH_PASSWORD_SECRET: join(secrets, 'ssh_password.txt'),
    });
  });
  await check('a key with a passphrase', async () => {
    const passphrase = 'a phrase: with «signs»';
    const encrypt = `cp /node/key /tmp/k && chmod 600 /tmp/k && ssh-keygen -q -p -P '' -N '${passphrase}' -f /tmp/k >&2 && cat /tmp/k; rm -f /tmp/k`;
    await writeSecret(join(secrets, 'encrypted'), (await product.stack.inside('pve', encrypt)).stdout);
    await writeSecret(join(secrets, 'ssh_key_passphrase.txt'), `${passphrase}\n`);
    const env = { SSH_KEY_SECRET: join(secrets, 'encrypted') };
    const { code, stderr } = await start(product, env);
    assert.equal(code, configurationFault, stderr);
    assert.match(stderr, /^ {2}SSH_KEY .*SSH_KEY_PASSPHRASE_FILE/m);
    await serves(product, { ...env, SSH_KEY_PASSPHRASE_SECRET: join(secrets, 'ssh_key_passphrase.txt') });
  });
}

async function serves(product: Product, env: Record<string, string>): Promise<void> {
  // Compose does not see that the file of a secret is another one.
  await product.up(env, '--force-recreate');
  const caller = await product.connect('2026-07-28');
  const { structuredContent } = await caller.exec('echo in');
  await caller.close();
  assert.equal((structuredContent as { stdout: string }).stdout, 'in\n');
}

/** Docker waits twice as long before each restart, up to a minute. */
async function restartsSlowly(product: Product): Promise<string> {
  const { stack } = product;
  const secrets = await goodSecrets(product, 'storm');
  await writeSecret(join(secrets, files.token), '');
  const sinceMs = performance.now();
  await stack.compose(['up', '--detach', '--force-recreate', 'gateway'], { env: { SECRETS_DIR: secrets } });
  const sixth = async () => ((await stack.container('gateway')).RestartCount >= 6 ? true : undefined);
  await eventually(sixth, 60_000);
  const seconds = (performance.now() - sinceMs) / 1000;
  // Without pauses the same would take three.
  assert.ok(seconds > 6, `six restarts in ${seconds} s`);
  const { State } = await stack.container('gateway');
  assert.equal(State.ExitCode, configurationFault);
  await product.up({}, '--force-recreate');
  return `the sixth came after ${Math.round(seconds)} s, and each pause is twice the last, up to a minute`;
}
