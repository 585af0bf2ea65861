/** The lab's REST API against what a real node answered, request for request. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { type Lab, type LabGuestSpec, startLab } from '../../../lab/lab.ts';
import { assertSameShape, auditor, withoutTranscripts } from './rest-client.ts';

interface Transcript {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly body_sent?: string | Readonly<Record<string, unknown>> | null;
  readonly content_type_sent?: string;
  readonly auth: string;
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

const file = new URL('../../../../shared/pve/golden/rest.json', import.meta.url);
const transcripts = new Map<string, Transcript>(
  existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Transcript[]).map((each) => [each.id, each])
    : [],
);

function transcript(id: string): Transcript {
  const found = transcripts.get(id);
  assert.ok(found, `no transcript ${id}`);
  return found;
}

/** The guests of the node that was recorded, as far as they matter. */
const guests: readonly LabGuestSpec[] = [
  {
    ...{ vmid: 100, name: 'web1', status: 'running', tags: 'prod;web', description: 'hello\nline2 100%' },
    config: { rootfs: 'local-lvm:vm-100-disk-0,size=4G', swap: '0', memory: '300' },
  },
  { vmid: 101, name: 'db1', config: { rootfs: 'local:101/vm-101-disk-0.raw,size=4G', cores: '2' } },
  {
    ...{ vmid: 110, name: 'snap1', tags: 'lab;test', description: 'line one\nüml & 100%' },
    ...{ config: { net0: undefined }, snapshots: [{ name: 's2', timeS: 1_795_222_938 }] },
  },
  { vmid: 112, name: 'raw', config: { rootfs: 'local-lvm:vm-112-disk-0,size=1G' } },
  { vmid: 113, name: 'tmpl1', template: true },
  { vmid: 200, name: 'far', node: 'pve2', tags: 'prod;web' },
  {
    ...{ vmid: 300, name: 'vm1', kind: 'vm', status: 'running' },
    config: {
      ...{ meta: 'creation-qemu=10.0.13,ctime=1795219237', vmgenid: 'a', smbios1: 'uuid=b' },
      ...{ cpu: 'qemu64', kvm: '0', cores: undefined },
    },
  },
];

const operator = [
  ...['VM.Audit', 'VM.PowerMgmt', 'VM.Snapshot', 'VM.Snapshot.Rollback', 'VM.Backup', 'VM.GuestAgent.Audit'],
  ...['Datastore.Audit', 'Datastore.AllocateSpace', 'Sys.Audit'],
];

interface Replayed {
  readonly status: number;
  readonly reason: string;
  readonly connection: string;
  readonly type: string | undefined;
  readonly body: unknown;
}

interface Bench {
  readonly lab: Lab;
  /** The Authorization header of each of the recorded users. */
  readonly logins: Readonly<Record<string, string>>;
}

async function openBench(): Promise<Bench> {
  const lab = await startLab({ guests });
  lab.api.control.taskMs = 0;
  lab.node.pace.startMs = 0;
  lab.node.pace.stopMs = 0;
  const login = (id: string, privileges: readonly string[]) =>
    `PVEAPIToken=${id}=${lab.api.addToken({ id, privileges: { '/': privileges } })}`;
  const noRights = `PVEAPIToken=viewer@pve!bare=${lab.api.addToken({ id: 'viewer@pve!bare', privileges: {} })}`;
  const logins = {
    'root token': `PVEAPIToken=${lab.apiTokenId}=${lab.apiTokenSecret}`,
    'viewer token': login('viewer@pve!view', auditor),
    'op token': login('op@pve!oper', operator),
    'bad token': `PVEAPIToken=${lab.apiTokenId}=00000000-0000-0000-0000-000000000000`,
    'viewer token, privsep without rights': noRights,
    'root token, privsep without rights': noRights,
  };
  return { lab, logins };
}

function bodyOf({ body_sent: sent, content_type_sent: type }: Transcript): string | undefined {
  if (sent === undefined || sent === null) return undefined;
  if (typeof sent === 'string') return sent;
  if (type === 'application/json') return JSON.stringify(sent);
  return new URLSearchParams(
    Object.entries(sent).map(([key, value]): [string, string] => [key, String(value)]),
  ).toString();
}

