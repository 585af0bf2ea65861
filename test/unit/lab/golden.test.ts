import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { mount } from '../../../lab/files/mount.ts';
import { type Lab, type LabGuestSpec, startLab } from '../../../lab/lab.ts';
import { connect, type LabClient } from './client.ts';

interface GoldenCase {
  readonly id: string;
  readonly command: string;
  readonly stdin?: string;
  readonly tty?: boolean;
  readonly stdout: string | null;
  readonly stdout_b64?: string;
  readonly stderr: string;
  readonly rc: number;
  readonly after?: GoldenCase;
}

const golden = JSON.parse(
  readFileSync(new URL('../../../../shared/pve/golden/cli.json', import.meta.url), 'utf8'),
) as GoldenCase[];

const base = { arch: 'amd64', cores: '1', ostype: 'debian', unprivileged: '1' };
const small = { ...base, memory: '300', swap: '0' };
const net = (hwaddr: string) =>
  `name=eth0,bridge=vmbr0,gw=10.99.0.1,hwaddr=${hwaddr},ip=10.99.0.100/24,type=veth`;

/** The setting of the transcripts. */
const guests: readonly LabGuestSpec[] = [
  {
    ...{ vmid: 100, name: 'web1', status: 'running', tags: 'prod;web', description: 'hello\nline2 100%' },
    config: {
      ...small,
      net0: net('BC:24:11:8B:B5:6B'),
      rootfs: 'local:100/subvol-100-disk-0.subvol,size=0T',
    },
  },
  {
    ...{ vmid: 101, name: 'db1', tags: 'prod;web' },
    config: {
      ...small,
      net0: net('BC:24:11:69:47:13'),
      rootfs: 'local:101/subvol-101-disk-0.subvol,size=0T',
    },
  },
  {
    ...{ vmid: 110, name: 'snap1', tags: 'lab;test', description: 'line one\nüml & 100%' },
    config: {
      ...base,
      memory: '128',
      swap: '64',
      net0: undefined,
      rootfs: 'btr:110/subvol-110-disk-0.subvol,size=0T',
    },
  },
  { vmid: 112, name: 'raw' },
  {
    ...{ vmid: 113, name: 'tmpl1', template: true },
    config: {
      ...base,
      cores: undefined,
      memory: '128',
      net0: undefined,
      rootfs: 'btr:113/subvol-113-disk-0.subvol,size=0T',
    },
  },
  { vmid: 300, name: 'vm1', kind: 'vm', status: 'running' },
  { vmid: 200, name: 'far1', node: 'pve2' },
];

/** Cases that change nothing, in any order. */
const reading = `
  pct-list pct-list-extra-arg pct-unknown-verb pct-unknown-verb-rc pct-no-verb-rc pct-ambiguous-prefix
  pct-ambiguous-prefix-rc pct-unique-prefix pct-status-100 pct-status-101 pct-status-113 pct-status-999 pct-status-200
  pct-status-300 pct-status-abc pct-status-0 pct-status-99 pct-status--1 pct-status-1000000000 pct-status-0100
  pct-status-_100_id_ pct-status-__ pct-status-__100_ pct-status-1e2 pct-status-missing pct-status-bad-option
  pct-status-verbose-999 pct-config-100 pct-config-110 pct-config-113 pct-config-999 pct-config-200 pct-config-abc
  pct-config-snap-missing pct-listsnapshot-none pct-listsnapshot-999 cat-conf-100 cat-conf-nodes-110 cat-conf-999
  cat-members ls-etc-pve ls-etc-pve-nodes hostname id locale-env nonroot-pct-list nonroot-vmlist
  exec-true exec-false exec-exit-7 exec-exit-2 exec-exit-255 exec-exit-256 exec-kill-9 exec-kill-15 exec-notfound
  exec-notexecutable exec-directory exec-no-dashdash exec-no-dashdash-opt exec-no-command exec-no-command-dd
  exec-empty-command exec-split-streams exec-no-newline exec-args-quoting exec-stdin-cat exec-stdin-wc exec-stdin-empty
  exec-stdin-script exec-stdin-script-args exec-stdin-unicode exec-unicode-utf8 exec-unicode-c exec-unicode-invalid
  exec-binary-out exec-env-default exec-env-all-keep0 exec-env-names-default exec-env-keep1 exec-env-keep-bad
  exec-env-keep0-path exec-cwd-id exec-cwd-exists exec-cwd-missing exec-hostname-opt-after-dd exec-tty-check
  exec-inner-timeout exec-host-timeout exec-marker exec-background exec-stopped exec-unknown exec-other-node exec-vm
  exec-bad-vmid exec-template exec-newline-arg exec-long-arg exec-arg-too-long exec-stdin-large-md5 exec-out-large
  enter-stopped enter-pipe attach-true attach-exit-7 attach-kill-9 attach-notfound attach-notexecutable attach-clear-env
  attach-keep-env attach-unicode-c attach-stdin attach-split attach-set-var attach-stopped attach-unknown
  attach-other-node attach-vm attach-cwd-id attach-cwd-exists attach-cwd-missing lxc-info-100 lxc-info-100-s
  lxc-info-100-sH lxc-info-100-iH lxc-info-101 lxc-info-999 lxc-ls-active qm-status-unknown qm-status-ct qm-status-bad
  qm-config-unknown qm-start-running qm-start-unknown
`;

