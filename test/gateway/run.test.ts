import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, failureOf, startTestGateway, type TestGateway, textOf } from './harness.ts';

interface Output {
  readonly exit_code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly success: boolean;
  readonly stdout_truncated?: true;
  readonly stdout_original_length?: number;
  readonly stdout_encoding?: 'base64';
}

describe('running commands in a container', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({ env: { CHARACTER_LIMIT: '1000' } });
  });
  after(() => gateway.close());

  const exec = async (args: Record<string, unknown>) => {
    const client = await gateway.modern();
    return await client.callTool({
      name: 'proxmox_container_exec_command',
      arguments: { vmid: 100, ...args },
    });
  };
  const output = async (args: Record<string, unknown>) =>
    (await exec(args)).structuredContent as unknown as Output;

  test('output, errors and exit code come back, as text and as data', async () => {
    const result = await exec({ command: 'echo out; echo err >&2; exit 3' });
    assert.deepEqual(result.structuredContent, {
      exit_code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
      success: false,
    });
    assert.equal(textOf(result), 'STDOUT:\nout\n\n\nSTDERR:\nerr\n\n\nExit code: 3');
    assert.notEqual(result.isError, true);
  });

  test('the JSON form has the same keys as ever', async () => {
    const result = await exec({ command: 'printf hello', response_format: 'json' });
    assert.deepEqual(JSON.parse(textOf(result)), {
      exit_code: 0,
      stdout: 'hello',
      stderr: '',
      success: true,
    });
  });

  test('directory, variables, user and standard input reach the command', async () => {
    assert.equal((await output({ command: 'pwd', cwd: '/tmp' })).stdout, '/tmp\n');
    const value = 'a\'$(id)\n"; `x`';
    assert.equal((await output({ command: 'printf %s "$V"', env: { V: value } })).stdout, value);
    assert.equal((await output({ command: 'cat; echo end', stdin: 'line\n' })).stdout, 'line\nend\n');
    assert.equal((await output({ command: 'id -u; echo $HOME' })).stdout, '0\n/root\n');
  });

  test('a user or directory that the container lacks is an error about the argument', async () => {
    const user = failureOf(await exec({ command: 'id', user: 'nosuchuser' }));
    assert.match(user.error, /user/);
    assert.equal(user.code, 'INVALID_ARGUMENT');
    const cwd = failureOf(await exec({ command: 'id', cwd: '/no/such/dir' }));
    assert.match(cwd.error, /cwd/);
    assert.equal(cwd.outcome, 'not_started');
  });

  test('nothing of the host or the connection is in the environment', async () => {
    const { stdout } = await output({ command: 'env' });
    const names = stdout.split('\n').map((line) => line.split('=')[0]);
    assert.ok(names.includes('PATH'));
    for (const name of names) assert.doesNotMatch(name ?? '', /^(SSH|LANG|LC_|SUDO|XDG)/);
  });

  test('long output keeps head, tail and exit code', async () => {
    const { stdout, exit_code, ...rest } = await output({
      command: 'i=0; while [ $i -lt 500 ]; do echo line-$i; i=$((i+1)); done; exit 7',
    });
    assert.equal(exit_code, 7);
    assert.ok(stdout.startsWith('line-0\n'));
    assert.ok(stdout.endsWith('line-499\n'));
    assert.equal(rest.stdout_truncated, true);
    assert.ok((rest.stdout_original_length ?? 0) > 4000);
  });

  test('what is no text comes as base64 for programs, and readable for readers', async () => {
    const command = "printf '\\377\\000\\001'";
    const { stdout, stdout_encoding } = await output({ command, response_format: 'json' });
    assert.equal(stdout_encoding, 'base64');
    assert.deepEqual(Buffer.from(stdout, 'base64'), Buffer.from([0xff, 0, 1]));
    assert.equal((await output({ command })).stdout, '\ufffd\0\u0001');
  });

  test('text that looks like shell or protocol stays text', async () => {
    const hostile = `'; touch /root/pwned; echo '"$(id)\`id\`\\n`;
    const { stdout } = await output({ command: `cat <<'EOF'\n${hostile}\nEOF` });
    assert.equal(stdout, `${hostile}\n`);
    const protocol = '{"jsonrpc":"2.0","id":1,"result":{}}';
    assert.equal((await output({ command: `printf '%s\\n' '${protocol}'` })).stdout, `${protocol}\n`);
  });

  test('a timeout ends the command and says what it had printed', async () => {
    const failure = failureOf(await exec({ command: 'echo before; sleep 60', timeout: 1 }));
    assert.equal(failure.code, 'COMMAND_TIMEOUT');
    assert.equal(failure.outcome, 'unknown');
    assert.match(failure.stdout ?? '', /untrusted[\s\S]*before/);
  });

  test('progress shows the latest output while the command runs', async () => {
    for (const client of [await gateway.legacy(), await gateway.modern()]) {
      const messages: string[] = [];
      const call = {
        name: 'proxmox_container_exec_command',
        arguments: { vmid: 100, command: 'ping -c 3 127.0.0.1' },
      };
      const onprogress = ({ message }: { message?: string | undefined }) => void messages.push(message ?? '');
      if ('getNegotiatedProtocolVersion' in client && 'discover' in client)
        await client.callTool(call, { onprogress });
      else
        await (client as Awaited<ReturnType<TestGateway['legacy']>>).callTool(call, undefined, {
          onprogress,
        });
      assert.ok(messages.length >= 1, 'no progress came');
      assert.match(messages.join('\n'), /icmp_seq/);
    }
  });

  test('cancelling the call ends the command and is recorded', async () => {
    const client = await gateway.modern();
    const stop = new AbortController();
    const call = client.callTool(
      { name: 'proxmox_container_exec_command', arguments: { vmid: 100, command: 'sleep 77' } },
      { signal: stop.signal },
    );
    await eventually(async () => (await gateway.audit()).find((line) => isCall(line, 'sleep 77')));
    stop.abort();
    await assert.rejects(call);
    const begun = (await gateway.audit()).find((line) => isCall(line, 'sleep 77'));
    const end = await eventually(async () =>
      (await gateway.audit()).find(
        ({ event, requestId }) => event === 'finish' && requestId === begun?.requestId,
      ),
    );
    assert.equal(end.outcome, 'cancelled');
  });

  test('the state of the container decides, and the error says what to do', async () => {
    const stopped = failureOf(await exec({ vmid: 102, command: 'true' }));
    assert.equal(stopped.code, 'CONTAINER_NOT_RUNNING');
    assert.match(stopped.suggestion, /proxmox_start_container/);
    assert.equal(failureOf(await exec({ vmid: 999, command: 'true' })).code, 'CONTAINER_NOT_FOUND');
    assert.equal(failureOf(await exec({ vmid: 300, command: 'true' })).code, 'NOT_A_CONTAINER');
    assert.equal((await output({ vmid: 101, command: 'echo locked' })).stdout, 'locked\n');
  });

  test('arguments are refused by name, all at once', async () => {
    const failure = failureOf(await exec({ command: ' \n', timeout: 0, extra: 1, vmid: '0100' }));
    for (const name of ['command', 'timeout', 'extra', 'vmid']) assert.match(failure.error, new RegExp(name));
    assert.equal(failure.code, 'INVALID_ARGUMENT');
    const tooLong = failureOf(await exec({ command: 'true', timeout: 301 }));
    assert.match(tooLong.error, /COMMAND_TIMEOUT_MAX/);
  });
});

