/** What stops a command, proven by looking for its processes on the machine. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { eventually, failureOf } from '../gateway/harness.ts';
import { newMarker, onStand, type RealGateway, startRealGateway } from './harness.ts';
import type { NodeOptions } from './stand/node.ts';
import { findProcesses, waitUntilGone } from './stand/processes.ts';

/** The marker is in the name of every process that the command leaves to itself. */
const payloads: readonly (readonly [what: string, script: (marker: string) => string])[] = [
  ['plain', (marker) => `exec -a ${marker} sleep 300`],
  ['deaf to TERM', (marker) => `trap '' TERM; (exec -a ${marker} sleep 300); exec -a ${marker} sleep 300`],
  [
    'with children',
    (marker) => `(exec -a ${marker} sleep 300) & (trap '' TERM; exec -a ${marker} sleep 300) & wait`,
  ],
  ['with nohup', (marker) => `nohup bash -c 'exec -a ${marker} sleep 300' >/dev/null 2>&1 & wait`],
  ['with a flood of output', (marker) => `exec -a ${marker} yes`],
];

const goneWithinMs = 2_000;

for (const driver of ['lxc-attach', 'pct'] as const) {
  describe(`a command in a container, through ${driver}`, onStand, () => {
    stops('proxmox_container_exec_command', { vmid: 100 }, { CONTAINER_DRIVER: driver });
  });
}

describe('a command on the host', onStand, () => {
  stops('proxmox_host_exec_command', {}, {});
});

describe('a command on the host, with sudo', onStand, () => {
  // Stands for sudo with a rule for everything: runs what follows the options.
  const sudo = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n';
  stops('proxmox_host_exec_command', {}, { SSH_SUDO: 'true' }, {}, ({ node }) =>
    node.world.write('/usr/local/bin/sudo', sudo, 0o755),
  );
});

describe('a command on the host, with dash as login shell', onStand, () => {
  stops('proxmox_host_exec_command', {}, {}, { shell: '/bin/dash' });
});

describe('a command of a gateway on the host itself', onStand, () => {
  stops('proxmox_host_exec_command', {}, { ENABLE_LOCAL_EXECUTION: 'true' });
});

function stops(
  tool: string,
  target: Record<string, unknown>,
  env: Record<string, string>,
  node: NodeOptions = {},
  prepare: (gateway: RealGateway) => void = () => {},
): void {
  let gateway: RealGateway;
  before(async () => {
    gateway = await startRealGateway({ env, node });
    prepare(gateway);
  });
  after(() => gateway.close());
  // Not findProcesses: a flood keeps this process too busy for hundreds of small reads.
  const runs = (marker: string) =>
    eventually(() => (spawnSync('pgrep', ['-f', `^${marker}`]).status === 0 ? true : undefined), 10_000);

  for (const [what, script] of payloads) {
    test(`${what}: nothing is left 2 s after its timeout`, async () => {
      const marker = newMarker();
      const failure = failureOf(await gateway.call(tool, { ...target, command: script(marker), timeout: 1 }));
      assert.equal(failure.code, 'COMMAND_TIMEOUT');
      assert.match(failure.error, /was stopped/);
      await waitUntilGone(marker, goneWithinMs);
    });

    test(`${what}: nothing is left 2 s after the client cancelled`, async () => {
      const marker = newMarker();
      const stop = new AbortController();
      const call = gateway.call(tool, { ...target, command: script(marker), timeout: 60 }, stop.signal);
      await runs(marker);
      stop.abort();
      await assert.rejects(call);
      await waitUntilGone(marker, goneWithinMs);
    });
  }

  test('nothing is left 2 s after a client of 2025 cancelled or went away', async () => {
    const [, script] = payloads[2] ?? payloads[0] ?? assert.fail();
    for (const leave of ['cancel', 'disconnect'] as const) {
      const marker = newMarker();
      const client = await gateway.legacy();
      const stop = new AbortController();
      const call = client
        .callTool({ name: tool, arguments: { ...target, command: script(marker), timeout: 60 } }, undefined, {
          signal: stop.signal,
        })
        .catch(() => 'ended');
      await runs(marker);
      if (leave === 'cancel') stop.abort();
      else await client.close();
      assert.equal(await call, 'ended');
      await waitUntilGone(marker, goneWithinMs);
      await client.close();
    }
  });

  test('what called setsid survives, as the README says', async () => {
    const marker = newMarker();
    const command = `setsid bash -c 'exec -a ${marker} sleep 4' & sleep 300`;
    const failure = failureOf(await gateway.call(tool, { ...target, command, timeout: 1 }));
    assert.equal(failure.code, 'COMMAND_TIMEOUT');
    assert.equal((await findProcesses(marker)).filter(({ cmdline }) => cmdline.startsWith(marker)).length, 1);
    await waitUntilGone(marker, 6_000);
  });

  test('a background process does not keep the answer back, and is said not to be tracked', async () => {
    const marker = newMarker();
    const result = await gateway.call(tool, {
      ...target,
      command: `bash -c 'exec -a ${marker} sleep 3' & exit 4`,
    });
    const output = result.structuredContent as { exit_code: number; note?: string };
    assert.equal(output.exit_code, 4);
    assert.match(output.note ?? '', /not tracked/);
    await waitUntilGone(marker, 5_000);
  });
}
