/** An API that is away, changes its certificate or its tokens, cuts off, floods or refuses: what a client is told. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { LabAnswer } from '../../../lab/api/control.ts';
import { eventually, failureOf, textOf } from '../harness.ts';
import { type ApiGateway, startApiGateway } from './api-gateway.ts';

const status = { method: 'GET', path: /\/qemu\/300\/status\/current$/ };
const stop = { method: 'POST', path: /\/qemu\/300\/status\/stop$/ };
const secrets: string[] = [];

describe('one API host', () => {
  let gateway: ApiGateway;
  let control: ApiGateway['lab']['api']['control'];
  before(async () => {
    gateway = await startApiGateway();
    control = gateway.lab.api.control;
    secrets.push(gateway.lab.apiTokenSecret);
  });
  after(async () => {
    const written = await gateway.written();
    await gateway.close();
    assert.match(written, /proxmox_vm_status/, 'there is something to look at');
    for (const secret of secrets) assert.ok(!written.includes(secret), 'a secret of the token was written');
  });
  beforeEach(() => {
    control.clearDelays();
    control.refuseConnections(false);
  });
  const vmStatus = () => gateway.call('proxmox_vm_status', { vmid: 300 });
  const stopVm = () => gateway.call('proxmox_stop_vm', { vmid: 300 });
  const works = async () => assert.match(textOf(await vmStatus()), /^300 vm1: /);
  const told = async (call: Promise<Record<string, unknown>>, code: string) => {
    const failure = failureOf(await call);
    assert.equal(failure.code, code, JSON.stringify(failure));
    for (const secret of secrets) assert.ok(!JSON.stringify(failure).includes(secret));
    return failure;
  };
  /** In place of the answer to what is meant, as often as it is asked for. */
  const instead = (meant: { method: string; path: RegExp }, answer: LabAnswer, times = 1) => {
    for (let count = 0; count < times; count++) control.answerNext(meant, answer);
  };

  test('a renewed certificate is refused with its fingerprint, and accepted once the pin is changed', async () => {
    await works();
    const { fingerprint } = gateway.lab.renewCertificate();
    control.dropConnections();
    const before = control.requests.length;
    const failure = await told(vmStatus(), 'API_TLS_REFUSED');
    assert.ok(failure.error.includes(fingerprint), failure.error);
    assert.match(failure.suggestion, /PROXMOX_TLS_FINGERPRINT/);
    assert.equal(control.requests.length, before, 'nothing was sent');
    await gateway.setFingerprints(fingerprint);
    await works();
  });

  test('a rotated token is read from its file, and a wrong one is refused without trying again and again', async () => {
    const all = ['VM.Audit', 'VM.PowerMgmt', 'Sys.Audit'];
    const next = gateway.lab.api.addToken({ id: gateway.lab.apiTokenId, privileges: { '/': all } });
    secrets.push(next);
    const before = gateway.heard('GET', /./);
    const failure = await told(vmStatus(), 'API_AUTH_FAILED');
    assert.equal(failure.outcome, 'not_started');
    assert.equal(failure.retryable, false);
    assert.equal(gateway.heard('GET', /./), before + 1);
    await gateway.setSecret(next);
    await works();
  });

  test('a missing privilege is named with its path', async () => {
    const { lab } = gateway;
    const weak = lab.api.addToken({ id: lab.apiTokenId, privileges: { '/': ['VM.Audit', 'Sys.Audit'] } });
    secrets.push(weak);
    await gateway.setSecret(weak);
    const failure = await told(stopVm(), 'API_FORBIDDEN');
    assert.match(failure.error, /it lacks VM\.PowerMgmt on \/vms\/300\./);
    assert.match(failure.error, /Nothing was changed\.$/);
    const strong = lab.api.addToken({
      id: lab.apiTokenId,
      privileges: { '/': ['VM.Audit', 'VM.PowerMgmt', 'Sys.Audit'] },
    });
    secrets.push(strong);
    await gateway.setSecret(strong);
    await works();
  });

  test('a gateway error behind the API: what reads is asked again, what changes is not', async () => {
    instead(status, { status: 596, reason: 'Broken pipe' }, 2);
    await works();
    instead(status, { status: 595, reason: 'No route to host' }, 3);
    assert.equal((await told(vmStatus(), 'API_NO_ANSWER')).retryable, true);
    const before = gateway.heard('POST', stop.path);
    instead(stop, { status: 596, reason: 'Broken pipe' });
    const unknown = await told(stopVm(), 'API_OUTCOME_UNKNOWN');
    assert.equal(unknown.outcome, 'unknown');
    assert.match(unknown.stderr ?? '', /untrusted.*Broken pipe/s);
    assert.equal(gateway.heard('POST', stop.path), before + 1);
    instead(stop, { status: 595, reason: 'No route to host' });
    assert.equal((await told(stopVm(), 'API_UNREACHABLE')).outcome, 'not_started');
    assert.equal(gateway.heard('POST', stop.path), before + 2);
  });

  test('an answer that is cut off: what reads is asked again, what changes is unknown', async () => {
    instead(status, { cut: 'within' });
    await works();
    instead(status, { cut: 'before' });
    await works();
    const before = gateway.heard('POST', stop.path);
    instead(stop, { cut: 'before', carriedOut: true });
    await told(stopVm(), 'API_OUTCOME_UNKNOWN');
    assert.equal(gateway.heard('POST', stop.path), before + 1);
  });

  test('an answer that is larger than what is read', async () => {
    instead(status, { dataBytes: 9 * 1024 * 1024 });
    assert.match((await told(vmStatus(), 'API_ANSWER_TOO_LARGE')).error, /8388608 bytes/);
    await works();
  });

  test('an answer that is none', async () => {
    instead(status, { status: 200, body: '{"data":' });
    await told(vmStatus(), 'UNEXPECTED_ANSWER');
    instead(status, { status: 500, reason: 'boom', body: '' });
    assert.match((await told(vmStatus(), 'API_REFUSED')).stderr ?? '', /boom/);
  });

  test('a node that is away is told to be, and used again as soon as it is back', async () => {
    control.refuseConnections(true);
    control.dropConnections();
    const failure = await told(vmStatus(), 'API_UNREACHABLE');
    assert.equal(failure.outcome, 'not_started');
    control.refuseConnections(false);
    await works();
  });

  test('a client that goes away is not waited for', async () => {
    instead(status, { silent: true });
    const controller = new AbortController();
    const before = gateway.heard('GET', status.path);
    const call = gateway.client.callTool(
      { name: 'proxmox_vm_status', arguments: { vmid: 300 } },
      { signal: controller.signal },
    );
    const ended = assert.rejects(call);
    await eventually(() => (gateway.heard('GET', status.path) > before ? true : undefined));
    controller.abort();
    await ended;
    await works();
  });
});

test('of several API hosts another one takes over, and the certificate of each counts', async () => {
  const gateway = await startApiGateway(['pve1', 'pve2']);
  try {
    const { control } = gateway.lab.api;
    const asked = async () => {
      const before = control.requests.length;
      assert.match(textOf(await gateway.call('proxmox_vm_status', { vmid: 300 })), /^300 vm1: /);
      return new Set(control.requests.slice(before).map(({ node }) => node));
    };
    assert.deepEqual(await asked(), new Set(['pve1']));
    control.refuseConnections(true, 'pve1');
    control.dropConnections();
    // The connection that was dropped is found out by a call that reads.
    assert.deepEqual(await asked(), new Set(['pve2']));
    control.refuseConnections(false, 'pve1');
    gateway.lab.nodes.get('pve2')?.renewCertificate();
    control.dropConnections();
    assert.deepEqual(await asked(), new Set(['pve1']), 'an unknown certificate is nobody');
  } finally {
    await gateway.close();
  }
});
