import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../../src/base/errors.ts';
import { lxcAttachDriver, pctDriver } from '../../../src/ops/driver.ts';
import { parseSurvey, surveyScript } from '../../../src/ops/survey.ts';
import { transcript, withoutTranscripts } from './golden.ts';

const parts = (...each: string[]) => each.join('\n\u0001\n');
const members = '{\n"nodename": "pve1",\n"version": 0\n}\n';
const vmlist = (ids: Record<string, { node: string; type: string }>) => JSON.stringify({ version: 1, ids });
const conf = (node: string, vmid: number, ...lines: string[]) =>
  lines.map((line) => `/etc/pve/nodes/${node}/lxc/${vmid}.conf:${line}`).join('\n');

const nobody = () => new Set<number>();
const only =
  (...ids: number[]) =>
  () =>
    new Set(ids);

function guestOf(output: string, vmid: number, running: (states: string) => ReadonlySet<number> = nobody) {
  return parseSurvey(output, running).guests.get(vmid);
}

/** As the pattern of the script picks them from a configuration file. */
function picked(path: string, text: string): string {
  const lines = text.split('\n').filter((line) => /^(\[|hostname:|lock:|template:|tags:)/.test(line));
  return lines.map((line) => `${path}:${line}`).join('\n');
}

test('a real node: its containers, its virtual machine and a guest of another node', {
  skip: withoutTranscripts,
}, () => {
  const confs = [
    picked('/etc/pve/nodes/pve1/lxc/100.conf', transcript('cat-conf-100')),
    picked('/etc/pve/nodes/pve1/lxc/110.conf', transcript('conf-with-snapshots')),
  ].join('\n');
  const states = transcript('pct-list');
  const output = parts(transcript('cat-vmlist'), transcript('cat-members'), confs, states);
  const { here, guests } = parseSurvey(output, pctDriver.running);
  assert.equal(here, 'pve1');
  assert.deepEqual([...guests.keys()].sort(), [100, 101, 110, 112, 113, 200, 300]);
  assert.deepEqual(guests.get(100), {
    vmid: 100,
    kind: 'container',
    node: 'pve1',
    name: 'web1',
    status: 'running',
    lock: undefined,
    template: false,
    tags: ['prod', 'web'],
  });
  assert.deepEqual([guests.get(110)?.status, guests.get(110)?.name], ['stopped', 'snap1']);
  assert.deepEqual([guests.get(200)?.status, guests.get(200)?.node], ['unknown', 'pve2']);
  assert.deepEqual([guests.get(300)?.status, guests.get(300)?.kind], ['unknown', 'vm']);
});

test('the keys of a snapshot are not the container’s', () => {
  const confs = conf(
    'pve1',
    100,
    'hostname: now',
    '[pve:pending]',
    'hostname: later',
    '[s1]',
    'lock: snapshot',
    'template: 1',
  );
  const guest = guestOf(parts(vmlist({ 100: { node: 'pve1', type: 'lxc' } }), members, confs, ''), 100);
  assert.deepEqual([guest?.name, guest?.lock, guest?.template], ['now', undefined, false]);
});

test('a section in one file does not close the next', () => {
  const confs = [
    conf('pve1', 100, '[s1]', 'hostname: old'),
    conf('pve1', 101, 'hostname: two', 'lock: backup'),
  ].join('\n');
  const ids = vmlist({ 100: { node: 'pve1', type: 'lxc' }, 101: { node: 'pve1', type: 'lxc' } });
  const { guests } = parseSurvey(parts(ids, members, confs, ''), nobody);
  assert.equal(guests.get(100)?.name, undefined);
  assert.deepEqual([guests.get(101)?.name, guests.get(101)?.lock], ['two', 'backup']);
});

test('lock, template and tags are read, however the tags are parted', () => {
  const confs = conf('pve1', 100, 'hostname: a:b', 'lock: backup', 'template: 1', 'tags: a;b,c d;');
  const guest = guestOf(parts(vmlist({ 100: { node: 'pve1', type: 'lxc' } }), members, confs, ''), 100);
  assert.deepEqual(
    [guest?.name, guest?.lock, guest?.template, guest?.tags],
    ['a:b', 'backup', true, ['a', 'b', 'c', 'd']],
  );
});

test('only containers of this node are known to run or to be stopped', () => {
  const ids = vmlist({
    100: { node: 'pve1', type: 'lxc' },
    101: { node: 'pve1', type: 'lxc' },
    200: { node: 'pve2', type: 'lxc' },
    300: { node: 'pve1', type: 'qemu' },
  });
  const { guests } = parseSurvey(parts(ids, members, '', 'x'), only(100, 200, 300));
  assert.deepEqual(
    [...guests.values()].map(({ vmid, status }) => [vmid, status]),
    [
      [100, 'running'],
      [101, 'stopped'],
      [200, 'unknown'],
      [300, 'unknown'],
    ],
  );
});

test('a cluster without guests is empty', () => {
  for (const none of ['{"version": 1, "ids": {}}', '{"version": 1}'])
    assert.equal(parseSurvey(parts(none, members, '', ''), nobody).guests.size, 0);
});

const answers: [what: string, output: string][] = [
  ['nothing', ''],
  ['an error text', 'cat: /etc/pve/.vmlist: Permission denied'],
  ['half a file', parts('{"ids": {"100": {"node": "pv', members, '', '')],
  ['no member list', parts('{"ids": {}}', '', '', '')],
  ['no name of the node', parts('{"ids": {}}', '{"version": 0}', '', '')],
  ['a guest without a node', parts('{"ids": {"100": {"type": "lxc"}}}', members, '', '')],
  ['a guest that is no object', parts('{"ids": {"100": 7}}', members, '', '')],
  ['an id that is no number', parts(vmlist({ abc: { node: 'pve1', type: 'lxc' } }), members, '', '')],
  ['ids that are text', parts('{"ids": "none"}', members, '', '')],
];
for (const [what, output] of answers) {
  test(`${what} is an answer that is not understood`, () => {
    assert.throws(
      () => parseSurvey(output, nobody),
      (error) => error instanceof GatewayError && error.code === 'UNEXPECTED_ANSWER',
    );
  });
}

test('what runs is read from the sockets of the containers’ monitors', () => {
  const states =
    '@/var/lib/lxc/100/command\n@/var/lib/lxc/999999999/command\n@/var/lib/lxc/x/command\n/var/lib/lxc/101/command\n';
  assert.deepEqual([...lxcAttachDriver.running(states)], [100, 999_999_999]);
});

test('what runs is read from pct list, in which a lock may stand before the name', () => {
  const states =
    'VMID       Status     Lock         Name\n100        running                 web1\n101        stopped    backup       db\n102        running    snapshot     running\n';
  assert.deepEqual([...pctDriver.running(states)], [100, 102]);
});

test('both drivers hand the arguments on untouched, and nothing of the host’s environment', () => {
  const argv = ['/bin/sh', '-c', 'a b', '--', '-x'];
  assert.deepEqual(lxcAttachDriver.attach(100, argv), [
    'lxc-attach',
    '-n',
    '100',
    '--clear-env',
    '--',
    ...argv,
  ]);
  const pct = pctDriver.attach(100, argv);
  assert.deepEqual(pct.slice(-argv.length - 1), ['--', ...argv]);
  assert.match(pct.join(' '), /pct exec 100 --keep-env 0 --/);
});

test('the script says by its exit that this is no Proxmox VE host', () => {
  assert.match(surveyScript('true'), /cat \/etc\/pve\/\.vmlist \|\| exit 9/);
  assert.match(surveyScript('echo states'), /; echo states; exit 0$/);
});
