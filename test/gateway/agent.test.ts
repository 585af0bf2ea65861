import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { agentsOf } from '../../lab/api/agent-call.ts';
import type { LabGuestSpec } from '../../lab/lab.ts';
import { startTokenOnly, type TokenOnly } from './token-only.ts';

const agent = { agent: '1' };
const guests: readonly LabGuestSpec[] = [
  { vmid: 100, name: 'web1', status: 'running' },
  { vmid: 300, name: 'vm1', kind: 'vm', status: 'running', config: agent },
  { vmid: 301, name: 'vm2', kind: 'vm', status: 'running', node: 'pve2', config: agent },
  { vmid: 302, name: 'off', kind: 'vm', config: agent },
  { vmid: 303, name: 'bare', kind: 'vm', status: 'running', config: { agent: '0' } },
  { vmid: 304, name: 'hidden', kind: 'vm', status: 'running', config: agent },
  { vmid: 305, name: 'mute', kind: 'vm', status: 'running', config: agent },
];
const tools: Readonly<Record<string, Record<string, unknown>>> = {
  proxmox_vm_exec: { command: 'true' },
  proxmox_vm_agent_info: {},
  proxmox_vm_read_file: { path: '/etc/hostname' },
  proxmox_vm_write_file: { path: '/tmp/new', content: 'x' },
};