/** Cases in the order of the transcripts: each finds what those before it left. */
const copying = `
  push-ok push-overwrite-keeps-mode push-perms push-perms-nolead0 push-perms-bad push-user-name push-user-unknown
  push-empty push-src-missing push-src-dir push-dest-dir-missing push-dest-is-dir push-dest-relative
  push-dest-readonly push-unicode push-dash-path push-dd-relative-dash push-stdin push-stopped push-unknown
  push-other-node push-missing-arg push-symlink pull-ok pull-perms pull-missing pull-missing-existing pull-dir
  pull-dest-dir pull-dest-missing pull-stdout pull-stopped pull-unknown pull-symlink-escape
`;
/** What the transcripts' setting says of the container before these cases. */
const preparations: Readonly<Record<string, string>> = {
  'push-overwrite-keeps-mode': 'chmod 600 /tmp/small.txt; chown 1:1 /tmp/small.txt',
  'push-symlink': 'ln -s /etc/x-ln /tmp/ln',
  'pull-symlink-escape': 'ln -s ../../../../etc/hostname /tmp/esc',
};
const power = `
  start-101 start-running start-unknown start-other-node start-template start-bad-vmid shutdown-101 shutdown-stopped
  stop-stopped stop-unknown reboot-stopped reboot-unknown
`;
const lockedStopped =
  'lock-list lock-status lock-config lock-start lock-stop lock-exec-stopped unlock-ok unlock-none unlock-unknown';
const lockedRunning = `
  lock-list-long lock-running-exec lock-running-push lock-running-shutdown lock-running-stop lock-running-start
`;

function casesOf(ids: string): GoldenCase[] {
  return ids
    .trim()
    .split(/\s+/)
    .map((id) => {
      const found = golden.find((known) => known.id === id);
      assert.ok(found, id);
      return found;
    });
}

/** Process ids differ from run to run. */
function masked(text: string): string {
  return text.replaceAll(/PID: +\d+/g, 'PID: …');
}

function expected({ stdout, stdout_b64: encoded, stderr, rc }: GoldenCase) {
  const bytes = stdout === null ? Buffer.from(encoded ?? '', 'base64') : Buffer.from(stdout);
  return { stdout: masked(bytes.toString('latin1')), stderr: masked(stderr), rc };
}

describe('the lab answers as a real node does', () => {
  let lab: Lab;
  let client: LabClient;
  before(async () => {
    lab = await startLab({ guests });
    client = await connect(lab);
    const prepared = await client.run(
      [
        'mkdir -p /root/g/dir; cd /root/g; printf "hello golden\\n" >small.txt; : >empty; printf "üml\\n" >ü.txt',
        "printf '#!/bin/sh\\necho ran\\n' >run.sh",
      ].join('\n'),
    );
    assert.equal(prepared.stderr.toString(), '');
  });
  after(async () => {
    client.close();
    await lab.close();
  });

  const check = async (golden: GoldenCase) => {
    const { stdout, stderr, code } = await client.run(golden.command, golden.stdin);
    assert.deepEqual(
      { stdout: masked(stdout.toString('latin1')), stderr: masked(stderr.toString()), rc: code },
      expected(golden),
    );
    const { after: afterwards } = golden;
    if (afterwards === undefined) return;
    const left = await client.run(afterwards.command);
    assert.deepEqual(
      { stdout: left.stdout.toString('latin1'), stderr: left.stderr.toString(), rc: left.code },
      expected(afterwards),
    );
  };

  for (const found of casesOf(reading)) test(found.id, () => check(found));
  for (const found of casesOf(copying))
    test(found.id, async () => {
      const preparation = preparations[found.id];
      if (preparation !== undefined) await client.run(`pct exec 100 -- sh -c '${preparation}'`);
      await check(found);
    });
  for (const found of casesOf(power)) test(found.id, () => check(found));

  test('a push into a full disk', async () => {
    const files = lab.node.guest(100)?.machine?.files;
    assert.ok(files);
    mount(files, { path: '/tmp/tiny', freeBytes: 64 * 1024 });
    await client.run('head -c 8388608 /dev/zero >/root/g/8m.bin');
    for (const found of casesOf('push-enospc')) await check(found);
  });
  test('a pull from a FIFO', async () => {
    await client.run('pct exec 100 -- mkfifo /tmp/ff');
    const [found] = casesOf('pull-fifo');
    assert.ok(found);
    const short = { ...found, command: found.command.replace('KILL 5', 'KILL 0.3') };
    const { stdout, stderr, code } = await client.run(short.command);
    // The process id differs from run to run.
    const heard = { stdout: stdout.toString(), stderr: stderr.toString().replace(/ \d+ /, ' … '), rc: code };
    const stated = {
      ...expected(found),
      stderr: found.stderr.replace('KILL 5', 'KILL 0.3').replace(/ \d+ /, ' … '),
    };
    assert.deepEqual(heard, stated);
  });
  test('a configuration that another holds', async () => {
    const release = lab.node.locks.take(101);
    assert.ok(release);
    lab.node.pace.lockMs = 100;
    for (const found of casesOf('flock-busy flock-busy-status')) await check(found);
    release();
  });

  test('a lock on a stopped container', async (context) => {
    lab.node.guest(101)?.config.set('lock', 'backup');
    for (const found of casesOf(lockedStopped)) await context.test(found.id, () => check(found));
  });
  test('a lock on a running container', async (context) => {
    const guest = lab.node.guest(101);
    assert.ok(guest);
    lab.node.boot(guest);
    guest.config.set('lock', 'snapshot-delete');
    for (const found of casesOf(lockedRunning)) await context.test(found.id, () => check(found));
    guest.config.set('lock', 'backup');
    for (const found of casesOf('lock-running-reboot')) await context.test(found.id, () => check(found));
    guest.config.delete('lock');
  });
  test('a container stopped under a command', async (context) => {
    const guest = lab.node.guest(101);
    assert.ok(guest);
    lab.node.boot(guest);
    for (const found of casesOf('exec-stopped-during')) await context.test(found.id, () => check(found));
  });
});
