/** Every entry of the catalogue for what this gateway takes, through the HTTP surface, held to what it says of it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileNode } from '../../lab/files/inode.ts';
import { findNode, plant, type Tree } from '../../lab/files/tree.ts';
import { underCi } from '../ci.ts';
import {
  eventually,
  failureOf,
  ordersTo,
  otherToken,
  startTestGateway,
  type TestGateway,
  textOf,
  token,
} from './harness.ts';
import { httpExpectations } from './hostile-http.ts';
import {
  call,
  deniedVmids,
  type Entry,
  hostileValue,
  readCatalogue,
  startWorld,
  type World,
} from './hostile-values.ts';
import { execTool } from './raw-http.ts';

const fields = /^(vmid|command|timeout|env|cwd|user|jsonrpc|http|tool|token)(\.|$)/;

/** The arguments by which a value of the field reaches the gateway. */
function argumentsFor({ field }: Entry, value: unknown): Record<string, unknown> {
  const usual = { vmid: 100, command: 'true', timeout: 20 };
  switch (field) {
    case 'vmid':
    case 'command':
    case 'timeout':
    case 'cwd':
    case 'user':
      return { ...usual, [field]: value };
    case 'env.name':
      return { ...usual, env: { [String(value)]: '/tmp/x.so' } };
    case 'env.value':
      return { ...usual, command: 'printf %s "$V"', env: { V: value } };
    case 'tool.arguments':
      return value as Record<string, unknown>;
    default:
      return assert.fail(`no argument is called ${field}`);
  }
}

interface Output {
  readonly exit_code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly note?: string;
}

interface Trial extends World {
  readonly entry: Entry;
  readonly value: unknown;
}

async function resultOf({ entry, value }: Trial, gateway: TestGateway, more: object = {}) {
  const { result } = await call(gateway, execTool, { ...argumentsFor(entry, value), ...more });
  assert.ok(result, 'no result came');
  return result;
}

async function output(trial: Trial, gateway = trial.gateway): Promise<Output & { ms: number }> {
  const startedAt = performance.now();
  const result = await resultOf(trial, gateway);
  assert.notEqual(result.isError, true, textOf(result));
  return { ...(result.structuredContent as unknown as Output), ms: performance.now() - startedAt };
}

/** Refused before anything went to the host. */
async function rejected(trial: Trial, code: string): Promise<string> {
  const { lab } = trial.gateway;
  const mark = lab.control.heardTotal;
  const failure = failureOf(await resultOf(trial, trial.gateway));
  assert.equal(failure.code, code);
  assert.equal(failure.outcome, 'not_started');
  assert.deepEqual(ordersTo(lab, mark), [], 'it reached the host');
  return failure.error;
}

function treesOf({ gateway }: World): { container: Tree; node: Tree } {
  const container = gateway.lab.node.guest(100)?.machine?.files;
  assert.ok(container);
  return { container, node: gateway.lab.node.files };
}

/** Processes in the container whose command line holds the text. */
function runningIn({ lab }: TestGateway, text: string): number {
  const machine = lab.node.guest(100)?.machine;
  assert.ok(machine);
  return lab.node.processes
    .visibleFrom(machine)
    .filter(({ argv, machine: where }) => where === machine && argv.join(' ').includes(text)).length;
}

type Expectation = (trial: Trial) => Promise<unknown>;