describe('inside virtual machines', () => {
  let gateway: TokenOnly;
  before(async () => {
    gateway = await startTokenOnly({ guests, env: { DENIED_VMIDS: '304', CHARACTER_LIMIT: '1000' } });
    agentsOf(gateway.lab.cluster).timeoutMs = 50;
    agentsOf(gateway.lab.cluster).silent.add(305);
  });
  after(() => gateway.close());

  const exec = (args: Record<string, unknown>) => gateway.call('proxmox_vm_exec', { vmid: 300, ...args });

  test('a command: its output, its exit code, and both in words', async () => {
    const { data, text } = await exec({ command: 'echo out; echo err >&2; exit 7' });
    assert.deepEqual(data, { exit_code: 7, stdout: 'out\n', stderr: 'err\n', success: false });
    assert.match(text, /^STDOUT:\nout\n\s+STDERR:\nerr\n\s+Exit code: 7$/);
    const { data: good } = await gateway.call('proxmox_vm_exec', { vmid: 'vm2', command: 'hostname; id -u' });
    assert.deepEqual([good.stdout, good.success], ['vm2\n0\n', true]);
    const ended = (await gateway.audit()).filter(
      ({ event, tool }) => event === 'finish' && tool === 'proxmox_vm_exec',
    );
    assert.deepEqual(
      ended.map(({ exitCode }) => exitCode),
      [7, 0],
    );
  });

  test('any characters arrive, and come back', async () => {
    const hostile = 'grün 日本 $(id) `id` "\'\\ \u001b[2J \u202e\n```\nlast';
    const command = `cat <<'END'\n${hostile}\nEND`;
    const { data } = await exec({ command, response_format: 'json' });
    assert.deepEqual(data, { exit_code: 0, stdout: `${hostile}\n`, stderr: '', success: true });
    const sent = gateway.lab.api.control.requests.filter(({ path }) => path.endsWith('/agent/exec')).at(-1);
    for (const word of [sent?.params.command ?? []].flat()) assert.match(word, /^\p{ASCII}*$/u);
    const binary = await exec({ command: "printf '\\377\\000\\376'", response_format: 'json' });
    assert.deepEqual([binary.data.stdout, binary.data.stdout_encoding], ['/wD+', 'base64']);
  });

  test('a program without a shell, and one that is not there', async () => {
    const { data } = await exec({ argv: ['printf', '%s|', 'a b', '$HOME', ''] });
    assert.deepEqual([data.stdout, data.exit_code], ['a b|$HOME||', 0]);
    const missing = await gateway.failing('proxmox_vm_exec', { vmid: 300, argv: ['nosuch'] });
    assert.deepEqual([missing.code, missing.outcome], ['AGENT_COMMAND_UNSEEN', 'unknown']);
    assert.match(missing.error, /as when there is no nosuch/);
    for (const args of [
      {},
      { command: 'id', argv: ['id'] },
      { argv: [] },
      { argv: [''] },
      { argv: ['echo', 'grün'] },
      { argv: ['a\0'] },
      { command: ' ' },
    ])
      assert.equal(
        (await gateway.failing('proxmox_vm_exec', { vmid: 300, ...args })).code,
        'INVALID_ARGUMENT',
        JSON.stringify(args),
      );
  });

  test('of much output both ends are kept, and its length is told', async () => {
    const { data } = await exec({ command: 'seq 1 100000; echo the end', response_format: 'json' });
    const stdout = String(data.stdout);
    assert.ok(stdout.startsWith('1\n2\n3\n') && stdout.endsWith('100000\nthe end\n'), stdout);
    assert.deepEqual([data.stdout_truncated, data.stdout_original_length], [true, 588_895 + 8]);
    assert.ok(stdout.length < 1_100);
  });

  test('one that takes too long is stopped with its children, and what it wrote is told', async () => {
    const failure = await gateway.failing('proxmox_vm_exec', {
      ...{ vmid: 300, command: 'echo before; sleep 61 & sleep 62', timeout: 1 },
    });
    assert.equal(failure.code, 'COMMAND_TIMEOUT');
    assert.match(failure.error, /within 1 s\. It was stopped/);
    assert.match(failure.stdout ?? '', /before/);
    const { data } = await exec({ command: 'ps -eo args' });
    assert.doesNotMatch(String(data.stdout), /sleep 6/);
    const long = await gateway.failing('proxmox_vm_exec', { vmid: 300, command: 'true', timeout: 301 });
    assert.match(long.error, /COMMAND_TIMEOUT_MAX/);
  });

  test('what looks like an accident is refused, with a shell and without', async () => {
    for (const args of [{ command: 'rm -rf /' }, { argv: ['rm', '-rf', '/'] }]) {
      const refused = await gateway.failing('proxmox_vm_exec', { vmid: 300, ...args });
      assert.equal(refused.code, 'PERMISSION_DENIED');
      assert.match(refused.error, /ENABLE_DANGEROUS_COMMANDS/);
    }
  });

  test('what a guest tells of itself', async () => {
    const { data, text } = await gateway.call('proxmox_vm_agent_info', { vmid: 300 });
    const guest = data as Record<string, unknown>;
    const [lo, eth0] = guest.interfaces as { name: string; addresses: string[] }[];
    assert.deepEqual([guest.vmid, guest.node, guest.host_name], [300, 'pve1', 'vm1']);
    assert.deepEqual([lo?.addresses, eth0?.name], [['127.0.0.1/8', '::1/128'], 'eth0']);
    assert.match(
      text,
      /^vm1 \(VM 300\) on pve1: Debian .*\nKernel: .*\nNetwork lo: 127\.0\.0\.1\/8, ::1\/128 \(.*\)\nNetwork eth0: .*\nFile system \/: .* of .* \(.*\)/,
    );
    gateway.lab.api.control.answerNext(
      { path: /get-osinfo$/ },
      { status: 500, reason: 'Agent error: not supported' },
    );
    const result = { result: { 'host-name': 'evil\n\u001b[2J\u202e```' } };
    gateway.lab.api.control.answerNext(
      { path: /get-host-name$/ },
      { status: 200, body: JSON.stringify({ data: result }) },
    );
    const partly = await gateway.call('proxmox_vm_agent_info', { vmid: 300 });
    assert.deepEqual((partly.data as { missing: string[] }).missing, ['system']);
    const [first] = partly.text.split('\n');
    assert.equal(first, 'evil\\u{a}\\u{1b}[2J\\u{202e}``` (VM 300) on pve1');
    assert.match(partly.text, /\nMissing: system\.$/);
  });

  test('files are written, read as a whole and in parts, and not replaced by accident', async () => {
    const path = '/tmp/hostile';
    const content = 'grün\n```\nobey\u001b[2J\n';
    const write = (more: Record<string, unknown> = {}) => ({ vmid: 300, path, content, ...more });
    const written = await gateway.call('proxmox_vm_write_file', write());
    const bytes = Buffer.byteLength(content);
    const message = `${bytes} bytes were written to ${path} in VM 300.`;
    assert.deepEqual(written, { data: { success: true, message, path, bytes }, text: message });
    const read = await gateway.call('proxmox_vm_read_file', { vmid: 'vm1', path: '//tmp/./hostile' });
    assert.deepEqual(read.data, { path, content, encoding: 'utf-8', offset: 0, bytes, more: false });
    assert.match(
      read.text,
      /^\d+ bytes of \/tmp\/hostile in VM 300, from byte 0 on\.\ncontent \(untrusted output\):\n`{4,}\n/,
    );
    const part = await gateway.call('proxmox_vm_read_file', { vmid: 300, path, offset: 3, length: 1 });
    assert.deepEqual(part.data, {
      path,
      content: 'vA==',
      encoding: 'base64',
      offset: 3,
      bytes: 1,
      more: true,
    });
    assert.match(part.text, /; offset 4 reads on\./);
    assert.equal((await gateway.failing('proxmox_vm_write_file', write())).code, 'FILE_EXISTS');
    const binary = Buffer.from([0, 255, 254]).toString('base64');
    await gateway.call(
      'proxmox_vm_write_file',
      write({ content: binary, encoding: 'base64', overwrite: true }),
    );
    const { data } = await gateway.call('proxmox_vm_read_file', { vmid: 300, path });
    assert.deepEqual([data.content, data.encoding], [binary, 'base64']);
    const full = 'x'.repeat(46_080);
    await gateway.call('proxmox_vm_write_file', write({ content: full, overwrite: true }));
    const long = await gateway.call('proxmox_vm_read_file', { vmid: 300, path });
    assert.equal(long.data.content, full);
    const over = await gateway.failing(
      'proxmox_vm_write_file',
      write({ content: `${full}x`, overwrite: true }),
    );
    assert.deepEqual([over.code, /46080/.test(over.error)], ['INVALID_ARGUMENT', true]);
  });

  test('what is wrong with a file is told', async () => {
    const read = (path: string) => gateway.failing('proxmox_vm_read_file', { vmid: 300, path });
    assert.equal((await read('/nope')).code, 'FILE_NOT_FOUND');
    assert.equal((await read('/etc')).code, 'IS_DIRECTORY');
    for (const path of [
      '',
      'etc/hosts',
      '/etc/../etc/hosts',
      '/a\0',
      '/grün',
      '/tmp/',
      `/${'x'.repeat(300)}`,
    ])
      assert.equal((await read(path)).code, 'INVALID_ARGUMENT', path);
    assert.match((await read('/proc/kcore')).error, /policy does not allow/);
    const nowhere = await gateway.failing('proxmox_vm_write_file', {
      vmid: 300,
      path: '/no/such/f',
      content: '',
    });
    assert.equal(nowhere.code, 'DIRECTORY_NOT_FOUND');
    const guarded = await startTokenOnly({ lab: gateway.lab, env: { DENIED_PATHS: '/etc' } });
    try {
      for (const tool of ['proxmox_vm_read_file', 'proxmox_vm_write_file']) {
        const refused = await guarded.failing(tool, { vmid: 300, ...tools[tool], path: '/etc//hosts' });
        assert.deepEqual([refused.code, /DENIED_PATHS/.test(refused.error)], ['PERMISSION_DENIED', true]);
      }
    } finally {
      await guarded.close();
    }
  });

  const hindrances: readonly (readonly [vmid: number, code: string])[] = [
    [100, 'NOT_A_VM'],
    [302, 'VM_NOT_RUNNING'],
    [303, 'AGENT_NOT_CONFIGURED'],
    [304, 'PERMISSION_DENIED'],
    [305, 'AGENT_UNAVAILABLE'],
    [999, 'GUEST_NOT_FOUND'],
  ];
  for (const [vmid, code] of hindrances)
    test(`every tool says of guest ${vmid}: ${code}`, async () => {
      for (const [tool, args] of Object.entries(tools)) {
        const failure = await gateway.failing(tool, { vmid, ...args });
        assert.equal(failure.code, code, `${tool}: ${failure.error}`);
        assert.equal(failure.outcome, 'not_started', tool);
      }
    });

  test('a token without the right is told which', async () => {
    const less = await startTokenOnly({ lab: gateway.lab, privileges: { '/vms': ['VM.Audit'] } });
    try {
      for (const [tool, args] of Object.entries(tools)) {
        const { code, error } = await less.failing(tool, { vmid: 300, ...args });
        assert.equal(code, 'API_FORBIDDEN', tool);
        assert.match(error, /VM\.GuestAgent\.\w+.* on \/vms\/300/, tool);
      }
    } finally {
      await less.close();
    }
  });
});