function isCall(line: { readonly [field: string]: unknown }, command: string): boolean {
  const args = line.arguments as { command?: string } | undefined;
  return line.event === 'begin' && args?.command === command;
}

test('through pct a container command gives the same', async () => {
  const gateway = await startTestGateway({ env: { CONTAINER_DRIVER: 'pct' } });
  try {
    const client = await gateway.modern();
    const call = (vmid: number, command: string) =>
      client.callTool({ name: 'proxmox_container_exec_command', arguments: { vmid, command } });
    assert.deepEqual((await call(100, 'echo grün; exit 5')).structuredContent, {
      exit_code: 5,
      stdout: 'grün\n',
      stderr: '',
      success: false,
    });
    assert.equal(failureOf(await call(102, 'true')).code, 'CONTAINER_NOT_RUNNING');
  } finally {
    await gateway.close();
  }
});

const hostCall = { name: 'proxmox_host_exec_command', arguments: { command: 'hostname' } };

test('commands on the host are absent, and say how to switch them on', async () => {
  const gateway = await startTestGateway();
  try {
    const client = await gateway.modern();
    const { tools } = await client.listTools();
    assert.ok(!tools.some(({ name }) => name === hostCall.name));
    const refused = failureOf(await client.callTool(hostCall));
    assert.equal(refused.code, 'PERMISSION_DENIED');
    assert.match(refused.error, /ENABLE_HOST_EXEC=true/);
  } finally {
    await gateway.close();
  }
});

test('switched on, commands run on the host', async () => {
  const gateway = await startTestGateway({ env: { ENABLE_HOST_EXEC: 'true' } });
  try {
    const client = await gateway.modern();
    const result = await client.callTool(hostCall);
    assert.equal((result.structuredContent as unknown as Output).stdout, 'pve1\n');
  } finally {
    await gateway.close();
  }
});
