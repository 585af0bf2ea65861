/** What no call of the API may do, and how bad the others are. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ApiCall, apiEffect, apiRefusal, closedEndpoint } from '../../../src/policy/api-rules.ts';

function call(line: string, params: ApiCall['params'] = {}): ApiCall {
  const [method = '', path = ''] = line.split(' ');
  return { method: method as ApiCall['method'], path, params };
}

describe('never carried out', () => {
  const closed: readonly string[] = [
    'POST /access/ticket',
    'GET /access/ticket',
    'PUT /access/password',
    'GET /access/users',
    'GET /access/users/root@pam/token',
    'POST /access/users/root@pam/token/x',
    'PUT /access/acl',
    'GET /access/acl',
    'GET /access/tfa',
    'POST /access/roles',
    'DELETE /access/roles/x',
    'GET /access/domains/pam',
    'POST /access/openid/login',
    'PUT /access/later/invention',
    'POST /nodes/pve1/execute',
    'GET /nodes/pve1/execute',
    'POST /nodes/pve1/qemu/300/monitor',
    'POST /nodes/pve1/qemu/300/dbus-vmstate',
    'POST /nodes/pve1/termproxy',
    'POST /nodes/pve1/vncshell',
    'POST /nodes/pve1/spiceshell',
    'GET /nodes/pve1/vncwebsocket',
    'POST /nodes/pve1/lxc/100/termproxy',
    'POST /nodes/pve1/qemu/300/vncproxy',
    'POST /nodes/pve1/qemu/300/spiceproxy',
    'GET /nodes/pve1/lxc/100/vncwebsocket',
    'POST /nodes/pve1/lxc/100/mtunnel',
    'GET /nodes/pve1/lxc/100/mtunnelwebsocket',
    'POST /nodes/pve1/qemu/300/remote_migrate',
    'POST /nodes/pve1/lxc/100/remote_migrate',
    'GET /nodes/pve1/qemu/300/agent/file-read',
    'POST /nodes/pve1/qemu/300/agent/file-write',
    'POST /nodes/pve1/storage/local/download-url',
    'POST /nodes/pve1/storage/local/oci-registry-pull',
    'POST /nodes/pve1/storage/local/upload',
    'GET /nodes/pve1/storage/pbs/file-restore/download',
    'GET /nodes/pve1/query-url-metadata',
    'GET /nodes/pve1/query-oci-repo-tags',
    'GET /nodes/pve1/scan/nfs',
    'GET /nodes/pve1/scan/pbs',
    'GET /cluster/config/join',
    'POST /cluster/config/join',
    'POST /cluster/config',
    'DELETE /cluster/config/nodes/pve2',
    'GET /cluster/acme/account',
    'POST /cluster/acme/plugins',
    'POST /nodes/pve1/certificates/custom',
    'DELETE /nodes/pve1/certificates/custom',
    'PUT /nodes/pve1/certificates/acme/certificate',
    'POST /nodes/pve1/hosts',
    'PUT /nodes/pve1/dns',
    'PUT /nodes/pve1/time',
    'POST /nodes/pve1/network',
    'DELETE /nodes/pve1/network',
    'PUT /nodes/pve1/network/vmbr0',
    'POST /nodes/pve1/apt/update',
    'PUT /nodes/pve1/apt/repositories',
    'PUT /nodes/pve1/disks/wipedisk',
    'POST /nodes/pve1/disks/zfs',
    'DELETE /nodes/pve1/disks/lvm/x',
    'POST /nodes/pve1/ceph/osd',
    'DELETE /nodes/pve1/ceph/pool/x',
    'PUT /nodes/pve1/subscription',
    'POST /storage',
    'POST /cluster/mapping/pci',
    'PUT /cluster/mapping/dir/x',
    'POST /cluster/metrics/server/x',
    'POST /cluster/notifications/endpoints/webhook',
    'POST /cluster/jobs/realm-sync/x',
    'GET /nodes/pve1/qemu/300/cloudinit/dump',
    'GET /cluster/sdn/dns',
    'GET /cluster/sdn/ipams/netbox',
    'POST /cluster/sdn/dns',
    'PUT /cluster/sdn/ipams/x',
    'POST /cluster/sdn/zones',
    'PUT /cluster/sdn',
    'PUT /cluster/firewall/options',
    'PUT /nodes/pve1/firewall/options',
    'POST /nodes/pve1/qemu/300/agent/exec',
    'GET /nodes/pve1/qemu/300/agent/exec-status',
    'POST /nodes/pve1/later-invention',
    'PUT /later/invention',
  ];
  for (const line of closed)
    test(line, () => {
      assert.ok(apiRefusal(call(line)) !== undefined);
    });

  const options: readonly [string, ApiCall['params']][] = [
    ['PUT /nodes/pve1/lxc/100/config', { unprivileged: 0, features: 'nesting=1,mount=nfs' }],
    ['PUT /nodes/pve1/lxc/100/config', { mp0: '/etc,mp=/mnt/host-etc' }],
    ['PUT /nodes/pve1/lxc/100/config', { 'lxc.apparmor.profile': 'unconfined' }],
    ['PUT /nodes/pve1/lxc/100/config', { dev0: '/dev/kmsg' }],
    ['PUT /nodes/pve1/qemu/300/config', { args: '-device evil' }],
    ['POST /nodes/pve1/qemu/300/config', { hookscript: 'local:snippets/x.pl' }],
    ['POST /nodes/pve1/qemu/300/config', { hostpci0: '0000:00:02.0' }],
    ['POST /nodes/pve1/qemu', { vmid: 400, scsi0: '/dev/sda' }],
    ['POST /nodes/pve1/qemu', { vmid: 400, args: ['-device evil'] }],
    ['POST /nodes/pve1/lxc', { vmid: 400, ostemplate: 'local:vztmpl/a.tar.zst' }],
    ['POST /nodes/pve1/lxc', { vmid: 400, ostemplate: 'local:vztmpl/a.tar.zst', unprivileged: false }],
    ['POST /nodes/pve1/lxc', { vmid: 400, ostemplate: 'local:backup/a', restore: 1, unprivileged: '0' }],
    ['POST /nodes/pve1/qemu/300/status/start', { stateuri: 'tcp:evil' }],
    ['POST /nodes/pve1/qemu/300/status/start', { 'force-cpu': 'host' }],
    ['POST /nodes/pve1/qemu/300/status/stop', { skiplock: 1 }],
    ['PUT /nodes/pve1/qemu/300/resize', { disk: 'scsi0', size: '+1G', skiplock: true }],
    ['POST /nodes/pve1/vzdump', { vmid: '100', script: '/tmp/x' }],
    ['POST /nodes/pve1/vzdump', { vmid: '100', dumpdir: '/root' }],
    ['PUT /cluster/backup/x', { script: '/tmp/x' }],
    ['PUT /cluster/options', { http_proxy: 'http://evil.example' }],
    ['PUT /cluster/options', { delete: 'description,webauthn' }],
    ['PUT /cluster/options', { delete: ['u2f'] }],
    ['PUT /nodes/pve1/config', { delete: 'acme' }],
    ['PUT /nodes/pve1/config', { acmedomain0: 'evil.example' }],
    ['PUT /storage/local', { content: 'iso', server: 'evil.example' }],
    ['GET /nodes/pve1/tasks/UPID:x/log', { download: 1 }],
  ];
  for (const [line, params] of options)
    test(`${line} ${JSON.stringify(params)}`, () => {
      assert.ok(apiRefusal(call(line, params)) !== undefined);
    });
});

describe('carried out where policy allows its effect', () => {
  const judged: readonly [string, ApiCall['params'], string][] = [
    ['GET /version', {}, 'read'],
    ['GET /access/permissions', {}, 'read'],
    ['GET /access/roles/PVEAdmin', {}, 'read'],
    ['GET /nodes/pve1/qemu/300/config', { snapshot: 's1' }, 'read'],
    ['GET /cluster/config/nodes', {}, 'read'],
    ['GET /nodes/pve1/certificates/info', {}, 'read'],
    ['GET /nodes/pve1/disks/list', {}, 'read'],
    ['POST /nodes/pve1/qemu/300/status/start', {}, 'change'],
    ['POST /nodes/pve1/qemu/300/snapshot', { snapname: 's1' }, 'change'],
    ['PUT /nodes/pve1/qemu/300/config', { cores: 2 }, 'change'],
    ['POST /nodes/pve1/lxc', { vmid: 400, unprivileged: 1, ostemplate: 'local:vztmpl/a.tar.zst' }, 'change'],
    ['POST /nodes/pve1/vzdump', { vmid: '100', mode: 'snapshot', remove: 0 }, 'change'],
    ['POST /cluster/backup', { vmid: '100', remove: false }, 'change'],
    ['PUT /cluster/backup/x', { comment: 'x' }, 'change'],
    ['PUT /cluster/options', { delete: 'description' }, 'change'],
    ['PUT /nodes/pve1/qemu/300/unlink', { idlist: 'scsi1' }, 'disrupt'],
    ['PUT /pools', { poolid: 'lab', comment: 'x' }, 'change'],
    ['PUT /cluster/options', { description: 'x' }, 'change'],
    ['PUT /nodes/pve1/qemu/300/config', { delete: 'net1' }, 'disrupt'],
    ['POST /nodes/pve1/qemu/300/status/stop', {}, 'disrupt'],
    ['POST /nodes/pve1/qemu/300/status/reset', {}, 'disrupt'],
    ['POST /nodes/pve1/lxc/100/migrate', { target: 'pve2' }, 'disrupt'],
    ['POST /nodes/pve1/vzdump', { vmid: '100', mode: 'stop', remove: '0' }, 'disrupt'],
    ['POST /nodes/pve1/stopall', {}, 'disrupt'],
    ['PUT /cluster/notifications/matchers/default-matcher', { disable: 1 }, 'disrupt'],
    ['PUT /nodes/pve1/qemu/300/firewall/options', { enable: 0 }, 'disrupt'],
    ['POST /cluster/ha/status/later-invention', {}, 'disrupt'],
    ['DELETE /nodes/pve1/tasks/UPID:x', {}, 'disrupt'],
    ['DELETE /nodes/pve1/qemu/300', {}, 'destroy'],
    ['DELETE /nodes/pve1/lxc/100/snapshot/s1', {}, 'destroy'],
    ['DELETE /nodes/pve1/storage/local/content/local:iso/x.iso', {}, 'destroy'],
    ['DELETE /nodes/pve1/storage/local/prunebackups', {}, 'destroy'],
    ['POST /nodes/pve1/qemu/300/snapshot/s1/rollback', {}, 'destroy'],
    ['POST /nodes/pve1/qemu/300/template', {}, 'destroy'],
    ['POST /nodes/pve1/qemu', { vmid: 400, archive: 'local:backup/vzdump-qemu-300-x.vma' }, 'destroy'],
    ['POST /nodes/pve1/lxc', { vmid: 400, ostemplate: 'local:backup/x.tar', restore: 1 }, 'destroy'],
    ['PUT /nodes/pve1/qemu/300/unlink', { idlist: 'unused0', force: 1 }, 'destroy'],
    ['PUT /nodes/pve1/qemu/300/unlink', { idlist: 'unused0' }, 'destroy'],
    ['POST /nodes/pve1/vzdump', { vmid: '100', 'prune-backups': 'keep-last=1', remove: 0 }, 'destroy'],
    ['POST /nodes/pve1/vzdump', { vmid: '100' }, 'destroy'],
    ['POST /cluster/backup', { vmid: '100', schedule: 'daily' }, 'destroy'],
    ['PUT /cluster/backup/x', { remove: 1 }, 'destroy'],
    ['PUT /cluster/replication/101-0', { remove_job: 'full' }, 'destroy'],
    ['POST /nodes/pve1/status', { command: 'reboot' }, 'destroy'],
    ['POST /nodes/pve1/services/sshd/stop', {}, 'destroy'],
  ];
  for (const [line, params, effect] of judged)
    test(`${line} ${JSON.stringify(params)} is ${effect}`, () => {
      assert.equal(apiRefusal(call(line, params)), undefined);
      assert.equal(apiEffect(call(line, params)), effect);
    });

  test('names of people do not open or close anything', () => {
    for (const name of [
      'upload',
      'execute',
      'vncproxy',
      'remote_migrate',
      'monitor',
      'download-url',
      'file-read',
    ])
      assert.equal(apiRefusal(call(`DELETE /pools/${name}`)), undefined);
    assert.ok(apiRefusal(call('POST /access/qemu/100/status/start')) !== undefined);
    assert.ok(apiRefusal(call('PUT /nodes/pve1/apt/nodes/pve1/qemu/300/config')) !== undefined);
  });
});

test('an endpoint is closed by its template as by its path', () => {
  assert.equal(closedEndpoint({ method: 'GET', path: '/nodes/{node}/qemu/{vmid}/config' }), undefined);
  assert.ok(closedEndpoint({ method: 'POST', path: '/nodes/{node}/execute' }) !== undefined);
  assert.match(closedEndpoint({ method: 'PUT', path: '/nodes/{node}/time' }) ?? '', /only reads/);
});
