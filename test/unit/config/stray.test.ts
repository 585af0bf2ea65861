import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settings } from '../../../src/config/schema.ts';
import { strayNames } from '../../../src/config/stray.ts';

const typos: [name: string, meant: string][] = [
  ['SSH_PASWORD', 'SSH_PASSWORD'],
  ['SSH_PASSWROD', 'SSH_PASSWORD'],
  ['SSH_PASSWORDS', 'SSH_PASSWORD'],
  ['MCP_AUTH_TOKENS', 'MCP_AUTH_TOKEN'],
  ['MCP_AUTH_TOKEN_FLIE', 'MCP_AUTH_TOKEN_FILE'],
  ['READONLY', 'READ_ONLY'],
  ['ALLOWED_VMID', 'ALLOWED_VMIDS'],
  ['TOOLSET', 'TOOLSETS'],
  ['I_ACCEPT_RISK', 'I_ACCEPT_RISKS'],
];
for (const [name, meant] of typos) {
  test(`${name} is taken for a slip of ${meant}`, () => {
    const warnings = strayNames({ [name]: 'x' });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', new RegExp(`^${name} .*did you mean ${meant}\\?$`));
  });
}

test('a name with a prefix of ours that is no setting has no effect, and that is said', () => {
  assert.deepEqual(strayNames({ PROXMOX_FLAVOUR: 'mild' }), [
    'PROXMOX_FLAVOUR is not a setting of this gateway and has no effect.',
  ]);
});

/** Whoever wrote it believes that those guests are safe. */
test('a deny list under a wrong name is not passed over in silence', () => {
  for (const name of ['DENY_VMIDS', 'DENIED_VMS', 'DISALLOWED_VMIDS', 'FORBIDDEN_VMIDS'])
    assert.equal(strayNames({ [name]: '100' }).length, 1, name);
});

test('every setting, alias and secret file is known', () => {
  const env: Record<string, string> = {};
  for (const [name, { aliases, secret }] of Object.entries(settings)) {
    for (const each of [name, ...aliases]) env[each] = 'x';
    if (secret) env[`${name}_FILE`] = 'x';
  }
  assert.deepEqual(strayNames(env), []);
});

test('what ssh, npm, Docker and the shell set is none of our business', () => {
  const foreign = ['PATH', 'HOME', 'USER', 'LANG', 'PWD', 'SHLVL', 'TERM', 'HOSTNAME', 'NODE_VERSION', 'CI'];
  const ssh = ['SSH_AUTH_SOCK', 'SSH_AGENT_PID', 'SSH_CLIENT', 'SSH_CONNECTION', 'SSH_TTY', 'SSH_ASKPASS'];
  const npm = ['npm_config_cache', 'npm_lifecycle_event', 'INIT_CWD', 'DOCKER_HOST', 'INVOCATION_ID'];
  const systemd = ['STATE_DIRECTORY', 'LOGS_DIRECTORY', 'JOURNAL_STREAM', 'CREDENTIALS_DIRECTORY'];
  const env = Object.fromEntries([...foreign, ...ssh, ...npm, ...systemd].map((name) => [name, 'x']));
  assert.deepEqual(strayNames(env), []);
});

test('an empty variable is not worth a word', () => {
  assert.deepEqual(strayNames({ SSH_PASWORD: '' }), []);
});

test('values are never shown', () => {
  assert.doesNotMatch(strayNames({ SSH_PASWORD: 'hunter2', MCP_SECRET: 'hunter2' }).join(), /hunter2/);
});

test('at most 20 names are told', () => {
  const env = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`PROXMOX_X${index}`, 'x']));
  assert.equal(strayNames(env).length, 20);
});
