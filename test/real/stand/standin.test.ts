/** The stand-ins for pct, lxc-attach and their kin, held against transcripts of a real node. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { realStand } from './available.ts';
import { connect, type Session } from './client.ts';
import { createReplay, goldenAbsence, type Replay } from './golden.ts';
import type { Guest } from './guests.ts';
import { type StandNode, startNode } from './node.ts';

const skip = realStand.available ? goldenAbsence : realStand.reason;
const net0 = (hwaddr: string) =>
  `name=eth0,bridge=vmbr0,gw=10.99.0.1,hwaddr=${hwaddr},ip=10.99.0.100/24,type=veth`;

const db1: Guest = {
  kind: 'container',
  vmid: 101,
  name: 'db1',
  tags: 'prod;web',
  conf: { net0: net0('BC:24:11:69:47:13') },
};
const goldenGuests: readonly Guest[] = [
  {
    kind: 'container',
    vmid: 100,
    name: 'web1',
    running: true,
    tags: 'prod;web',
    description: 'hello\nline2 100%',
    conf: { net0: net0('BC:24:11:8B:B5:6B') },
  },
  db1,
  { kind: 'container', vmid: 110, name: 'snap1' },
  { kind: 'container', vmid: 112, name: 'raw' },
  { kind: 'container', vmid: 113, name: 'tmpl1', template: true },
  { kind: 'container', vmid: 200, name: 'far1', node: 'pve2' },
  { kind: 'vm', vmid: 300, name: 'vm1', running: true },
];

describe('stand-ins against a real node', { skip }, () => {
  let node: StandNode;
  let session: Session;
  let replay: Replay;
  before(async () => {
    node = await startNode({ guests: goldenGuests });
    session = await connect(node.sshd);
    replay = createReplay(session);
    const files = {
      'small.txt': 'hello golden\n',
      'run.sh': '#!/bin/sh\necho hey\n',
      empty: '',
      'ü.txt': 'üml\n',
    };
    for (const [name, content] of Object.entries(files)) node.world.write(`/root/g/${name}`, content);
    node.world.write('/root/g/8m.bin', Buffer.alloc(8 * 1024 * 1024));
    node.world.write('/root/g/dir/.keep', '');
  });
  after(async () => {
    session?.end();
    await node?.close();
  });

  test('the node and its cluster files', async () => {
    await replay(['hostname', 'id', 'locale-env', 'cat-members', 'cat-conf-100', 'cat-conf-999']);
    await replay(['nonroot-vmlist', 'nonroot-pct-list', 'nonroot-lxc-attach']);
    const { stdout } = await session.exec('cat /etc/pve/.vmlist');
    assert.deepEqual(JSON.parse(stdout.toString()).ids['200'], { node: 'pve2', type: 'lxc', version: 6 });
  });

  test('list, status and config', async () => {
    await replay(['pct-list', 'pct-list-extra-arg', 'pct-unknown-verb', 'pct-unknown-verb-rc']);
    await replay(['pct-no-verb-rc', 'pct-ambiguous-prefix', 'pct-ambiguous-prefix-rc', 'pct-unique-prefix']);
    const bad = ['0', '99', '-1', '1000000000', '0100', '_100_id_', '__', '__100_', '1e2', 'missing', 'abc'];
    await replay(['100', '101', '113', '999', '200', '300', ...bad].map((id) => `pct-status-${id}`));
    await replay(['pct-status-verbose-101', 'pct-status-verbose-999', 'pct-status-bad-option']);
    await replay(['pct-config-100', 'pct-config-999', 'pct-config-200', 'pct-config-abc']);
    await replay(['pct-config-snap-missing', 'pct-pending-100', 'pct-pending-999']);
    await replay(['qm-status-unknown', 'qm-status-ct', 'qm-status-bad']);
    await replay(['lxc-info-100-sH', 'lxc-info-101', 'lxc-info-999']);
  });

  test('exec: status, streams, arguments, stdin', async () => {
    const status = [
      'true',
      'false',
      'exit-7',
      'exit-2',
      'exit-255',
      'exit-256',
      'kill-9',
      'kill-15',
      'marker',
    ];
    const start = ['notfound', 'notexecutable', 'directory', 'no-command', 'no-command-dd', 'empty-command'];
    const streams = ['split-streams', 'no-newline', 'binary-out', 'tty-check', 'out-large', 'background'];
    const args = ['no-dashdash', 'no-dashdash-opt', 'args-quoting', 'hostname-opt-after-dd', 'newline-arg'];
    const long = ['long-arg', 'arg-too-long', 'unicode-utf8', 'unicode-c', 'unicode-invalid'];
    const stdin = ['cat', 'wc', 'empty', 'script', 'script-args', 'unicode', 'large-md5'];
    const absent = ['stopped', 'unknown', 'other-node', 'vm', 'bad-vmid', 'template'];
    await replay([...status, ...start, ...streams, ...args, ...long, ...absent].map((id) => `exec-${id}`));
    await replay(stdin.map((id) => `exec-stdin-${id}`));
    await replay(['exec-host-timeout', 'exec-inner-timeout', 'enter-stopped', 'enter-pipe']);
  });

  test('exec: environment and directory', async () => {
    const env = ['default', 'all-keep0', 'names-default', 'keep1', 'keep-bad', 'keep0-path'];
    await replay(env.map((id) => `exec-env-${id}`));
    await replay(['exec-cwd-id', 'exec-cwd-exists', 'exec-cwd-missing']);
  });

  test('lxc-attach', async () => {
    const run = [
      'true',
      'exit-7',
      'kill-9',
      'notfound',
      'notexecutable',
      'clear-env',
      'keep-env',
      'unicode-c',
    ];
    const more = ['stdin', 'split', 'set-var', 'stopped', 'unknown', 'other-node', 'vm', 'cwd-id'];
    await replay([...run, ...more, 'cwd-missing', 'cwd-exists'].map((id) => `attach-${id}`));
  });

  test('push', async () => {
    await replay(['push-ok']);
    await session.exec('lxc-attach -n 100 -- sh -c "chmod 600 /tmp/small.txt; chown 1:1 /tmp/small.txt"');
    const kept = ['overwrite-keeps-mode', 'perms', 'perms-nolead0', 'perms-bad', 'user-name', 'user-unknown'];
    const silent = ['empty', 'src-missing', 'src-dir', 'dest-dir-missing', 'dest-is-dir', 'dest-relative'];
    await replay([...kept, ...silent, 'dest-readonly', 'unicode', 'unicode-c'].map((id) => `push-${id}`));
    await session.exec(
      'lxc-attach -n 100 -- sh -c "mkdir /tmp/tiny; mount -t tmpfs -o size=64k none /tmp/tiny"',
    );
    await session.exec('lxc-attach -n 100 -- ln -s /etc/x-ln /tmp/ln');
    const more = ['dash-path', 'dd-relative-dash', 'enospc', 'stdin', 'symlink'];
    await replay([...more, 'stopped', 'unknown', 'other-node', 'missing-arg'].map((id) => `push-${id}`));
  });

  test('pull', async () => {
    await session.exec('lxc-attach -n 100 -- ln -s ../../../../etc/hostname /tmp/esc');
    await session.exec('lxc-attach -n 100 -- touch /tmp/ü.txt');
    const there = ['ok', 'perms', 'missing', 'missing-existing', 'dir', 'dest-dir', 'dest-missing', 'stdout'];
    await replay([...there, 'stopped', 'unknown', 'symlink-escape'].map((id) => `pull-${id}`));
    await replay(['pull-unicode'], { withoutAfter: true });
  });

  test('push and pull that wait, and copy less than there is', async () => {
    node.turn('copy-wait-ms', 150);
    node.turn('copy-max-bytes', 70_000);
    const before = performance.now();
    const pushed = await session.exec('pct push 100 /root/g/8m.bin /tmp/cut');
    const pulled = await session.exec('pct pull 100 /usr/bin/perl /root/g/cut');
    const took = performance.now() - before;
    node.turn('copy-wait-ms');
    node.turn('copy-max-bytes');
    assert.deepEqual([pushed.code, pulled.code], [0, 0]);
    assert.ok(took >= 300, `${took} ms`);
    const sizes = await session.exec('stat -c %s /root/g/cut; lxc-attach -n 100 -- stat -c %s /tmp/cut');
    assert.equal(sizes.stdout.toString(), '70000\n70000\n');
  });

  test('start, stop, shutdown, reboot', async () => {
    await replay(['start-101', 'start-running', 'start-unknown', 'start-other-node', 'start-template']);
    await replay(['exec-stopped-during', 'lxc-info-101-after-start']);
    await replay(['start-bad-vmid', 'start-101', 'shutdown-101', 'shutdown-stopped', 'stop-stopped']);
    await replay(['stop-unknown', 'reboot-stopped', 'reboot-unknown', 'start-101', 'reboot-running']);
    await replay(['stop-running', 'start-101']);
    node.turn('shutdown-ms', 1_500);
    await replay(['shutdown-timeout']);
    node.turn('shutdown-ms');
  });

  test('locks', async () => {
    node.describe({ ...db1, lock: 'backup' });
    await replay([
      'lock-list',
      'lock-status',
      'lock-status-verbose',
      'lock-config',
      'lock-start',
      'lock-stop',
    ]);
    await replay(['lock-exec-stopped', 'unlock-ok', 'unlock-none', 'unlock-unknown', 'start-101']);
    node.describe({ ...db1, lock: 'snapshot-delete' });
    const running = ['exec', 'push', 'shutdown', 'stop', 'start'];
    await replay(['lock-list-long', ...running.map((id) => `lock-running-${id}`)]);
    node.describe({ ...db1, lock: 'backup' });
    await replay(['lock-running-reboot']);
  });
});