/** What the entries about arguments of a call expect, by the very words. */
const expectations: Readonly<Record<string, Expectation>> = {
  'reject:PERMISSION_DENIED identical wording whether or not CT 101 exists': async (trial) => {
    const words = [];
    for (const vmid of deniedVmids)
      words.push((await rejected({ ...trial, value: vmid }, 'PERMISSION_DENIED')).replaceAll(`${vmid}`, 'N'));
    assert.equal(deniedVmids[0], trial.value);
    assert.equal(words[0], words[1]);
  },
  'ok in CT (pct: not found); host tool off by default: reject:PERMISSION_DENIED': async (trial) => {
    const { exit_code, stderr } = await output(trial);
    assert.equal(exit_code, 127);
    assert.match(stderr, /pct.*not found/);
    const { result } = await call(trial.gateway, 'proxmox_host_exec_command', { command: trial.value });
    assert.equal(failureOf(result ?? {}).code, 'PERMISSION_DENIED');
  },
  'reject:INVALID_ARGUMENT or runs; never a connection reset': async (trial) => {
    const { connections } = trial.gateway.lab.control;
    const result = await resultOf(trial, trial.gateway);
    if (result.isError === true) assert.equal(failureOf(result).code, 'INVALID_ARGUMENT');
    assert.ok(trial.gateway.lab.control.connections >= connections);
    assert.doesNotMatch(trial.gateway.log.join(''), /a connection to the host has ended/);
  },
  'limit: CT pids limit holds; the gateway call times out and others proceed': async (trial) => {
    await rejected(trial, 'PERMISSION_DENIED');
    // On a node of its own: the pretend one has a single limit for all its machines.
    const own = await startTestGateway({ env: { ENABLE_DANGEROUS_COMMANDS: 'true' } });
    try {
      const bomb = resultOf(trial, own, { timeout: 3 });
      assert.equal((await fetch(new URL('/livez', own.url))).status, 200);
      const ended = await bomb;
      if (ended.isError === true) assert.match(failureOf(ended).code, /^COMMAND_(TIMEOUT|NOT_STARTED)$/);
      await eventually(async () => {
        const { result } = await call(own, execTool, { vmid: 101, command: 'echo proceeds' });
        return result !== undefined && textOf(result).includes('proceeds') ? true : undefined;
      }, 15_000);
    } finally {
      await own.close();
    }
  },
  "ok: returns exit 0 within a short drain grace after 'exit'": async (trial) => {
    const { exit_code, ms } = await output(trial);
    assert.equal(exit_code, 0);
    assert.ok(ms < 3_000, `${ms} ms`);
  },
  'ok: exit_code 137, never 0': async (trial) => assert.equal((await output(trial)).exit_code, 137),
  'ok: returns at once; result notes that background processes are not tracked': async (trial) => {
    const { exit_code, note, ms } = await output(trial);
    assert.equal(exit_code, 0);
    assert.match(note ?? '', /not tracked/);
    assert.ok(ms < 3_000, `${ms} ms`);
  },
  "ok: exitCode 255 reported as the command's, told apart from transport failure by channel state": async (
    trial,
  ) => {
    assert.equal((await output(trial)).exit_code, 255);
    const cut = resultOf({ ...trial, value: 'sleep 59; exit 255' }, trial.lax);
    await eventually(() => (runningIn(trial.lax, 'sleep 59') > 0 ? true : undefined));
    trial.lax.lab.control.dropConnections();
    const failure = failureOf(await cut);
    assert.equal(failure.code, 'CONNECTION_LOST');
    assert.equal(failure.outcome, 'unknown');
  },
  'limit: same as yes; valid JSON out (base64 or U+FFFD), no crash': async (trial) => {
    for (const form of ['text', 'json']) {
      const result = await resultOf(trial, trial.lax, { timeout: 1, response_format: form });
      const { code, stdout = '' } = failureOf(result);
      assert.equal(code, 'COMMAND_TIMEOUT');
      assert.ok(stdout.length > 100 && stdout.length < 10_000, `${stdout.length} characters`);
      assert.ok(stdout.isWellFormed());
      await eventually(() => (runningIn(trial.lax, 'urandom') === 0 ? true : undefined), 2_000);
    }
  },
  'ok: no gateway or host variable present (run with --keep-env 0)': async (trial) => {
    const { stdout } = await output(trial);
    const names = [...stdout.matchAll(/^([A-Za-z_]\w*)=/gm)].map(([, name]) => name ?? '');
    assert.ok(names.includes('PATH'));
    for (const name of names)
      assert.match(name, /^(PATH|HOME|USER|LOGNAME|TERM|PWD|OLDPWD|SHLVL|container|_)$/);
    assert.ok(!stdout.includes(token) && !stdout.includes(trial.gateway.lab.password));
  },
  'ok: stdin is closed, returns at once': async (trial) => {
    const { stdout, ms } = await output(trial);
    assert.equal(stdout, 'got:\n');
    assert.ok(ms < 3_000, `${ms} ms`);
  },
  'literal: host file does not exist': async (trial) => {
    await resultOf(trial, trial.gateway);
    const { container, node } = treesOf(trial);
    assert.equal(findNode(node, '/root/pwned'), undefined);
    assert.equal(findNode(container, '/root/pwned'), undefined);
  },
  'ok: carried as string data only': async (trial) => {
    const { stdout } = await output(trial);
    assert.equal(stdout, '{"jsonrpc":"2.0","id":1,"result":{}}\n');
  },
  'literal: both lines run in the CT only': async (trial) => {
    const { container, node } = treesOf(trial);
    for (const tree of [container, node]) plant(tree, '/tmp/x', fileNode(''));
    assert.equal((await output(trial)).stdout, 'a\n');
    assert.equal(findNode(container, '/tmp/x'), undefined);
    assert.ok(findNode(node, '/tmp/x'), 'it ran on the node');
  },
  'reject or literal: never executed': async (trial) => {
    const result = await resultOf(trial, trial.gateway);
    assert.doesNotMatch(JSON.stringify(result), /uid=/);
    if (result.isError === true) assert.equal(failureOf(result).code, 'INVALID_ARGUMENT');
    else assert.equal((result.structuredContent as unknown as Output).exit_code, 0);
  },
  literal: async (trial) => assert.equal((await output(trial)).stdout, trial.value),
};