/** Sends what was recorded; `path` takes the place of its path. */
async function replay({ lab, logins }: Bench, recorded: Transcript, path = recorded.path): Promise<Replayed> {
  const { method, query = {}, auth, content_type_sent: type } = recorded;
  const pairs = Object.entries(query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
  const body = bodyOf(recorded);
  const whole = path.startsWith('/api2') || path === '/nosuch' ? path : `/api2/json${path}`;
  const { promise, resolve, reject } = Promise.withResolvers<Replayed>();
  const sent = request({
    ...{ host: lab.host, port: lab.apiPort, method, ca: lab.apiCertificate },
    path: pairs.length === 0 ? whole : `${whole}?${pairs.join('&')}`,
    headers: {
      ...(auth !== 'none' && { authorization: logins[auth] }),
      ...(body !== undefined && { 'content-type': type ?? 'application/x-www-form-urlencoded' }),
    },
  });
  sent.on('error', reject);
  sent.on('response', (response) => {
    const { statusCode: status = 0, statusMessage = '', headers } = response;
    const reason = Buffer.from(statusMessage, 'latin1').toString();
    const said = { status, reason, connection: headers.connection ?? '', type: headers['content-type'] };
    text(response).then((answer) => resolve({ ...said, body: parsed(answer) }), reject);
  });
  sent.end(body);
  return await promise;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

/** The recorded node had no files to read the pressure of containers from. */
function withoutNoise(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNoise);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    key.startsWith('pressure') ? 0 : withoutNoise(inner),
  ]);
  return Object.fromEntries(entries);
}

function assertHead(actual: Replayed, { status, reason, headers }: Transcript): void {
  assert.deepEqual(
    { status: actual.status, reason: actual.reason, type: actual.type },
    { status, reason, type: headers['content-type'] },
  );
  assert.equal(actual.connection.toLowerCase(), headers.connection?.toLowerCase());
}

/** Word for word. */
const refusals = [
  ...['version-none', 'version-badtoken', 'unknown-path-none', 'version-unknown-param', 'version-post'],
  ...['version-put', 'version-delete', 'version-head', 'version-options', 'version-patch'],
  ...['version-head-none', 'api2-unknown-format', 'not-api-path', 'unknown-path', 'unknown-path-deep'],
  ...['unknown-path-post', 'unknown-ct-sub', 'nodes-none', 'node-status-bare', 'node-unknown-status'],
  ...['node-unknown-lxc', 'node-badname', 'node-pve2-lxc', 'cluster-status-bare', 'resources-badtype'],
  ...['node-reboot-viewer', 'node-status-badcommand', 'node-status-nocommand'],
  ...['nextid-taken', 'nextid-low', 'lxc-999-status', 'lxc-200-status', 'lxc-300-status', 'lxc-abc-status'],
  ...['lxc-50-status', 'lxc-999-config', 'lxc-110-snap-missing', 'lxc-999-snapshots', 'lxc-100-status-bare'],
  ...['lxc-999-config-bare', 'lxc-999-config-viewer', 'qemu-999-status', 'qemu-100-status'],
  ...['start-viewer', 'start-none', 'start-101-skiplock', 'start-bad-param', 'stop-101-stopped'],
  ...['shutdown-101-stopped', 'reboot-101-stopped', 'task-bad-upid', 'task-missing-upid'],
  ...['config-put-badtype', 'config-put-two-errors', 'config-put-range', 'config-put-unknown'],
  ...['config-put-empty', 'config-put-digest', 'config-put-viewer', 'config-put-op', 'config-put-999'],
  ...['config-put-delete-bad', 'config-put-delete-rootfs', 'config-put-bindmount', 'config-put-features'],
  ...['config-put-net-bad', 'config-put-semicolon-raw', 'resize-shrink', 'resize-badsize'],
  ...['snapshot-badname', 'snapshot-viewer', 'clone-exists', 'clone-op', 'clone-nonewid', 'clone-999'],
  ...['delete-running', 'delete-999', 'delete-op', 'delete-viewer', 'create-exists', 'create-missing'],
  ...['create-op', 'migrate-badnode', 'qemu-start-viewer', 'qemu-config-put-bad', 'qemu-config-put-op'],
  ...['qemu-delete-running', 'body-xml', 'body-text', 'body-jsonarray'],
];

