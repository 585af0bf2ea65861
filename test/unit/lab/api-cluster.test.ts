/** Two nodes of one cluster: what both know, what each does alone, and a guest that goes from one to the other. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import ssh2 from 'ssh2';
import { type Lab, type LabMember, startLab } from '../../../lab/lab.ts';
import { connect, type LabClient } from './client.ts';
import { ask, carryOut, get } from './rest-client.ts';

let lab: Lab;
let first: LabClient;
let second: LabClient;

function member(name: string): LabMember {
  const found = lab.nodes.get(name);
  assert.ok(found);
  return found;
}

before(async () => {
  lab = await startLab({
    nodes: ['pve1', 'pve2'],
    guests: [
      { vmid: 100, name: 'web1', status: 'running' },
      { vmid: 200, name: 'far', node: 'pve2', status: 'running' },
      {
        vmid: 300,
        name: 'vm1',
        kind: 'vm',
        status: 'running',
        config: { scsi0: 'nas:300/vm-300-disk-0.qcow2,size=8G' },
      },
    ],
  });
  lab.api.control.taskMs = 0;
  first = await connect(lab);
  second = await connect(lab, { port: member('pve2').sshPort });
});

after(async () => {
  first.close();
  second.close();
  await lab.close();
});

async function run(client: LabClient, command: string): Promise<string> {
  const { stdout, stderr } = await client.run(command);
  return `${stdout}${stderr}`;
}

describe('each node', () => {
  test('is a machine of its own', async () => {
    assert.equal(await run(first, 'hostname'), 'pve1\n');
    assert.equal(await run(second, 'hostname'), 'pve2\n');
    await run(first, 'echo here > /srv/only');
    assert.match(await run(second, 'cat /srv/only'), /No such file/);
    assert.notEqual(member('pve2').hostKeyFingerprint, lab.hostKeyFingerprint);
    assert.notEqual(member('pve2').apiFingerprint, lab.apiFingerprint);
  });

  test('knows the cluster', async () => {
    const members = JSON.parse(await run(second, 'cat /etc/pve/.members'));
    assert.deepEqual([members.nodename, members.cluster.nodes, members.cluster.quorate], ['pve2', 2, 1]);
    assert.deepEqual(members.nodelist, {
      pve1: { id: 1, online: 1, ip: '127.0.0.1' },
      pve2: { id: 2, online: 1, ip: '127.0.0.1' },
    });
    const { ids } = JSON.parse(await run(first, 'cat /etc/pve/.vmlist'));
    assert.equal(ids['200'].node, 'pve2');
  });

  test("shows every node's true host key", async () => {
    for (const name of ['pve1', 'pve2']) {
      const line = await run(first, `cat /etc/pve/nodes/${name}/ssh_known_hosts`);
      const [host, type, key = ''] = line.trim().split(' ');
      assert.deepEqual([host, type], [name, 'ssh-ed25519']);
      assert.equal(await hostKeyOf(member(name)), key);
    }
  });

  test('has pct see its own containers alone', async () => {
    assert.match(await run(second, 'pct list'), /^200 /m);
    assert.doesNotMatch(await run(first, 'pct list'), /^200 /m);
    assert.equal(
      await run(first, 'pct exec 200 -- true'),
      "Configuration file 'nodes/pve1/lxc/200.conf' does not exist\n",
    );
    assert.equal(await run(second, 'lxc-attach -n 200 -- hostname'), 'far\n');
  });

  test('answers for the other over REST', async () => {
    const { status } = await get<{ status: string }>(lab, '/nodes/pve2/lxc/200/status/current');
    assert.equal(status, 'running');
    const missing = await ask(lab, 'GET', '/nodes/pve1/lxc/200/status/current');
    assert.equal(missing.reason, "Configuration file 'nodes/pve1/lxc/200.conf' does not exist");
    const cluster = await get<{ type: string; name: string; local?: number }[]>(lab, '/cluster/status');
    assert.deepEqual(
      cluster.map(({ type, name, local }) => [type, name, local]),
      [
        ['cluster', 'lab', undefined],
        ['node', 'pve1', 1],
        ['node', 'pve2', 0],
      ],
    );
    const own = { ...lab, ...member('pve2') };
    const seen = await get<{ name: string; local?: number }[]>(own, '/cluster/status');
    assert.equal(seen.find(({ name }) => name === 'pve2')?.local, 1);
  });
});

/** In base64, as the node shows it in the handshake. */
async function hostKeyOf({ sshPort }: LabMember): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const client = new ssh2.Client();
  client.on('error', () => {});
  client.connect({
    ...{ host: '127.0.0.1', port: sshPort, username: 'root', password: 'none' },
    hostVerifier(key: Buffer) {
      resolve(key.toString('base64'));
      return false;
    },
  });
  return await promise;
}

describe('a guest that goes to another node', () => {
  test('takes its files along, and runs there', async () => {
    await run(first, "lxc-attach -n 100 -- sh -c 'echo kept > /srv/kept'");
    lab.move(100, 'pve2');
    assert.match(await run(first, 'pct status 100'), /does not exist/);
    assert.equal(await run(second, 'lxc-attach -n 100 -- cat /srv/kept'), 'kept\n');
    lab.move(100, 'pve1');
    assert.equal(await run(first, 'lxc-attach -n 100 -- cat /srv/kept'), 'kept\n');
  });

  test('as a container stops for it', async () => {
    const path = '/nodes/pve1/lxc/100/migrate';
    const refused = await ask(lab, 'POST', path, { target: 'pve2' });
    assert.equal(refused.reason, "can't migrate running container without --online or --restart");
    const here = await ask(lab, 'POST', path, { target: 'pve1' });
    assert.deepEqual(here.errors, { target: 'target is local node.' });
    const moved = await carryOut(lab, 'POST', path, { target: 'pve2', restart: 1 });
    assert.deepEqual([moved.type, moved.exitStatus], ['vzmigrate', 'OK']);
    assert.equal(await run(second, 'pct status 100'), 'status: running\n');
  });

  test('as a machine goes on running, where its disks allow it', async () => {
    const moved = await carryOut(lab, 'POST', '/nodes/pve1/qemu/300/migrate', { target: 'pve2', online: 1 });
    assert.equal(moved.exitStatus, 'OK', moved.lines.join('\n'));
    assert.equal(await run(second, 'qm status 300'), 'status: running\n');
    await ask(lab, 'PUT', '/nodes/pve2/qemu/300/config', { scsi1: 'local-lvm:4' });
    const back = { target: 'pve1', online: 1 };
    const failed = await carryOut(lab, 'POST', '/nodes/pve2/qemu/300/migrate', back);
    assert.equal(failed.exitStatus, "Problem found while scanning volumes - can't migrate VM - check log");
    const path = '/nodes/pve2/qemu/300/migrate';
    const whole = await carryOut(lab, 'POST', path, { ...back, 'with-local-disks': 1 });
    assert.equal(whole.exitStatus, 'OK');
  });
});
