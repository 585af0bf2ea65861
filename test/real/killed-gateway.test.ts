import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectModern, eventually, token } from '../gateway/harness.ts';
import { spawnGateway } from '../gateway/process.ts';
import { startNode } from './bench/node.ts';
import { findProcesses, waitUntilGone } from './bench/processes.ts';
import { newMarker, onBench } from './harness.ts';

/** The call's timeout, and the 5 s after which the host acts by itself. */
const timeoutS = 1;
const hostActsWithinMs = (timeoutS + 5 + 2) * 1000;

test('when the gateway is killed, the host ends the command by itself', onBench, async () => {
  const node = await startNode();
  const stateDir = await mkdtemp(join(tmpdir(), 'killed-'));
  const gateway = spawnGateway('serve', {
    I_ACCEPT_RISKS: 'true',
    HOST: node.sshd.host,
    SSH_PORT: String(node.sshd.port),
    SSH_KEY: node.sshd.keyFile,
    SSH_HOST_KEY: node.sshd.fingerprint,
    MCP_AUTH_TOKEN: token,
    SERVER_PORT: '0',
    METRICS_PORT: '0',
    STATE_DIR: stateDir,
  });
  try {
    const client = await connectModern(await gateway.url(), token);
    const marker = newMarker();
    const command = `trap '' TERM; (exec -a ${marker} sleep 300) & exec -a ${marker} sleep 300`;
    const call = client
      .callTool({
        name: 'proxmox_container_exec_command',
        arguments: { vmid: 100, command, timeout: timeoutS },
      })
      .catch(() => 'cut');
    await eventually(async () => ((await findProcesses(marker)).length >= 2 ? true : undefined));
    await gateway.stop('SIGKILL');
    assert.equal(await call, 'cut');
    await waitUntilGone(marker, hostActsWithinMs);
    await client.close();
  } finally {
    await gateway.stop('SIGKILL');
    await node.close();
    await rm(stateDir, { recursive: true, force: true });
  }
});