/** Same keys, same types. */
const successes = [
  ...[
    'version',
    'version-viewer',
    'version-bare',
    'version-trailing-slash',
    'double-slash',
    'node-localhost',
  ],
  ...[
    'nodes',
    'nodes-viewer',
    'nodes-bare',
    'node-status',
    'node-status-viewer',
    'node-version',
    'node-time',
  ],
  ...['node-tasks-bare', 'cluster-status', 'cluster-status-viewer', 'resources', 'resources-vm'],
  ...['resources-node', 'resources-storage', 'resources-sdn', 'resources-viewer', 'resources-op'],
  ...['resources-bare', 'resources-sep', 'cluster-tasks-bare', 'nextid', 'nextid-free', 'nextid-bare'],
  ...['lxc-100-status', 'lxc-101-status', 'lxc-113-status', 'lxc-100-config', 'lxc-110-config'],
  ...['lxc-100-snapshots', 'lxc-110-snapshots', 'lxc-110-config-snapshot', 'lxc-100-migrate-pre'],
  ...['lxc-100-status-view', 'lxc-list-op', 'lxc-list-bare', 'lxc-list-sep', 'qemu-list', 'qemu-300-status'],
  ...['qemu-300-config', 'qemu-list-full', 'qemu-list-bare', 'task-missing-log'],
  ...['permissions-root', 'permissions-bare', 'permissions-path'],
];

/** Begin a task, in this order. */
const tasks: readonly string[] = [
  ...['start-101', 'shutdown-101', 'snapshot-create', 'snapshot-dup', 'snapshot-unsupported', 'rollback'],
  ...['rollback-missing', 'snapshot-delete', 'snapshot-delete-missing', 'delete-created'],
  ...[
    'qemu-config-post',
    'qemu-suspend',
    'qemu-resume',
    'qemu-stop',
    'qemu-stop-stopped',
    'qemu-shutdown-stopped',
  ],
];

describe('as a real node', { skip: withoutTranscripts }, () => {
  let bench: Bench;
  before(async () => {
    bench = await openBench();
  });
  after(() => bench.lab.close());

  test('refuses in the same words', async (t) => {
    for (const id of refusals)
      await t.test(id, async () => {
        const recorded = transcript(id);
        const answer = await replay(bench, recorded);
        assertHead(answer, recorded);
        assert.deepEqual(answer.body, recorded.body);
      });
  });

  test('answers in the same shape', async (t) => {
    for (const id of successes)
      await t.test(id, async () => {
        const recorded = transcript(id);
        const answer = await replay(bench, recorded);
        assertHead(answer, recorded);
        assertSameShape(withoutNoise(answer.body), withoutNoise(recorded.body));
      });
  });

  test('tasks end as they did, with the same log', async (t) => {
    bench.lab.cluster.add({ vmid: 125, name: 'restnew' });
    for (const id of tasks)
      await t.test(id, async () => {
        const recorded = transcript(id);
        const answer = await replay(bench, recorded);
        assertHead(answer, recorded);
        const upid = String((answer.body as { data: unknown }).data);
        assert.match(upid, /^UPID:pve1:[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:\w+:\d+:[a-z]+@\w+!\w+:$/);
        assert.equal(upid.split(':')[5], String((recorded.body as { data: unknown }).data).split(':')[5]);
        await followed(bench, id, upid);
      });
  });
});

/** What status and log say of the task in the end. */
async function followed(bench: Bench, id: string, upid: string): Promise<void> {
  const task = bench.lab.api.tasks.find(upid);
  while (task?.exitStatus === undefined) await new Promise((resolve) => setTimeout(resolve, 2));
  const path = `/nodes/pve1/tasks/${encodeURIComponent(upid)}`;
  const end = transcript(`${id}-task-end`);
  const status = await replay(bench, end, `${path}/status`);
  assertSameShape(status.body, end.body);
  const exitStatus = (body: unknown) => (body as { data: { exitstatus: string } }).data.exitstatus;
  assert.equal(exitStatus(status.body), exitStatus(end.body));
  const log = transcript(`${id}-task-log`);
  assert.deepEqual((await replay(bench, log, `${path}/log`)).body, log.body);
}