/** Fails on an expectation that nothing here can hold an entry to. */
function expectationOf({ field, expect }: Entry): Expectation {
  const http = httpExpectations[`${field} → ${expect}`];
  if (http !== undefined) return ({ gateway, lax, entry }) => http({ gateway, lax }, entry);
  const own = expectations[expect];
  if (own !== undefined) return own;
  const code = /^reject:([A-Z_]+)(?: \([^)]*\))?$/.exec(expect)?.[1];
  assert.ok(code, `nothing is known of the expectation «${expect}» of ${field}`);
  return (trial) => rejected(trial, code);
}

const catalogue = readCatalogue();
const skip =
  catalogue === undefined && !underCi && 'the catalogue of hostile inputs is not beside the project';

describe('hostile inputs', { skip, concurrency: false }, () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.cleanUp());

  const entries = (catalogue ?? []).filter(({ field }) => fields.test(field));

  test('there are some for every field', () => {
    const seen = new Set(entries.map(({ field }) => field.split('.')[0]));
    assert.deepEqual(
      [...seen].sort(),
      'command cwd env http jsonrpc timeout token tool user vmid'.split(' '),
    );
  });

  for (const entry of entries) {
    const shown = JSON.stringify(entry.value).slice(0, 60);
    test(`${entry.field} ${shown} (${entry.why.slice(0, 60)}): ${entry.expect}`, async () => {
      const value = entry.field.startsWith('jsonrpc.id') ? undefined : hostileValue(entry);
      await expectationOf(entry)({ ...world, entry, value });
      const { result } = await call(world.gateway, execTool, { vmid: 100, command: 'echo serves-on' });
      assert.match(textOf(result ?? {}), /serves-on/);
      assert.doesNotMatch(world.gateway.log.join(''), /"level":"error"/);
    });
  }

  test('after all of them no secret is in log, audit log or metrics', async () => {
    for (const gateway of [world.gateway, world.lax]) {
      const audit = await gateway.audit();
      assert.ok(audit.length > 0);
      const metrics = await (await fetch(gateway.metricsUrl)).text();
      const key = (await readFile(`${gateway.stateDir}/session.key`)).toString('base64');
      const written = gateway.log.join('') + JSON.stringify(audit) + metrics;
      for (const secret of [token, otherToken, gateway.lab.password, key, gateway.lab.clientKey])
        assert.ok(!written.includes(secret));
      // Every call that began has ended, on record.
      const begun = audit.filter(({ event }) => event === 'begin').map(({ requestId }) => requestId);
      const ended = new Set(
        audit.filter(({ event }) => event === 'finish').map(({ requestId }) => requestId),
      );
      assert.deepEqual(
        begun.filter((id) => !ended.has(id)),
        [],
      );
    }
  });
});
