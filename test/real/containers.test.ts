/** Containers with real namespaces, through both drivers: one behaviour. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { failureOf, textOf } from '../gateway/harness.ts';
import { newMarker, onStand, type RealGateway, startRealGateway } from './harness.ts';

interface Output {
  readonly exit_code: number;
  readonly stdout: string;
  readonly stderr: string;
}

for (const driver of ['lxc-attach', 'pct'] as const) {
  describe(`containers through ${driver}`, onStand, () => {
    let gateway: RealGateway;
    before(async () => {
      gateway = await startRealGateway({ env: { CONTAINER_DRIVER: driver } });
    });
    after(() => gateway.close());
    const run = async (command: string, args: Record<string, unknown> = {}) => {
      const result = await gateway.exec(command, args);
      if (result.isError === true) assert.fail(textOf(result));
      return result.structuredContent as unknown as Output;
    };
    const refusal = async (args: Record<string, unknown>) => failureOf(await gateway.exec('true', args)).code;

    test('a command is in the container and nowhere else', async () => {
      const marker = newMarker();
      assert.equal((await run('hostname')).stdout, 'web1\n');
      assert.equal((await run(`echo x >/tmp/${marker}; ls /tmp`)).stdout.includes(marker), true);
      assert.equal(existsSync(`/tmp/${marker}`), false);
      await run(`"; touch /tmp/${marker}-host; #`).catch(() => {});
      assert.equal(existsSync(`/tmp/${marker}-host`), false);
    });

    test('the environment holds what belongs to the user and nothing of the host', async () => {
      const { stdout } = await run('env | cut -d= -f1 | sort | tr "\\n" " "');
      assert.equal(stdout, 'HOME LOGNAME PATH PWD SHLVL TERM USER _ container ');
      assert.equal(
        (await run('echo $HOME $USER $PATH; pwd; id -u; umask')).stdout,
        [
          '/root root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          '/root',
          '0',
          '0022',
          '',
        ].join('\n'),
      );
    });

    test('exit codes are the command’s own, those of pct and lxc-attach included', async () => {
      for (const code of [0, 1, 2, 126, 127, 255]) assert.equal((await run(`exit ${code}`)).exit_code, code);
      assert.equal((await run('kill -9 $$')).exit_code, 137);
      assert.equal((await run('kill -TERM $$')).exit_code, 143);
      assert.equal((await run('/no/such/program')).exit_code, 127);
      assert.match((await run('echo no >&2; exit 2')).stderr, /^no\n$/);
    });

    test('variables, directory, input and words of any kind arrive byte for byte', async () => {
      const value = `a'$(id)\n"\`x\`\\ grün 日本 🎉`;
      assert.equal((await run('printf %s "$V"', { env: { V: value } })).stdout, value);
      assert.equal((await run(`cat <<'EOF'\n${value}\nEOF`)).stdout, `${value}\n`);
      assert.equal((await run('pwd', { cwd: '/var' })).stdout, '/var\n');
      assert.equal((await run('cat', { stdin: value })).stdout, value);
      const both = await run('printf %s "$V"; cat', { stdin: value, env: { V: value, W: '', X: '\\n\n' } });
      assert.equal(both.stdout, value + value);
      assert.equal((await run('read x; echo got:$x')).stdout, 'got:\n');
    });

    test('values of variables are in no process’s arguments', async () => {
      const canary = newMarker();
      const call = run('sleep 1.5; printf %s "$V"', { env: { V: canary }, stdin: 'x' });
      await pause(700);
      assert.notEqual(spawnSync('pgrep', ['-f', canary]).status, 0);
      assert.equal((await call).stdout, canary);
    });

    test('another user is that user, with its own home', async () => {
      assert.equal(
        (await run('id -un; id -gn; echo $HOME; pwd', { user: 'app' })).stdout,
        'app\napp\n/home/app\n/home/app\n',
      );
      assert.equal(await refusal({ user: 'nosuchuser' }), 'INVALID_ARGUMENT');
      assert.equal(await refusal({ cwd: '/no/such/dir' }), 'INVALID_ARGUMENT');
    });

    test('a container that cannot be entered is told from a command that fails', async () => {
      assert.equal(await refusal({ vmid: 101 }), 'CONTAINER_NOT_RUNNING');
      assert.equal(await refusal({ vmid: 113 }), 'CONTAINER_IS_TEMPLATE');
      assert.equal(await refusal({ vmid: 200 }), 'NODE_UNKNOWN');
      assert.equal(await refusal({ vmid: 300 }), 'NOT_A_CONTAINER');
      assert.equal(await refusal({ vmid: 999 }), 'CONTAINER_NOT_FOUND');
      assert.equal((await run('echo in', { vmid: 102 })).stdout, 'in\n');
    });

    test('the list shows the whole cluster', async () => {
      const result = await gateway.call('proxmox_list_containers', { response_format: 'text' });
      assert.deepEqual(textOf(result).split('\n'), [
        '100 web1: running on pve1 (tags: prod, web)',
        '101 db1: stopped on pve1 (tags: prod, web)',
        '102 lck1: running on pve1 (locked: backup)',
        '113 tmpl1: stopped on pve1 (template)',
        '200 far1: unknown on pve2',
      ]);
    });

    test('switching on and off', async () => {
      const power = async (verb: string, vmid: number) =>
        textOf(await gateway.call(`proxmox_${verb}_container`, { vmid }));
      assert.equal(await power('start', 101), 'Container 101 was started.');
      assert.equal(await power('start', 101), 'Container 101 is already running.');
      assert.equal((await run('hostname', { vmid: 101 })).stdout, 'db1\n');
      assert.equal(await power('reboot', 101), 'Container 101 was rebooted.');
      assert.equal(await power('shutdown', 101), 'Container 101 was shut down.');
      assert.equal(await power('stop', 101), 'Container 101 is already stopped.');
      assert.match(await power('stop', 102), /CONTAINER_LOCKED/);
    });

    test('what pct could not do is told, with its own words fenced', async () => {
      await gateway.call('proxmox_start_container', { vmid: 101 });
      gateway.node.turn('shutdown-ms', 8_000);
      const late = failureOf(await gateway.call('proxmox_shutdown_container', { vmid: 101, timeout: 1 }));
      assert.equal(late.code, 'SHUTDOWN_TIMED_OUT');
      assert.match(late.error, /container 101 did not do so within 1 s/);
      gateway.node.turn('shutdown-ms');
      await gateway.call('proxmox_stop_container', { vmid: 101 });
      gateway.node.turn('start-fails', 1);
      const failed = failureOf(await gateway.call('proxmox_start_container', { vmid: 101 }));
      assert.equal(failed.code, 'ACTION_FAILED');
      assert.match(failed.stderr ?? '', /untrusted/);
      gateway.node.turn('start-fails');
    });
  });
}
