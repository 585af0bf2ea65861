import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConfigError, type Environment, load } from '../../../src/config/load.ts';

const folder = mkdtempSync(join(tmpdir(), 'ways-test-'));
after(() => rmSync(folder, { recursive: true }));

const keyFile = join(folder, 'key');
writeFileSync(keyFile, 'not looked at yet');
const secret = '01234567-89ab-cdef-0123-456789abcdef';
const secretFile = join(folder, 'secret');
writeFileSync(secretFile, `${secret}\n`);

const base = { I_ACCEPT_RISKS: 'true', MCP_AUTH_TOKEN: 'alice:0123456789' };
const token = { PROXMOX_TOKEN_ID: 'root@pam!mcp', PROXMOX_TOKEN_SECRET: secret };

const configOf = (env: Environment) => load({ env: { ...base, ...env }, command: 'serve' }).config;

function faultsOf(env: Environment): Map<string, string> {
  try {
    configOf(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return new Map(error.faults.map(({ setting, problem }) => [setting, problem]));
  }
  return assert.fail('the settings were accepted');
}

test('SSH alone, the API alone, and both', () => {
  const ssh = configOf({ HOST: 'pve.lan', SSH_KEY: keyFile });
  assert.deepEqual([ssh.ssh, ssh.api], [true, undefined]);
  const api = configOf({ HOST: 'pve.lan', ...token });
  assert.deepEqual([api.ssh, api.api?.tokenId], [false, 'root@pam!mcp']);
  const both = configOf({ HOST: 'pve.lan', SSH_KEY: keyFile, ...token });
  assert.deepEqual([both.ssh, both.api?.tokenId], [true, 'root@pam!mcp']);
});

test('each way can be switched off', () => {
  const all = { HOST: 'pve.lan', SSH_KEY: keyFile, ...token };
  assert.equal(configOf({ ...all, ENABLE_SSH: 'false' }).ssh, false);
  assert.equal(configOf({ ...all, ENABLE_PROXMOX_API: 'false' }).api, undefined);
  assert.match(
    faultsOf({ ...all, ENABLE_SSH: 'false', ENABLE_PROXMOX_API: 'false' }).get('SSH_KEY') ?? '',
    /PROXMOX_TOKEN_ID/,
  );
});

for (const [env, tokenId] of [
  [{ PROXMOX_TOKEN_ID: 'mcp@pve!gate', PROXMOX_TOKEN_SECRET: secret }, 'mcp@pve!gate'],
  [{ PROXMOX_USER: 'mcp@pve', PROXMOX_TOKEN_NAME: 'gate', PROXMOX_TOKEN_VALUE: secret }, 'mcp@pve!gate'],
  [{ PROXMOX_TOKEN_NAME: 'gate', PROXMOX_TOKEN_VALUE: secret }, 'root@pam!gate'],
  [{ PROXMOX_TOKEN_NAME: 'mcp@pve!gate', PROXMOX_TOKEN_VALUE: secret }, 'mcp@pve!gate'],
  [{ PROXMOX_TOKEN_ID: 'mcp@pve!gate', PROXMOX_TOKEN_SECRET_FILE: secretFile }, 'mcp@pve!gate'],
  [{ PROXMOX_TOKEN_ID: 'mcp@pve!gate', PROXMOX_TOKEN_VALUE_FILE: secretFile }, 'mcp@pve!gate'],
] as const)
  test(`a token given as ${Object.keys(env).join(', ')}`, () => {
    const { api } = configOf({ PROXMOX_HOST: 'pve.lan', ...env });
    assert.deepEqual([api?.tokenId, api?.secret], [tokenId, secret]);
    assert.equal(
      api?.secretFile,
      Object.values(env).find((value) => value === secretFile),
    );
  });

test('the file of a secret and its value together are ambiguous, whatever their names', () => {
  const env = { HOST: 'pve.lan', ...token, PROXMOX_TOKEN_VALUE_FILE: secretFile };
  assert.match(faultsOf(env).get('PROXMOX_TOKEN_SECRET') ?? '', /ambiguous.*PROXMOX_TOKEN_VALUE_FILE/);
});

test('where the API is, is said by PROXMOX_HOST, or else by HOST, and the other way round', () => {
  const endpoints = (env: Environment) => configOf({ ...token, ...env }).api?.endpoints;
  assert.deepEqual(endpoints({ HOST: 'pve.lan' }), [{ host: 'pve.lan', port: 8006 }]);
  assert.deepEqual(
    endpoints({ PROXMOX_HOST: 'a.lan, b.lan:443 [fd00::1]:9 fd00::2', PROXMOX_PORT: '8007' }),
    [
      { host: 'a.lan', port: 8007 },
      { host: 'b.lan', port: 443 },
      { host: 'fd00::1', port: 9 },
      { host: 'fd00::2', port: 8007 },
    ],
  );
  assert.equal(configOf({ PROXMOX_HOST: 'a.lan:8006', SSH_KEY: keyFile }).HOST, 'a.lan');
  assert.equal(configOf({ PROXMOX_HOST: 'a.lan', HOST: 'b.lan', SSH_KEY: keyFile }).HOST, 'b.lan');
  assert.deepEqual(endpoints({ ENABLE_LOCAL_EXECUTION: 'true' }), [{ host: 'localhost', port: 8006 }]);
});

for (const host of ['https://pve.lan:8006', 'pve.lan/', 'pve.lan:0', 'pve.lan:65536', '[pve]', 'a b/c', '-x'])
  test(`PROXMOX_HOST refuses ${host}`, () => {
    const faults = faultsOf({ ...token, PROXMOX_HOST: host });
    assert.deepEqual([...faults.keys()], ['PROXMOX_HOST']);
    assert.match(faults.get('PROXMOX_HOST') ?? '', /host:port/);
  });

for (const [what, env, setting, words] of [
  ['an id without a secret', { PROXMOX_TOKEN_ID: 'root@pam!mcp' }, 'PROXMOX_TOKEN_SECRET', /_FILE/],
  ['a secret without an id', { PROXMOX_TOKEN_SECRET: secret }, 'PROXMOX_TOKEN_ID', /user@realm!name/],
  ['an id without a name', { ...token, PROXMOX_TOKEN_ID: 'root@pam' }, 'PROXMOX_TOKEN_ID', /root@pam!mcp/],
  [
    'a name that fits no user',
    { PROXMOX_USER: 'root', PROXMOX_TOKEN_NAME: 'mcp', PROXMOX_TOKEN_VALUE: secret },
    'PROXMOX_TOKEN_NAME',
    /root@pam/,
  ],
  ['two names of tokens', { ...token, PROXMOX_TOKEN_NAME: 'other' }, 'PROXMOX_TOKEN_NAME', /keep one/],
  [
    'a header in place of a secret',
    { ...token, PROXMOX_TOKEN_SECRET: `root@pam!mcp=${secret}` },
    'PROXMOX_TOKEN_SECRET',
    /UUID/,
  ],
] as const)
  test(`${what} is told with its fix, and no secret`, () => {
    const faults = faultsOf({ HOST: 'pve.lan', SSH_KEY: keyFile, ...env });
    assert.deepEqual([...faults.keys()], [setting]);
    assert.match(faults.get(setting) ?? '', words);
    assert.doesNotMatch([...faults.values()].join(), /01234567-89ab/);
  });

test('certificates that are not checked are warned of, unless they are pinned', () => {
  const warnings = (env: Environment) =>
    load({ env: { ...base, HOST: 'pve.lan', ...token, ...env }, command: 'serve' }).warnings.join();
  assert.match(warnings({ PROXMOX_VERIFY_SSL: 'false' }), /PROXMOX_TLS_FINGERPRINT or PROXMOX_CA_FILE/);
  const pin = Array.from({ length: 32 }, () => 'AB').join(':');
  assert.equal(warnings({ PROXMOX_VERIFY_SSL: 'false', PROXMOX_TLS_FINGERPRINT: pin }), '');
  assert.equal(warnings({}), '');
  assert.ok(
    faultsOf({ HOST: 'pve.lan', ...token, PROXMOX_TLS_FINGERPRINT: 'SHA256:abc' }).has(
      'PROXMOX_TLS_FINGERPRINT',
    ),
  );
});

test('a fingerprint is taken in every form in which it is shown', () => {
  const pairs = Array.from({ length: 32 }, () => 'aB');
  const forms = [
    pairs.join(':'),
    pairs.join(''),
    `SHA256 Fingerprint=${pairs.join(':')}`,
    `sha256 Fingerprint=${pairs.join(':')}\n`,
  ];
  for (const form of forms) {
    const { PROXMOX_TLS_FINGERPRINT: pins } = configOf({
      HOST: 'a',
      ...token,
      PROXMOX_TLS_FINGERPRINT: form,
    });
    assert.deepEqual(
      pins.map((pin) => pin.replaceAll(':', '')),
      [pairs.join('')],
    );
  }
});

test('other nodes are reached where SSH_NODES says', () => {
  const { SSH_NODES } = configOf({
    HOST: 'a',
    SSH_KEY: keyFile,
    SSH_NODES: 'pve2=10.0.0.2, pve3=[fd00::3]:2222',
  });
  assert.deepEqual(
    [...SSH_NODES],
    [
      ['pve2', { host: '10.0.0.2', port: undefined }],
      ['pve3', { host: 'fd00::3', port: 2222 }],
    ],
  );
  for (const value of ['pve2', '=10.0.0.2', 'pve 2=x', '../x=10.0.0.2', 'pve2=a:b:c:22', 'pve2='])
    assert.ok(faultsOf({ HOST: 'a', SSH_KEY: keyFile, SSH_NODES: value }).has('SSH_NODES'), value);
});
