/** Settings about files and their transfer: folders of the gateway and of the host, and what may lie in them. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConfigError, type Environment, load } from '../../../src/config/load.ts';

const folder = mkdtempSync(join(tmpdir(), 'load-files-test-'));
after(() => rmSync(folder, { recursive: true }));

const state = join(folder, 'state');
const transfers = join(folder, 'transfers');
mkdirSync(transfers);

function fileIn(directory: string, name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const least = {
  I_ACCEPT_RISKS: 'true',
  HOST: 'pve.lan',
  SSH_KEY: fileIn(folder, 'key', 'a key'),
  MCP_AUTH_TOKEN: 'alice:0123456789',
  STATE_DIR: state,
  TRANSFER_DIR: transfers,
};

const configOf = (env: Environment) => load({ env: { ...least, ...env }, command: 'serve' }).config;

/** Setting and problem of every fault. */
function faultsOf(env: Environment): string[] {
  try {
    load({ env: { ...least, ...env }, command: 'serve' });
  } catch (error) {
    assert.ok(error instanceof ConfigError, `not a ConfigError: ${error}`);
    return error.faults.map(({ setting, problem }) => `${setting} ${problem}`);
  }
  return assert.fail('the settings were accepted');
}

test('the transfer folder is one of its own in the state folder, or where it was put', () => {
  assert.equal(configOf({ TRANSFER_DIR: '' }).TRANSFER_DIR, join(state, 'transfers'));
  assert.equal(configOf({ TRANSFER_DIR: '/srv/files' }).TRANSFER_DIR, '/srv/files');
  assert.match(faultsOf({ TRANSFER_DIR: 'files' })[0] ?? '', /^TRANSFER_DIR must be an absolute path/);
});

const inside: Readonly<Record<string, Environment>> = {
  STATE_DIR: { STATE_DIR: join(transfers, 'state') },
  AUDIT_FILE: { AUDIT_FILE: join(transfers, 'audit.jsonl') },
  SSH_KEY: { SSH_KEY: fileIn(transfers, 'key', 'a key') },
  SSH_KNOWN_HOSTS: { SSH_KNOWN_HOSTS: fileIn(transfers, 'known_hosts', 'pve.lan ssh-ed25519 AAAA') },
  SSH_PASSWORD_FILE: { SSH_PASSWORD_FILE: fileIn(transfers, 'password', 'secret') },
  SSH_KEY_PASSPHRASE_FILE: { SSH_KEY_PASSPHRASE_FILE: fileIn(transfers, 'passphrase', 'secret') },
  MCP_AUTH_TOKEN_FILE: {
    MCP_AUTH_TOKEN: '',
    MCP_AUTH_TOKEN_FILE: fileIn(transfers, 'tokens', 'alice:0123456789'),
  },
};
for (const [name, env] of Object.entries(inside)) {
  test(`what ${name} names cannot lie in the transfer folder, where callers could read it and replace it`, () => {
    const faults = faultsOf(env);
    assert.ok(
      faults.some((fault) => fault.startsWith(`TRANSFER_DIR holds what ${name} names`)),
      faults.join(),
    );
    for (const fault of faults) assert.match(fault, /choose a folder of its own$/);
  });
}

test('nor can the transfer folder be the state folder, however it is written', () => {
  for (const written of [state, `${state}/`, `${state}/.`, `${state}/x/..`, `/${state}`, folder, '/']) {
    const faults = faultsOf({ TRANSFER_DIR: written });
    assert.ok(
      faults.some((fault) => fault.startsWith('TRANSFER_DIR holds what STATE_DIR names')),
      written,
    );
  }
});

test('a link to what is the gateway’s own is no folder of its own either', () => {
  mkdirSync(state, { recursive: true });
  const link = join(folder, 'link');
  symlinkSync(state, link);
  assert.match(faultsOf({ TRANSFER_DIR: link }).join(), /^TRANSFER_DIR holds what STATE_DIR names/);
});

test('a folder whose name only begins alike is no part of it', () => {
  assert.equal(configOf({ STATE_DIR: `${transfers}-state` }).STATE_DIR, `${transfers}-state`);
  assert.equal(configOf({ TRANSFER_DIR: `${state}/transfers` }).TRANSFER_DIR, `${state}/transfers`);
});

test('the staging folder is a plain absolute path, for it stands in shell lines of the host', () => {
  for (const [path, parsed] of [
    ['/var/tmp', '/var/tmp'],
    ['/srv//a_b-c.d/', '/srv/a_b-c.d'],
    ['/mnt/pve/big0', '/mnt/pve/big0'],
    ['/device/x', '/device/x'],
  ] as const)
    assert.equal(configOf({ STAGING_DIR: path }).STAGING_DIR, parsed);
  const plain = [
    'tmp',
    './tmp',
    '~/tmp',
    '-rf',
    '/a b',
    '/a;id',
    '/$(id)',
    "/a'b",
    '/ä',
    '/a*',
    '/a\\b',
    '/a\n',
  ];
  for (const path of [...plain, '/', '//', '/a/../b', '/..', '/proc', '/proc/x', '/sys/', '/dev/shm'])
    assert.match(faultsOf({ STAGING_DIR: path }).join(), /^STAGING_DIR must be an absolute path/, path);
});

test('numbers of transfers have bounds, and nothing switches a bound off', () => {
  for (const [name, low, high] of [
    ['MAX_FILE_SIZE', '1', '1099511627776'],
    ['INLINE_MAX_BYTES', '1', '2097152'],
    ['TRANSFER_TIMEOUT', '1', '86400'],
    ['TRANSFER_URL_TTL', '1', '86400'],
    ['MAX_TRANSFERS', '1', '16'],
  ] as const) {
    assert.equal(configOf({ [name]: low })[name], Number(low));
    assert.equal(configOf({ [name]: high })[name], Number(high));
    for (const value of ['0', '-1', String(Number(high) + 1), '1e3', '10MiB', 'Infinity'])
      assert.match(
        faultsOf({ [name]: value }).join(),
        new RegExp(`^${name} must be a whole number from 1 to`),
      );
  }
});

test('there are two routes, and the usual one is staging', () => {
  assert.equal(configOf({}).TRANSFER_ROUTE, 'staging');
  assert.equal(configOf({ TRANSFER_ROUTE: 'Stream' }).TRANSFER_ROUTE, 'stream');
  assert.match(faultsOf({ TRANSFER_ROUTE: 'pipe' }).join(), /one of staging, stream/);
});

test('rules about paths come together with every other fault', () => {
  const faults = faultsOf({
    ALLOWED_PATHS: 'srv',
    DENIED_PATHS: '/a/../b',
    PUBLIC_URL: 'mcp.lan',
    SSH_PORT: '0',
  });
  assert.deepEqual(
    faults.map((fault) => fault.split(' ')[0]),
    ['SSH_PORT', 'PUBLIC_URL', 'ALLOWED_PATHS', 'DENIED_PATHS'],
  );
});
