import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Config, ConfigError, type Environment, isLoopback, load } from '../../../src/config/load.ts';
import { settings } from '../../../src/config/schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'load-test-'));
after(() => rmSync(folder, { recursive: true }));

function fileWith(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const keyFile = fileWith('key', 'not looked at yet');
/** The least with which the gateway starts. */
const least = {
  I_ACCEPT_RISKS: 'true',
  HOST: 'pve.lan',
  SSH_KEY: keyFile,
  MCP_AUTH_TOKEN: 'alice:0123456789',
} as const;

const configOf = (env: Environment, command: 'serve' | 'stdio' = 'serve'): Config =>
  load({ env: { ...least, ...env }, command }).config;

function faultsOf(env: Environment, command: 'serve' | 'stdio' = 'serve'): Map<string, string> {
  try {
    load({ env, command });
  } catch (error) {
    assert.ok(error instanceof ConfigError, `not a ConfigError: ${error}`);
    for (const { setting, problem } of error.faults)
      assert.ok(error.message.includes(`${setting} ${problem}.`), `«${setting}» is not in the message`);
    return new Map(error.faults.map(({ setting, problem }) => [setting, problem]));
  }
  return assert.fail('the settings were accepted');
}

const faultsWith = (env: Environment) => faultsOf({ ...least, ...env });

test('with the least settings everything else has its default', () => {
  const config = configOf({ HOME: '/home/me' });
  const { SSH_KEY: _, ...rest } = config;
  assert.deepEqual(rest, {
    I_ACCEPT_RISKS: true,
    HOST: 'pve.lan',
    SSH_PORT: 22,
    SSH_USERNAME: 'root',
    SSH_KEY_PASSPHRASE: undefined,
    SSH_PASSWORD: undefined,
    SSH_HOST_KEY: [],
    SSH_KNOWN_HOSTS: undefined,
    SSH_TRUST_ON_FIRST_USE: false,
    SSH_SUDO: false,
    SSH_NODES: new Map(),
    ENABLE_SSH: true,
    ENABLE_LOCAL_EXECUTION: false,
    CONTAINER_DRIVER: 'auto',
    PROXMOX_HOST: [],
    PROXMOX_PORT: 8006,
    PROXMOX_TOKEN_ID: undefined,
    PROXMOX_USER: undefined,
    PROXMOX_TOKEN_NAME: undefined,
    PROXMOX_TOKEN_SECRET: undefined,
    PROXMOX_TLS_FINGERPRINT: [],
    PROXMOX_CA_FILE: undefined,
    PROXMOX_VERIFY_SSL: true,
    ENABLE_PROXMOX_API: true,
    MCP_AUTH_TOKEN: 'alice:0123456789',
    ALLOW_UNAUTHENTICATED: false,
    SERVER_HOST: '127.0.0.1',
    SERVER_PORT: 8000,
    ALLOWED_HOSTS: [],
    ALLOWED_ORIGINS: [],
    TRUSTED_PROXIES: [],
    PUBLIC_URL: undefined,
    METRICS_PORT: 9464,
    METRICS_HOST: '127.0.0.1',
    TOOLSETS: [],
    READ_ONLY: false,
    ENABLE_HOST_EXEC: false,
    ENABLE_DESTRUCTIVE: false,
    REQUIRE_CONFIRMATION: false,
    ALLOWED_VMIDS: [],
    DENIED_VMIDS: [],
    ALLOWED_PATHS: [],
    DENIED_PATHS: [],
    ALLOW_SETUID: false,
    ENABLE_DANGEROUS_COMMANDS: false,
    MAX_FILE_SIZE: 10_485_760,
    INLINE_MAX_BYTES: 1_048_576,
    TRANSFER_ROUTE: 'staging',
    TRANSFER_TIMEOUT: 900,
    TRANSFER_URL_TTL: 900,
    DOWNLOAD_URLS: [],
    MAX_TRANSFERS: 8,
    TRANSFER_DIR: '/home/me/.local/state/proxmox-mcp-gateway/transfers',
    STAGING_DIR: '/var/tmp',
    CHARACTER_LIMIT: 25_000,
    COMMAND_TIMEOUT_MAX: 300,
    STATE_DIR: '/home/me/.local/state/proxmox-mcp-gateway',
    LOG_LEVEL: 'info',
    AUDIT_FILE: '/home/me/.local/state/proxmox-mcp-gateway/audit.jsonl',
    tokenFile: undefined,
    ssh: true,
    api: undefined,
  });
});

test('the configuration cannot be changed afterwards', () => {
  assert.equal(Object.isFrozen(configOf({})), true);
});

const aliases = Object.entries(settings).flatMap(([name, { aliases }]) =>
  aliases.map((alias) => [name, alias]),
);
test('the names that people have already are still known', () => {
  assert.deepEqual(
    aliases.map(([, alias]) => alias),
    ['SSH_HOST', 'SSH_USER', 'SSH_KEY_FILE', 'SSH_KEY_PATH', 'PROXMOX_TOKEN_VALUE', 'PROXMOX_ALLOW_ELEVATED'],
  );
});
for (const [name = '', alias = ''] of aliases) {
  const isFlag = name === 'ENABLE_DESTRUCTIVE';
  const value = name === 'SSH_KEY' ? keyFile : isFlag ? 'true' : 'from-the-alias';
  const other = name === 'SSH_KEY' ? fileWith('other-key', 'x') : isFlag ? 'false' : 'from-elsewhere';
  const token = name === 'PROXMOX_TOKEN_SECRET' ? { PROXMOX_TOKEN_ID: 'alice@pve!mcp' } : {};
  const read = (env: Environment) => String(configOf({ ...token, ...env })[name as keyof Config]);
  test(`${alias} stands for ${name}`, () => {
    assert.equal(read({ [name]: '', [alias]: value }), value);
  });
  test(`${name} and ${alias} may both be set only where they agree`, () => {
    assert.equal(read({ [name]: value, [alias]: value }), value);
    const problem = faultsWith({ [name]: value, [alias]: other }).get(name) ?? '';
    assert.match(problem, new RegExp(`ambiguous: ${name} and ${alias} are both set; keep one`));
  });
}

test('a third name that disagrees with the first two is ambiguous too', () => {
  const env = { SSH_KEY: keyFile, SSH_KEY_FILE: keyFile, SSH_KEY_PATH: fileWith('third-key', 'x') };
  assert.match(faultsWith(env).get('SSH_KEY') ?? '', /ambiguous.*SSH_KEY_PATH/);
});

/** What belongs to the API token counts together, and has tests of its own. */
const secrets = Object.entries(settings).flatMap(([name, { secret }]) =>
  secret && !name.startsWith('PROXMOX_') ? [name] : [],
);
test('every secret can come from a file', () => {
  assert.deepEqual(secrets, ['SSH_KEY_PASSPHRASE', 'SSH_PASSWORD', 'MCP_AUTH_TOKEN']);
});
for (const name of secrets) {
  const value = 'alice:c4n4ry-0123456789';
  test(`${name}_FILE holds the secret, trailing newlines aside`, () => {
    const path = fileWith(name, `${value}\r\n\n`);
    const config = configOf({ [name]: undefined, [`${name}_FILE`]: path });
    assert.equal(config[name as keyof Config], value);
    if (name === 'MCP_AUTH_TOKEN') assert.equal(config.tokenFile, path);
  });
  test(`${name} and ${name}_FILE together are ambiguous, even where they agree`, () => {
    const problem = faultsWith({ [name]: value, [`${name}_FILE`]: fileWith(name, value) }).get(name) ?? '';
    assert.match(problem, new RegExp(`ambiguous: ${name} and ${name}_FILE are both set`));
    assert.doesNotMatch(problem, /c4n4ry/);
  });
  test(`an empty ${name}_FILE and an empty file count as unset`, () => {
    const unset = name === 'MCP_AUTH_TOKEN' ? { ALLOW_UNAUTHENTICATED: 'true' } : {};
    for (const path of ['', fileWith(`${name}-empty`, ''), fileWith(`${name}-newline`, '\n')])
      assert.equal(
        configOf({ ...unset, [name]: '', [`${name}_FILE`]: path })[name as keyof Config],
        undefined,
      );
  });
}

test('an empty secret file beside a value is as if it was not named', () => {
  const empty = fileWith('empty-beside', '\n');
  assert.equal(configOf({ SSH_PASSWORD: 'p', SSH_PASSWORD_FILE: empty }).SSH_PASSWORD, 'p');
});

test('an empty variable counts as unset, whatever the setting', () => {
  const empty = Object.fromEntries(
    Object.keys(settings)
      .filter((name) => !(name in least))
      .map((name) => [name, '']),
  );
  assert.deepEqual(configOf({ HOME: '/h', ...empty }), configOf({ HOME: '/h' }));
});

test('nothing set at all: every fault is told at once, each with its fix', () => {
  const faults = faultsOf({});
  assert.deepEqual([...faults.keys()], ['I_ACCEPT_RISKS', 'HOST', 'SSH_KEY', 'MCP_AUTH_TOKEN']);
  assert.match(faults.get('I_ACCEPT_RISKS') ?? '', /set I_ACCEPT_RISKS=true/);
  assert.match(faults.get('HOST') ?? '', /set HOST to/);
  assert.match(faults.get('SSH_KEY') ?? '', /set SSH_KEY to the path.*SSH_PASSWORD_FILE/);
  assert.match(faults.get('MCP_AUTH_TOKEN') ?? '', /openssl rand -hex 32/);
});

test('faults of form and missing settings come together, and a broken one is not also missing', () => {
  const faults = faultsOf({
    SSH_KEY: join(folder, 'absent'),
    MCP_AUTH_TOKEN: 'short',
    SSH_PORT: '0',
    LOG_LEVEL: 'loud',
    TOOLSETS: 'containers,machines',
    ALLOWED_VMIDS: '1-5',
    SSH_HOST_KEY: 'MD5:aa:bb',
    ALLOWED_HOSTS: 'https://mcp.lan',
    ALLOWED_ORIGINS: 'app.lan',
    TRUSTED_PROXIES: 'proxy.lan',
    STATE_DIR: 'state',
  });
  const named = ['SSH_PORT', 'SSH_KEY', 'SSH_HOST_KEY', 'MCP_AUTH_TOKEN', 'ALLOWED_HOSTS', 'ALLOWED_ORIGINS'];
  const rest = [
    'TRUSTED_PROXIES',
    'TOOLSETS',
    'ALLOWED_VMIDS',
    'STATE_DIR',
    'LOG_LEVEL',
    'I_ACCEPT_RISKS',
    'HOST',
  ];
  assert.deepEqual([...faults.keys()], [...named, ...rest]);
});

test('no secret is in any message', () => {
  const canary = 'c4n4ry';
  const faults = faultsOf({
    MCP_AUTH_TOKEN: `${canary} with blanks`,
    SSH_PASSWORD: `${canary}\0`,
    SSH_KEY_PASSPHRASE: `${canary}\0`,
    SSH_KEY: `-----BEGIN OPENSSH PRIVATE KEY-----\n${canary}`,
  });
  assert.equal(faults.size, 6);
  for (const problem of faults.values()) assert.doesNotMatch(problem, new RegExp(canary));
});

test('a secret file that cannot be read is a fault of its setting', () => {
  const problem = faultsWith({ MCP_AUTH_TOKEN: '', MCP_AUTH_TOKEN_FILE: folder }).get('MCP_AUTH_TOKEN') ?? '';
  assert.match(problem, /it is a directory/);
});

const isRoot = process.getuid?.() === 0;
test('a file without permission says whose and what to do', {
  skip: isRoot && 'root may read every file',
}, () => {
  const path = fileWith('forbidden', 'x');
  chmodSync(path, 0);
  assert.match(
    faultsWith({ SSH_KEY: path }).get('SSH_KEY') ?? '',
    /permission denied for uid \d+.*chmod 0444/,
  );
});

test('stdio needs no token, and local execution neither host nor key', () => {
  assert.equal(configOf({ MCP_AUTH_TOKEN: '' }, 'stdio').MCP_AUTH_TOKEN, undefined);
  const local = { ENABLE_LOCAL_EXECUTION: 'true', HOST: '', SSH_KEY: '' };
  assert.equal(configOf(local).HOST, undefined);
});

test('nobody is let in without a token beyond this machine', () => {
  const open = { MCP_AUTH_TOKEN: '', ALLOW_UNAUTHENTICATED: 'true' };
  assert.equal(configOf(open).ALLOW_UNAUTHENTICATED, true);
  for (const host of ['0.0.0.0', '::', '192.168.1.5', '127.0.0.1.evil.example', '127.evil.example']) {
    assert.match(
      faultsWith({ ...open, SERVER_HOST: host }).get('ALLOW_UNAUTHENTICATED') ?? '',
      /127\.0\.0\.1/,
    );
    assert.equal(isLoopback(host), false, host);
  }
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1'])
    assert.equal(isLoopback(host), true, host);
});

const accepted: [name: string, value: string, items: string[]][] = [
  [
    'SSH_HOST_KEY',
    `SHA256:${'a'.repeat(43)}, SHA256:${'B'.repeat(43)}=`,
    [`SHA256:${'a'.repeat(43)}`, `SHA256:${'B'.repeat(43)}=`],
  ],
  ['ALLOWED_HOSTS', 'mcp.lan, [::1] * a_b', ['mcp.lan', '[::1]', '*', 'a_b']],
  [
    'ALLOWED_ORIGINS',
    'https://app.lan http://localhost:3000/',
    ['https://app.lan', 'http://localhost:3000/'],
  ],
  ['TRUSTED_PROXIES', '10.0.0.0/8 ::1 fd00::/8 192.0.2.1', ['10.0.0.0/8', '::1', 'fd00::/8', '192.0.2.1']],
  ['TOOLSETS', 'host,containers', ['host', 'containers']],
  ['TOOLSETS', 'default vms', ['default', 'vms']],
];
for (const [name, value, items] of accepted) {
  test(`${name} takes ${value}`, () => {
    assert.deepEqual(configOf({ [name]: value })[name as keyof Config], items);
  });
}

const refused: Record<string, readonly string[]> = {
  SSH_HOST_KEY: ['SHA256:abc', `sha256:${'a'.repeat(43)}`, `SHA256:${'a'.repeat(44)}`, 'ssh-ed25519 AAAA'],
  ALLOWED_HOSTS: ['mcp.lan:8000', 'https://mcp.lan', '*.lan', 'a/b', '-x'],
  ALLOWED_ORIGINS: ['https://app.lan/path', 'app.lan', 'null', '*', 'https://app.lan?x'],
  // Express's own parser ends the process over a network of no bits, which would trust everyone anyway.
  TRUSTED_PROXIES: [
    '10.0.0.0/33',
    '10.0.0.0/',
    '::1/129',
    '10.0.0',
    'loopback',
    '1.2.3.4/8/8',
    '0.0.0.0/0',
    '::/0',
  ],
  TOOLSETS: ['everything', 'Containers', 'machines'],
};
for (const [name, values] of Object.entries(refused)) {
  for (const value of values) {
    test(`${name} refuses ${value}`, () => {
      assert.equal(faultsWith({ [name]: value }).has(name), true);
    });
  }
}
