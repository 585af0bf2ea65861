/** Guests over the lab's REST API, which are the same as those that pct and qm know. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { connect, type LabClient } from './client.ts';
import { ask, carryOut, get, loginWith } from './rest-client.ts';

type Config = Readonly<Record<string, string | number>>;

let lab: Lab;
let client: LabClient;

before(async () => {
  lab = await startLab({
    guests: [
      { vmid: 100, name: 'web1', status: 'running' },
      { vmid: 101, name: 'db1', lock: 'backup' },
      { vmid: 102, name: 'slow', status: 'running', shutdownMs: 60_000 },
      {
        vmid: 300,
        name: 'vm1',
        kind: 'vm',
        status: 'running',
        config: { scsi0: 'local-lvm:vm-300-disk-0,size=8G' },
      },
    ],
  });
  lab.api.control.taskMs = 0;
  lab.node.pace.startMs = 5;
  lab.node.pace.stopMs = 5;
  client = await connect(lab);
});

after(async () => {
  client.close();
  await lab.close();
});

async function run(command: string): Promise<string> {
  const { stdout, stderr } = await client.run(command);
  return `${stdout}${stderr}`;
}

async function refusalOf(
  ...call: [method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, params?: object]
) {
  const [method, path, params = {}] = call;
  const answer = await ask(lab, method, path, params as Record<string, string>);
  assert.notEqual(answer.status, 200, answer.text);
  return [answer.status, answer.errors ?? answer.message];
}

describe('power', () => {
  test('what REST stops pct shows as stopped, and the other way round', async () => {
    assert.equal((await carryOut(lab, 'POST', '/nodes/pve1/lxc/100/status/stop')).exitStatus, 'OK');
    assert.equal(await run('pct status 100'), 'status: stopped\n');
    await run('pct start 100');
    const { status } = await get<{ status: string }>(lab, '/nodes/pve1/lxc/100/status/current');
    assert.equal(status, 'running');
  });

  test('a container that does not shut down in time makes the task fail', async () => {
    const path = '/nodes/pve1/lxc/102/status/shutdown';
    const failed = await carryOut(lab, 'POST', path, { timeout: 0 });
    const text = "command 'lxc-stop -n 102 --nokill --timeout 0' failed: exit code 1";
    assert.deepEqual([failed.exitStatus, failed.lines.slice(-2)], [text, [text, `TASK ERROR: ${text}`]]);
    const forced = await carryOut(lab, 'POST', path, { timeout: 0, forceStop: 1 });
    assert.deepEqual([forced.exitStatus, lab.node.guest(102)?.pid], ['OK', undefined]);
  });

  test('a machine is paused, kept on disk and taken from there', async () => {
    const to = (action: string, params = {}) =>
      carryOut(lab, 'POST', `/nodes/pve1/qemu/300/status/${action}`, params);
    const current = () => get<Config>(lab, '/nodes/pve1/qemu/300/status/current');
    assert.equal((await to('suspend')).type, 'qmpause');
    assert.equal((await current()).qmpstatus, 'paused');
    await to('resume');
    assert.equal((await current()).qmpstatus, 'running');
    assert.equal((await to('suspend', { todisk: 1 })).type, 'qmsuspend');
    const { status, lock } = await current();
    assert.deepEqual([status, lock], ['stopped', 'suspended']);
    assert.equal((await to('resume')).exitStatus, 'OK');
    assert.equal(await run('qm status 300'), 'status: running\n');
  });

  test('what runs already, or is missing, fails in the task', async () => {
    const again = await carryOut(lab, 'POST', '/nodes/pve1/qemu/300/status/start');
    assert.equal(again.exitStatus, 'VM 300 already running');
    const missing = await carryOut(lab, 'POST', '/nodes/pve1/qemu/999/status/start');
    assert.equal(missing.exitStatus, "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist");
    assert.deepEqual(await refusalOf('POST', '/nodes/pve1/qemu/999/status/reset'), [
      500,
      "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist\n",
    ]);
  });
});

describe('configuration', () => {
  test('a change is in the file, too', async () => {
    const path = '/nodes/pve1/lxc/100/config';
    const { digest } = await get<Config>(lab, path);
    const params = { memory: 1024, tags: 'a;b', description: 'grün', digest: String(digest), delete: 'swap' };
    assert.equal((await ask(lab, 'PUT', path, params)).status, 200);
    assert.match(
      await run('cat /etc/pve/lxc/100.conf'),
      /^#gr%C3%BCn\n[\s\S]*memory: 1024\n[\s\S]*tags: a;b\n/,
    );
    const { memory, description, swap, digest: then } = await get<Config>(lab, path);
    assert.deepEqual([memory, description, swap], [1024, 'grün\n', undefined]);
    assert.notEqual(then, digest);
  });

  test('a running machine takes some changes at its next start', async () => {
    const path = '/nodes/pve1/qemu/300';
    await ask(lab, 'PUT', `${path}/config`, { memory: 4096, name: 'renamed' });
    const pending = await get<{ key: string; value?: unknown; pending?: unknown }[]>(lab, `${path}/pending`);
    const found = (key: string) => pending.find((each) => each.key === key);
    assert.deepEqual(found('memory'), { key: 'memory', value: '128', pending: '4096' });
    assert.deepEqual(found('name'), { key: 'name', value: 'renamed' });
    assert.equal((await get<Config>(lab, `${path}/config`, { current: 1 })).memory, '128');
    assert.equal((await get<Config>(lab, `${path}/config`)).memory, '4096');
    await carryOut(lab, 'POST', `${path}/status/reset`);
    assert.equal((await get<Config>(lab, `${path}/config`, { current: 1 })).memory, '4096');
  });

  test('each key asks for its own privilege', async () => {
    const login = loginWith(lab, 'memory', ['VM.Audit', 'VM.Config.Memory']);
    const path = '/nodes/pve1/lxc/100/config';
    assert.equal((await ask(lab, 'PUT', path, { memory: 256 }, login)).status, 200);
    const refused = await ask(lab, 'PUT', path, { memory: 300, onboot: 1 }, login);
    assert.equal(refused.message, 'Permission check failed (/vms/100, VM.Config.Options)\n');
    assert.equal((await get<Config>(lab, path)).memory, 256);
  });

  test('a new disk gets a name and a size, and grows', async () => {
    const path = '/nodes/pve1/qemu/300';
    await ask(lab, 'PUT', `${path}/config`, { scsi1: 'local-lvm:4,ssd=1', net1: 'virtio,bridge=vmbr0' });
    const { scsi1, net1 } = await get<Config>(lab, `${path}/config`);
    assert.equal(scsi1, 'local-lvm:vm-300-disk-1,ssd=1,size=4G');
    assert.match(String(net1), /^virtio=BC:24:11:..:..:..,bridge=vmbr0$/);
    assert.equal(
      (await carryOut(lab, 'PUT', `${path}/resize`, { disk: 'scsi1', size: '+512M' })).exitStatus,
      'OK',
    );
    assert.match(String((await get<Config>(lab, `${path}/config`)).scsi1), /size=4608M$/);
    const shrunk = await refusalOf('PUT', `${path}/resize`, { disk: 'scsi1', size: '1G' });
    assert.deepEqual(shrunk, [500, 'shrinking disks is not supported\n']);
  });
});

describe('snapshots', () => {
  const path = '/nodes/pve1/lxc/100/snapshot';

  test('a way back for files and configuration alike', async () => {
    await run("lxc-attach -n 100 -- sh -c 'echo before > /srv/state'");
    assert.equal(
      (await carryOut(lab, 'POST', path, { snapname: 'good', description: 'as it was' })).exitStatus,
      'OK',
    );
    await run("lxc-attach -n 100 -- sh -c 'echo after > /srv/state; rm /etc/debian_version'");
    await ask(lab, 'PUT', '/nodes/pve1/lxc/100/config', { tags: 'changed' });
    assert.equal((await carryOut(lab, 'POST', `${path}/good/rollback`, { start: 1 })).exitStatus, 'OK');
    assert.equal(await run('lxc-attach -n 100 -- cat /srv/state /etc/debian_version'), 'before\n13.1\n');
    assert.equal((await get<Config>(lab, '/nodes/pve1/lxc/100/config')).tags, 'a;b');
    assert.match(await run('pct listsnapshot 100'), /good .* as it was\n/);
  });

  test('they stand on one another, and close up when one goes', async () => {
    await carryOut(lab, 'POST', path, { snapname: 'second' });
    await carryOut(lab, 'POST', path, { snapname: 'third' });
    const parents = async () => {
      const list = await get<{ name: string; parent?: string }[]>(lab, path);
      return Object.fromEntries(list.map(({ name, parent }) => [name, parent]));
    };
    assert.deepEqual(await parents(), { good: undefined, second: 'good', third: 'second', current: 'third' });
    assert.equal((await carryOut(lab, 'DELETE', `${path}/second`)).exitStatus, 'OK');
    assert.deepEqual(await parents(), { good: undefined, third: 'good', current: 'third' });
  });

  test('a locked container has none, and its task says so', async () => {
    const { exitStatus } = await carryOut(lab, 'POST', '/nodes/pve1/lxc/101/snapshot', { snapname: 'no' });
    assert.equal(exitStatus, 'CT is locked (backup)');
  });

  test('one with memory brings a machine back running', async () => {
    const vm = '/nodes/pve1/qemu/300';
    await carryOut(lab, 'POST', `${vm}/snapshot`, { snapname: 'live', vmstate: 1 });
    await carryOut(lab, 'POST', `${vm}/status/stop`);
    assert.equal((await carryOut(lab, 'POST', `${vm}/snapshot/live/rollback`)).exitStatus, 'OK');
    assert.equal(await run('qm status 300'), 'status: running\n');
    await carryOut(lab, 'DELETE', `${vm}/snapshot/live`);
  });
});

describe('made and removed', () => {
  const template = 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst';

  test('a new container runs commands at once', async () => {
    const made = await carryOut(lab, 'POST', '/nodes/pve1/lxc', {
      vmid: 120,
      ostemplate: template,
      hostname: 'fresh',
      rootfs: 'local-lvm:4',
      unprivileged: 1,
      start: 1,
      net0: 'name=eth0,bridge=vmbr0,ip=10.99.0.120/24',
    });
    assert.equal(made.exitStatus, 'OK', made.lines.join('\n'));
    assert.equal(await run('pct exec 120 -- hostname'), 'fresh\n');
    const config = await get<Config>(lab, '/nodes/pve1/lxc/120/config');
    assert.equal(config.rootfs, 'local-lvm:vm-120-disk-0,size=4G');
    assert.match(
      String(config.net0),
      /^bridge=vmbr0,ip=10\.99\.0\.120\/24,name=eth0,hwaddr=BC:24:.*,type=veth$/,
    );
  });

  test('what cannot be made leaves nothing', async () => {
    const missing = await carryOut(lab, 'POST', '/nodes/pve1/lxc', {
      ...{ vmid: 121, ostemplate: 'local:vztmpl/no.tar.zst', rootfs: 'local-lvm:4', unprivileged: 1 },
    });
    assert.equal(
      missing.exitStatus,
      "unable to create CT 121 - volume 'local:vztmpl/no.tar.zst' does not exist",
    );
    lab.api.control.taskMs = 60_000;
    const { data } = await ask(lab, 'POST', '/nodes/pve1/qemu', { vmid: 121, scsi0: 'local-lvm:4' });
    const locked = lab.node.guest(121)?.config.get('lock');
    await ask(lab, 'DELETE', `/nodes/pve1/tasks/${encodeURIComponent(String(data))}`);
    lab.api.control.taskMs = 0;
    assert.deepEqual([locked, lab.node.guest(121)], ['create', undefined]);
    const refused = await refusalOf('POST', '/nodes/pve1/qemu', { vmid: 121, scsi0: 'nosuch:4' });
    assert.deepEqual(refused, [500, "storage 'nosuch' does not exist\n"]);
  });

  test('a machine boots from the disk it was given', async () => {
    const iso = 'local:iso/debian-13.1.0-amd64-netinst.iso,media=cdrom';
    const made = await carryOut(lab, 'POST', '/nodes/pve1/qemu', {
      ...{ vmid: 301, name: 'fresh-vm', cores: 2, memory: 2048, net0: 'virtio,bridge=vmbr0' },
      ...{ scsi0: 'local-lvm:16', ide2: iso, ciuser: 'me', cipassword: 'secret' },
    });
    assert.equal(made.exitStatus, 'OK', made.lines.join('\n'));
    const { boot, scsi0, cipassword } = await get<Config>(lab, '/nodes/pve1/qemu/301/config');
    assert.deepEqual(
      [boot, scsi0, cipassword],
      ['order=scsi0;net0;ide2', 'local-lvm:vm-301-disk-0,size=16G', '**********'],
    );
    const { maxdisk } = await get<Config>(lab, '/nodes/pve1/qemu/301/status/current');
    assert.equal(maxdisk, 16 * 1024 ** 3);
  });

  test('a clone has the files, and addresses of its own', async () => {
    await run("lxc-attach -n 120 -- sh -c 'echo mine > /srv/mine'");
    await carryOut(lab, 'POST', '/nodes/pve1/lxc/120/status/stop');
    const cloned = await carryOut(lab, 'POST', '/nodes/pve1/lxc/120/clone', {
      newid: 122,
      hostname: 'twin',
      full: 1,
    });
    assert.equal(cloned.exitStatus, 'OK', cloned.lines.join('\n'));
    await carryOut(lab, 'POST', '/nodes/pve1/lxc/122/status/start');
    assert.equal(await run('lxc-attach -n 122 -- cat /srv/mine /etc/hostname'), 'mine\ntwin\n');
    await run("lxc-attach -n 122 -- sh -c 'echo other > /srv/mine'");
    await carryOut(lab, 'POST', '/nodes/pve1/lxc/120/status/start');
    assert.equal(await run('lxc-attach -n 120 -- cat /srv/mine'), 'mine\n');
    const [one, other] = await Promise.all(
      [120, 122].map((vmid) => get<Config>(lab, `/nodes/pve1/lxc/${vmid}/config`)),
    );
    assert.equal(other?.rootfs, 'local-lvm:vm-122-disk-0,size=4G');
    assert.notEqual(
      /hwaddr=([^,]+)/.exec(String(one?.net0))?.[1],
      /hwaddr=([^,]+)/.exec(String(other?.net0))?.[1],
    );
  });

  test('a template is cloned and never started', async () => {
    assert.equal((await carryOut(lab, 'POST', '/nodes/pve1/qemu/301/template')).type, 'qmtemplate');
    assert.equal((await get<Config>(lab, '/nodes/pve1/qemu/301/config')).template, 1);
    const started = await carryOut(lab, 'POST', '/nodes/pve1/qemu/301/status/start');
    assert.equal(started.exitStatus, "you can't start a vm if it's a template");
    const cloned = await carryOut(lab, 'POST', '/nodes/pve1/qemu/301/clone', {
      newid: 302,
      name: 'from-template',
    });
    assert.deepEqual(cloned.lines.slice(0, 1), [
      'create linked clone of drive scsi0 (local-lvm:base-301-disk-0)',
    ]);
    const { template: isTemplate, name } = await get<Config>(lab, '/nodes/pve1/qemu/302/config');
    assert.deepEqual([isTemplate, name], [undefined, 'from-template']);
  });

  test('a backup brings a guest back, over another one only by force', async () => {
    const backup = await carryOut(lab, 'POST', '/nodes/pve1/vzdump', {
      vmid: 122,
      storage: 'local',
      mode: 'snapshot',
    });
    assert.equal(backup.exitStatus, 'OK', backup.lines.join('\n'));
    const [volume] = await get<{ volid: string }[]>(lab, '/nodes/pve1/storage/local/content', {
      ...{ content: 'backup', vmid: 122 },
    });
    const params = { vmid: 122, ostemplate: String(volume?.volid), restore: 1 };
    assert.deepEqual(await refusalOf('POST', '/nodes/pve1/lxc', params), [
      500,
      "CT 122 already exists on node 'pve1'\n",
    ]);
    assert.deepEqual(await refusalOf('POST', '/nodes/pve1/lxc', { ...params, force: 1 }), [
      500,
      "can't overwrite running container\n",
    ]);
    await carryOut(lab, 'POST', '/nodes/pve1/lxc/122/status/stop');
    const restored = await carryOut(lab, 'POST', '/nodes/pve1/lxc', { ...params, force: 1, start: 1 });
    assert.deepEqual([restored.type, restored.exitStatus], ['vzrestore', 'OK']);
    assert.equal(await run('pct exec 122 -- hostname'), 'twin\n');
  });

  test('what is removed is gone for pct as well', async () => {
    await ask(lab, 'PUT', '/nodes/pve1/lxc/122/config', { protection: 1 });
    await carryOut(lab, 'POST', '/nodes/pve1/lxc/122/status/stop');
    const kept = await refusalOf('DELETE', '/nodes/pve1/lxc/122');
    assert.deepEqual(kept, [500, "can't remove CT 122 - protection mode enabled\n"]);
    await ask(lab, 'PUT', '/nodes/pve1/lxc/122/config', { protection: 0 });
    const removed = await carryOut(lab, 'DELETE', '/nodes/pve1/lxc/122', { purge: 1 });
    assert.deepEqual(removed.lines, ['purging CT 122 from related configurations..', 'TASK OK']);
    assert.doesNotMatch(await run('pct list'), /^122/m);
  });
});
