/** The API server of the lab: TLS, tokens, the limits on requests, and the faults that tests ask for. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { ask, carryOut, get, loginWith } from './rest-client.ts';

let lab: Lab;
before(async () => {
  lab = await startLab();
  lab.api.control.taskMs = 0;
});
after(() => lab.close());

describe('TLS', () => {
  test('the certificate is its own authority, for localhost and 127.0.0.1', () => {
    const certificate = new X509Certificate(lab.apiCertificate);
    assert.equal(certificate.fingerprint256, lab.apiFingerprint);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.checkHost('localhost'), 'localhost');
    assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1');
    assert.ok(Date.parse(certificate.validFrom) < Date.now() && Date.now() < Date.parse(certificate.validTo));
  });

  test('another certificate is served once it is renewed', async () => {
    const own = await startLab();
    const { fingerprint } = own.renewCertificate();
    const socket = connectTls({ host: own.host, port: own.apiPort, rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    assert.equal(socket.getPeerCertificate().fingerprint256, fingerprint);
    assert.notEqual(fingerprint, own.apiFingerprint);
    socket.destroy();
    await own.close();
  });
});

describe('tokens', () => {
  test('a privilege holds below its path, until a path further down says otherwise', async () => {
    const id = 'part@pve!t';
    const secret = lab.api.addToken({ id, privileges: { '/vms': ['VM.Audit'], '/vms/101': [] } });
    const login = { id, secret };
    assert.equal((await ask(lab, 'GET', '/nodes/pve1/lxc/100/config', {}, login)).status, 200);
    const refused = await ask(lab, 'GET', '/nodes/pve1/lxc/101/config', {}, login);
    assert.equal(refused.message, 'Permission check failed (/vms/101, VM.Audit)\n');
    const listed = await get<{ vmid: number }[]>(lab, '/nodes/pve1/lxc', {}, login);
    assert.deepEqual(
      listed.map(({ vmid }) => vmid),
      [100, 102],
    );
  });

  test('a token that is gone is refused, as late as the lab is told', async () => {
    const login = loginWith(lab, 'gone', ['Sys.Audit']);
    assert.equal((await ask(lab, 'GET', '/version', {}, login)).status, 200);
    lab.api.removeToken(login.id);
    lab.api.control.authDelayMs = 60;
    const since = performance.now();
    const refused = await ask(lab, 'GET', '/version', {}, login);
    lab.api.control.authDelayMs = 0;
    assert.deepEqual([refused.status, refused.reason, refused.text], [401, 'Authentication failed!', '']);
    assert.ok(performance.now() - since >= 50);
  });
});

test('a body above 512 KiB is refused', async () => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const sent = request(
    {
      host: lab.host,
      port: lab.apiPort,
      ca: lab.apiCertificate,
      method: 'POST',
      path: '/api2/json/pools',
      headers: {
        authorization: `PVEAPIToken=${lab.apiTokenId}=${lab.apiTokenSecret}`,
        'content-length': 512 * 1024 + 1,
      },
    },
    (response) => resolve(`${response.statusCode} ${response.statusMessage}`),
  );
  sent.on('error', reject);
  sent.flushHeaders();
  assert.equal(await promise, '501 for data too large');
  sent.destroy();
});

test('parameters come from the body and the query, which wins', async () => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const sent = request(
    {
      ...{ host: lab.host, port: lab.apiPort, ca: lab.apiCertificate, method: 'PUT' },
      path: '/api2/json/nodes/pve1/lxc/102/config?tags=fromquery',
      headers: {
        authorization: `PVEAPIToken=${lab.apiTokenId}=${lab.apiTokenSecret}`,
        'content-type': 'application/json',
      },
    },
    (response) => text(response).then(resolve, reject),
  );
  sent.on('error', reject);
  sent.end(JSON.stringify({ tags: 'frombody', memory: 640, onboot: true }));
  assert.equal(await promise, '{"data":null}');
  const config = await get<Record<string, unknown>>(lab, '/nodes/pve1/lxc/102/config');
  assert.deepEqual([config.tags, config.memory, config.onboot], ['fromquery', 640, 1]);
  const [heard] = lab.api.control.requests.filter(({ method }) => method === 'PUT').slice(-1);
  assert.deepEqual(heard, {
    ...{ node: 'pve1', method: 'PUT', path: '/nodes/pve1/lxc/102/config', token: lab.apiTokenId },
    params: { tags: 'fromquery', memory: '640', onboot: '1' },
  });
});

test('the schema of the API is served to everyone', async () => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  request(
    {
      ...{ host: lab.host, port: lab.apiPort, ca: lab.apiCertificate },
      path: '/pve-docs/api-viewer/apidoc.js',
    },
    (response) => text(response).then(resolve, reject),
  ).end();
  assert.match(await promise, /^const apiSchema = \[/);
});

describe('faults', () => {
  const version = { path: /^\/version$/ };
  afterEach(() => lab.api.control.clearDelays());

  test('an answer in place of the true one, once', async () => {
    lab.api.control.answerNext(version, { status: 595, reason: 'No route to host' });
    const first = await ask(lab, 'GET', '/version');
    assert.deepEqual([first.status, first.reason, first.text], [595, 'No route to host', '']);
    assert.equal((await ask(lab, 'GET', '/version')).status, 200);
  });

  test('a connection that breaks before the answer, or within it', async () => {
    for (const cut of ['before', 'within'] as const) {
      lab.api.control.answerNext(version, { cut });
      await assert.rejects(ask(lab, 'GET', '/version'), /aborted|socket hang up|ECONNRESET/);
    }
  });

  test('what was asked for is done although no answer comes', async () => {
    lab.api.control.answerNext({ method: 'PUT' }, { cut: 'before', carriedOut: true });
    await assert.rejects(ask(lab, 'PUT', '/nodes/pve1/lxc/102/config', { tags: 'done' }));
    const config = await get<Record<string, unknown>>(lab, '/nodes/pve1/lxc/102/config');
    assert.equal(config.tags, 'done');
  });

  test('an answer of any size', async () => {
    lab.api.control.answerNext(version, { dataBytes: 3_000_000 });
    assert.equal((await get<string>(lab, '/version')).length, 3_000_000);
  });

  test('a delay, until it is taken back', async () => {
    lab.api.control.delay(version, 60);
    const since = performance.now();
    await get(lab, '/version');
    assert.ok(performance.now() - since >= 50);
  });

  test('no connection at all', async () => {
    lab.api.control.refuseConnections(true);
    await assert.rejects(ask(lab, 'GET', '/version'));
    lab.api.control.refuseConnections(false);
    assert.equal((await ask(lab, 'GET', '/version')).status, 200);
  });
});

describe('tasks', () => {
  test('one is stopped, and says so', async () => {
    lab.api.control.taskMs = 60_000;
    const { data: upid } = await ask(lab, 'POST', '/nodes/pve1/qemu/300/status/reset');
    lab.api.control.taskMs = 0;
    const path = `/nodes/pve1/tasks/${encodeURIComponent(String(upid))}`;
    assert.equal((await get<{ status: string }>(lab, `${path}/status`)).status, 'running');
    const active = await get<{ upid: string }[]>(lab, '/nodes/pve1/tasks', { source: 'active' });
    assert.deepEqual(
      active.map((task) => task.upid),
      [upid],
    );
    assert.equal((await ask(lab, 'DELETE', path)).status, 200);
    const ended = await get<{ status: string; exitstatus: string }>(lab, `${path}/status`);
    assert.deepEqual([ended.status, ended.exitstatus], ['stopped', 'received interrupt']);
    assert.equal(lab.node.guest(300)?.pid === undefined, false);
  });

  test('the next one fails, or warns, as it is told', async () => {
    lab.api.control.failNextTask('no space left', 'vzsnapshot');
    const started = await carryOut(lab, 'POST', '/nodes/pve1/lxc/102/status/start');
    assert.equal(started.exitStatus, 'OK');
    const path = '/nodes/pve1/lxc/102/snapshot';
    const failed = await carryOut(lab, 'POST', path, { snapname: 'one' });
    assert.deepEqual([failed.exitStatus, failed.lines], ['no space left', ['TASK ERROR: no space left']]);
    lab.api.control.warnNextTask('low on space');
    const warned = await carryOut(lab, 'POST', path, { snapname: 'two' });
    assert.deepEqual(
      [warned.exitStatus, warned.lines],
      ['WARNINGS: 1', ['WARN: low on space', 'TASK WARNINGS: 1']],
    );
    const names = lab.node.guest(102)?.snapshots.map(({ name }) => name);
    assert.deepEqual(names, ['two']);
  });

  test('lists are filtered and counted', async () => {
    const list = async (params: Record<string, string | number>) => {
      const answer = await ask(lab, 'GET', '/nodes/pve1/tasks', params);
      return { total: answer.total, types: (answer.data as { type: string }[]).map(({ type }) => type) };
    };
    assert.deepEqual(await list({ errors: 1, vmid: 102 }), { total: 2, types: ['vzsnapshot', 'vzsnapshot'] });
    assert.deepEqual(await list({ statusfilter: 'warning' }), { total: 1, types: ['vzsnapshot'] });
    assert.deepEqual(await list({ typefilter: 'vzstart', limit: 1 }), { total: 1, types: ['vzstart'] });
    assert.deepEqual((await list({ vmid: 102, start: 1, limit: 1 })).types, ['vzsnapshot']);
    assert.deepEqual((await list({ since: Math.floor(Date.now() / 1000) + 5 })).types, []);
  });

  test("somebody else's needs a privilege, one's own none", async () => {
    const login = loginWith(lab, 'power', ['VM.PowerMgmt']);
    const { data } = await ask(lab, 'POST', '/nodes/pve1/qemu/300/status/reset', {}, login);
    const path = `/nodes/pve1/tasks/${encodeURIComponent(String(data))}/status`;
    assert.equal((await ask(lab, 'GET', path, {}, login)).status, 200);
    const other = loginWith(lab, 'other', ['VM.PowerMgmt']);
    const refused = await ask(lab, 'GET', path, {}, other);
    assert.equal(refused.message, 'Permission check failed (/nodes/pve1, Sys.Audit)\n');
  });
});
