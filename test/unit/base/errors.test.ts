import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, effectOf, failure, GatewayError } from '../../../src/base/errors.ts';

type FactsOf<C extends ErrorCode> = Parameters<typeof failure<C>>[1];

/** Written out, so that a new code or a new fact fails to compile until it is thought of here. */
const facts: { readonly [C in ErrorCode]: FactsOf<C> } = {
  INVALID_ARGUMENT: { problem: 'vmid: must be a number' },
  PERMISSION_DENIED: { reason: 'the gateway is read-only (READ_ONLY)' },
  CONTAINER_NOT_FOUND: { vmid: 100 },
  NOT_A_CONTAINER: { vmid: 100 },
  CONTAINER_ELSEWHERE: { vmid: 100, node: 'pve2', here: 'pve1' },
  CONTAINER_NOT_RUNNING: { vmid: 100 },
  CONTAINER_LOCKED: { vmid: 100, lock: 'backup' },
  CONTAINER_IS_TEMPLATE: { vmid: 100 },
  COMMAND_NOT_STARTED: { where: 'in container 100' },
  COMMAND_TIMEOUT: { timeoutS: 30, stopped: true },
  CANCELLED: { stopped: true },
  CANCELLED_EARLY: {},
  LOOK_FAILED: { what: 'its guests' },
  ACTION_FAILED: { action: 'start container 100' },
  ACTION_INCOMPLETE: { action: 'stop container 100', state: 'running' },
  TOO_LARGE: { what: 'The file', maxBytes: 10, setting: 'MAX_FILE_SIZE', bytes: 11 },
  TOO_LARGE_INLINE: { bytes: 11, maxBytes: 10 },
  FILE_NOT_FOUND: { where: 'in container 100' },
  DIRECTORY_NOT_FOUND: { where: 'in container 100' },
  IS_DIRECTORY: { where: '/srv' },
  FILE_EXISTS: { where: 'in container 100' },
  FILE_CHANGED: { path: '/srv/a' },
  CHECKSUM_MISMATCH: { sha256: 'abc123' },
  SIZE_MISMATCH: { announced: 10, sent: 11 },
  NO_SPACE: { where: 'in container 100' },
  NOT_WRITABLE: { where: 'in container 100', problem: 'its file system is read-only' },
  NOT_READABLE: { where: 'in container 100', problem: 'it cannot be opened' },
  TRANSFER_INTERRUPTED: { why: 'the client went away' },
  TRANSFER_CANCELLED: {},
  TRANSFER_TIMEOUT: { timeoutS: 900 },
  TRANSFER_UNCERTAIN: { why: 'the connection to the host was lost' },
  TRANSFER_UNPROVEN: { why: 'the size differs' },
  TRANSFER_FOLDER: { problem: 'it does not exist' },
  SSH_NOT_CONFIGURED: {},
  API_NOT_CONFIGURED: {},
  API_UNREACHABLE: { host: 'pve.lan', problem: 'the connection was refused' },
  API_TLS_REFUSED: { host: 'pve.lan', problem: 'it has expired', seen: 'AB:CD' },
  API_AUTH_FAILED: { host: 'pve.lan', problem: 'its API token was not accepted' },
  API_FORBIDDEN: { action: 'start VM 100', privilege: 'VM.PowerMgmt', path: '/vms/100' },
  API_ROOT_ONLY: { action: 'change container 100' },
  API_REFUSED: { action: 'change VM 100', parameters: ['memory'] },
  API_FAILED: { action: 'start VM 100' },
  API_NO_ANSWER: { host: 'pve.lan', problem: 'it answered 502' },
  API_OUTCOME_UNKNOWN: { action: 'start VM 100', problem: 'the connection was lost' },
  API_ANSWER_TOO_LARGE: { maxBytes: 10 },
  GUEST_NOT_FOUND: { vmid: 100 },
  GUEST_NAME_UNKNOWN: { name: 'web' },
  GUEST_NAME_AMBIGUOUS: { name: 'web', vmids: [100] },
  NOT_A_VM: { vmid: 100 },
  GUEST_LOCKED: { vmid: 100, lock: 'backup' },
  GUEST_IS_TEMPLATE: { vmid: 100 },
  GUEST_RUNNING: { action: 'delete container 100' },
  SHUTDOWN_TIMED_OUT: { name: 'virtual machine 300', timeoutS: 60 },
  VM_NOT_RUNNING: { vmid: 100 },
  AGENT_UNAVAILABLE: { vmid: 100 },
  AGENT_NOT_CONFIGURED: { vmid: 100 },
  AGENT_COMMAND_UNSEEN: { vmid: 100, problem: 'the connection was lost' },
  NODE_UNKNOWN: { node: 'pve2' },
  NODE_OUT_OF_REACH: { node: 'pve2', here: 'pve1' },
  TASK_FAILED: { action: 'start VM 100', upid: 'UPID:pve1:1:' },
  TASK_LEFT_RUNNING: { action: 'start VM 100', upid: 'UPID:pve1:1:' },
  CONFIRMATION_INVALID: { problem: 'it has expired' },
  CONFIRMATION_DECLINED: {},
  CONFIRMATION_IMPOSSIBLE: {},
  UNEXPECTED_ANSWER: { from: '/etc/pve/.vmlist' },
  HOST_UNREACHABLE: { host: 'pve.lan', problem: 'the connection was refused', retryInS: 3 },
  HOST_KEY_REFUSED: { host: 'pve.lan', seen: 'SHA256:abc' },
  SSH_AUTH_FAILED: { host: 'pve.lan', username: 'root', retryInS: 60 },
  SHELL_UNSUPPORTED: { host: 'pve.lan' },
  CONNECTION_LOST: { host: 'pve.lan' },
  BUSY: { what: 'commands waiting for the host', retryInS: 5 },
  AUDIT_UNAVAILABLE: {},
  SHUTTING_DOWN: {},
  INTERNAL: { requestId: 'f00d' },
};

