/** The way into a container, tried with this machine's own shell in its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, GatewayError } from '../../../src/base/errors.ts';
import { wholeText } from '../../../src/exec/capture.ts';
import { createLocalExecutor } from '../../../src/exec/local.ts';
import type { ContainerDriver } from '../../../src/ops/driver.ts';
import type { Inventory } from '../../../src/ops/inventory.ts';
import { type ContainerCommandRequest, createRun } from '../../../src/ops/run.ts';

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Enters nothing: the commands run here, with the environment that a container gives. */
const driver: ContainerDriver = {
  name: 'lxc-attach',
  attach: (_vmid, argv) => ['env', '-i', path, 'TERM=dumb', 'container=lxc', ...argv],
  states: '',
  running: () => new Set(),
};

const absent = () => assert.fail('nobody asks for that here');
const inventory: Inventory = {
  list: absent,
  find: absent,
  findNamed: absent,
  now: absent,
  onOwner: absent,
  nodes: absent,
  get: absent,
  getOn: absent,
  config: absent,
  driver: async () => driver,
};

const executor = createLocalExecutor({ sudo: false });
const site = { node: 'pve1', executor };
const run = createRun({
  hosts: {
    first: executor,
    on: async () => site,
    here: async () => site,
    status: () => [],
    know() {},
    close: async () => {},
  },
  inventory,
  reach: (_vmid, _signal, attempt) => attempt(site),
});
const options = { signal: new AbortController().signal };
const here = { skip: process.platform !== 'linux' && 'needs Linux' };

async function result(request: Partial<ContainerCommandRequest> & { command: string }) {
  const defaults = { vmid: 100, timeoutMs: 10_000, maxBytes: 100_000 };
  const { exitCode, stdout, stderr } = await run.inContainer({ ...defaults, ...request }, options);
  return { exitCode, stdout: wholeText(stdout), stderr: wholeText(stderr) };
}

test('a command runs in a shell, with its own output and exit code alone', here, async () => {
  const said = await result({ command: 'echo out; echo err >&2; exit 7' });
  assert.deepEqual(said, { exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
});

test('text of any kind reaches the command byte for byte', here, async () => {
  const text = `a'b"c\\d$(id)\`id\`\n\t*?~!%é🙂`;
  const env = { TEXT: text, _x9: '' };
  assert.equal((await result({ command: 'printf %s "$TEXT"', env })).stdout, text);
  assert.equal((await result({ command: 'cat', stdin: text })).stdout, text);
  assert.equal((await result({ command: `printf %s '${text.replaceAll("'", "'\\''")}'` })).stdout, text);
});

/** Values of variables are neither judged nor recorded, so none may become what is executed, or as whom. */
const inner = ['command', 'shell', 'user', 'uid', 'gid', 'home', 'dir', 'mark', 'name', 'h', 'u', 'g', '_'];
for (const name of inner) {
  test(`a variable named «${name}» does not change what runs`, here, async () => {
    const said = await result({ command: 'echo as-asked', env: { [name]: 'echo something-else' } });
    assert.deepEqual(said, { exitCode: 0, stdout: 'as-asked\n', stderr: '' });
  });
}

const isRoot = process.getuid?.() === 0;
const asRoot = { skip: here.skip || (!isRoot && 'needs root, as in a container') };
test('no variable makes a user another', asRoot, async () => {
  const { stdout } = await result({ command: 'id -u', user: 'nobody', env: { uid: '0', gid: '0' } });
  assert.notEqual(stdout, '0\n');
  assert.match(stdout, /^\d+\n$/);
});

test('a variable is set for the command, and home and user are the user’s', asRoot, async () => {
  const command = 'printf "%s " "$HOME" "$USER" "$LANG" "$container"; pwd';
  const { stdout } = await result({ command, env: { LANG: 'C.UTF-8' } });
  assert.match(stdout, /^\/root root C\.UTF-8 lxc \/root\n$/);
});

test('a directory is changed into before the command, and never executed', here, async () => {
  assert.equal((await result({ command: 'pwd', cwd: '/usr' })).stdout, '/usr\n');
  const notThere = (code: ErrorCode, word: RegExp) => (error: unknown) =>
    error instanceof GatewayError && error.code === code && word.test(error.message);
  await assert.rejects(result({ command: 'pwd', cwd: '/tmp; id' }), notThere('INVALID_ARGUMENT', /cwd/));
  await assert.rejects(
    result({ command: 'pwd', user: 'no-such-user' }),
    notThere('INVALID_ARGUMENT', /user/),
  );
});

test('nothing of the gateway’s own environment reaches the command', here, async () => {
  process.env.CANARY_OF_THE_GATEWAY = 'c4n4ry';
  const { stdout } = await result({ command: 'env; cat /proc/$$/environ' });
  delete process.env.CANARY_OF_THE_GATEWAY;
  assert.doesNotMatch(stdout, /c4n4ry/);
});

test('what is too long once it is quoted is the caller’s to change', here, async () => {
  const isRefused = (error: unknown) => error instanceof GatewayError && error.code === 'INVALID_ARGUMENT';
  await assert.rejects(result({ command: `echo ${"'".repeat(40_000)}` }), isRefused);
});
