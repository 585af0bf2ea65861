/** What ends a command whose gateway, or whose way to it, is gone: the guard, and `timeout` where none stands. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connectModern, eventually, token } from '../gateway/harness.ts';
import { spawnGateway } from '../gateway/process.ts';
import { newMarker, onStand } from './harness.ts';
import { type StandNode, startNode } from './stand/node.ts';
import { findProcesses, waitUntilGone } from './stand/processes.ts';

/** The call's timeout, and the 5 s after which the host acts by itself; the guard looks every 5 s. */
const timeoutS = 1;
const hostActsWithinMs = (timeoutS + 5 + 5 + 2) * 1000;
const tool = 'proxmox_container_exec_command';

interface Scene {
  readonly node: StandNode;
  readonly gateway: ReturnType<typeof spawnGateway>;
  /** Deaf to TERM, with a child that is so too; settles however the call ends. */
  start(marker: string): Promise<{ readonly ended: Promise<unknown> }>;
  run(command: string): Promise<unknown>;
  guards(): Promise<number[]>;
}

async function onScene(play: (scene: Scene) => Promise<void>, setting: Record<string, string> = {}) {
  const node = await startNode();
  const stateDir = await mkdtemp(join(tmpdir(), 'guard-'));
  const { host, port, keyFile, fingerprint } = node.sshd;
  const gateway = spawnGateway('serve', {
    ...{ I_ACCEPT_RISKS: 'true', HOST: host, SSH_PORT: String(port), SSH_KEY: keyFile },
    ...{ SSH_HOST_KEY: fingerprint, MCP_AUTH_TOKEN: token, SERVER_PORT: '0', METRICS_PORT: '0' },
    ...{ STATE_DIR: stateDir, ...setting },
  });
  try {
    const client = await connectModern(await gateway.url(), token);
    const call = (command: string) =>
      client.callTool({ name: tool, arguments: { vmid: 100, command, timeout: timeoutS } });
    await play({
      node,
      gateway,
      async start(marker) {
        const ended = call(`trap '' TERM; (exec -a ${marker} sleep 300) & exec -a ${marker} sleep 300`).catch(
          () => 'cut',
        );
        await eventually(async () => ((await findProcesses(marker)).length >= 2 ? true : undefined));
        return { ended };
      },
      run: call,
      async guards() {
        const inNode = new Set((await node.world.processes()).map(({ pid }) => pid));
        const all = await findProcesses('declare -A until born');
        return all.map(({ pid }) => pid).filter((pid) => inNode.has(pid));
      },
    });
    await client.close();
  } finally {
    await gateway.stop('SIGKILL');
    await node.close();
    await rm(stateDir, { recursive: true, force: true });
  }
}

const wrapped = async (marker: string) =>
  (await findProcesses(marker)).some(({ cmdline }) => cmdline.startsWith('timeout '));

test('when the gateway is killed, the guard ends the command, and then itself', onStand, () =>
  onScene(async ({ gateway, start, guards }) => {
    await eventually(async () => ((await guards()).length > 0 ? true : undefined));
    const marker = newMarker();
    const { ended } = await start(marker);
    assert.equal(await wrapped(marker), false);
    await gateway.stop('SIGKILL');
    await ended;
    await waitUntilGone(marker, hostActsWithinMs);
    await eventually(async () => ((await guards()).length === 0 ? true : undefined));
  }),
);

test('without a guard, the command brings its own end along', onStand, () =>
  onScene(async ({ gateway, start, guards }) => {
    const [guard] = await eventually(async () => {
      const found = await guards();
      return found.length > 0 ? found : undefined;
    });
    process.kill(guard ?? Number.NaN, 'SIGKILL');
    await eventually(async () => ((await guards()).length === 0 ? true : undefined));
    const marker = newMarker();
    const { ended } = await start(marker);
    assert.equal(await wrapped(marker), true);
    await gateway.stop('SIGKILL');
    await ended;
    await waitUntilGone(marker, hostActsWithinMs);
  }),
);

test('when the connection is killed, the guard outlives it for as long as a command may last', onStand, () =>
  onScene(async ({ node, start }) => {
    const marker = newMarker();
    const { ended } = await start(marker);
    await node.sshd.killSessions();
    await ended;
    await waitUntilGone(marker, hostActsWithinMs);
  }),
);

test('what a command that has ended left behind is not the guard’s to end', onStand, () =>
  onScene(async ({ run }) => {
    const marker = newMarker();
    await run(`(exec -a ${marker} sleep 20) >/dev/null 2>&1 </dev/null &`);
    await pause(hostActsWithinMs);
    assert.equal((await findProcesses(marker)).length > 0, true);
  }),
);