function failureOf(code: ErrorCode): GatewayError {
  return failure(code, facts[code] as never);
}

for (const code of Object.keys(facts) as ErrorCode[]) {
  test(`${code} tells its facts in whole sentences and gives advice`, () => {
    const error = failureOf(code);
    assert.equal(error.code, code);
    assert.match(error.message, /^\S.*\.$/);
    assert.match(error.advice, /\.$/);
    assert.doesNotMatch(`${error.message} ${error.advice}`, /undefined|null|NaN|\[object/);
    const told = Object.values(facts[code]).filter((fact) => typeof fact !== 'boolean');
    for (const fact of told) assert.ok(error.message.includes(String(fact)), `«${fact}» is not told`);
  });
}

test('what never began may promise that nothing was changed, and nothing else may', () => {
  for (const code of Object.keys(facts) as ErrorCode[]) {
    const { outcome } = failureOf(code);
    assert.equal(effectOf(outcome) === 'Nothing was changed.', outcome === 'not_started', code);
  }
});

test('an outcome that nobody knows is never said to be safe to repeat', () => {
  for (const code of Object.keys(facts) as ErrorCode[]) {
    const { outcome, retryable } = failureOf(code);
    if (outcome === 'unknown') assert.equal(retryable, false, code);
  }
});

test('a timeout says whether the command was stopped', () => {
  const stopped = failure('COMMAND_TIMEOUT', { timeoutS: 3, stopped: true });
  const lost = failure('COMMAND_TIMEOUT', { timeoutS: 3, stopped: false });
  assert.match(stopped.message, /It was stopped/);
  assert.match(lost.message, /is not known/);
});

test('a wait that is not known is not mentioned', () => {
  const error = failure('HOST_UNREACHABLE', { host: 'pve.lan', problem: 'its name cannot be resolved' });
  assert.doesNotMatch(error.message, /next attempt/);
});

test('what is not known of a refusal by the API is not mentioned', () => {
  const bare = failure('API_FORBIDDEN', { action: 'start VM 100', privilege: '', path: '' });
  assert.match(bare.message, /may not start VM 100\.$/);
  const pathless = failure('API_FORBIDDEN', { action: 'start VM 100', privilege: 'Sys.Audit', path: '' });
  assert.match(pathless.message, /it lacks Sys\.Audit\.$/);
  assert.match(failure('API_REFUSED', { action: 'start VM 100' }).message, /refused to start VM 100\.$/);
  const unseen = failure('API_TLS_REFUSED', { host: 'pve.lan', problem: 'no pin is set' });
  assert.doesNotMatch(unseen.message, /fingerprint/);
});

test('cause and evidence stay out of the message', () => {
  const cause = new Error('secret detail');
  const error = failure('CANCELLED', { stopped: true }, { cause, evidence: { stderr: 'canary' } });
  assert.equal(error.cause, cause);
  assert.deepEqual(error.evidence, { stderr: 'canary' });
  assert.doesNotMatch(error.message + error.advice, /secret detail|canary/);
});

test('a failure without a cause has none, and without evidence has an empty one', () => {
  const error = failure('CANCELLED', { stopped: true });
  assert.equal('cause' in error, false);
  assert.deepEqual(error.evidence, {});
  assert.ok(error instanceof GatewayError && error instanceof Error);
  assert.equal(error.name, 'GatewayError');
});
