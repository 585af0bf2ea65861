/** Output that floods, and output that comes in pieces, over a link that splits it further. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { connectModern, eventually, failureOf, token } from '../../gateway/harness.ts';
import { type GatewayProcess, spawnGateway } from '../../gateway/process.ts';
import { newMarker, onStand } from '../harness.ts';
import { type FaultProxy, settingsOver, startFaultProxy } from '../stand/fault-proxy.ts';
import { type StandNode, startNode } from '../stand/node.ts';
import { waitUntilGone } from '../stand/processes.ts';

interface Output {
  readonly stdout: string;
  readonly stdout_encoding?: 'base64';
  readonly stdout_truncated?: true;
  readonly stdout_original_length?: number;
}

describe('output', onStand, () => {
  let node: StandNode;
  let link: FaultProxy;
  let stateDir: string;
  let gateway: GatewayProcess;
  let client: Client;
  before(async () => {
    node = await startNode();
    link = await startFaultProxy(node.sshd);
    stateDir = await mkdtemp(join(tmpdir(), 'output-'));
    gateway = spawnGateway('serve', settingsOver(link, node.sshd, stateDir));
    const url = await gateway.url();
    client = await connectModern(url, token);
    await eventually(async () => (await fetch(new URL('/readyz', url))).ok || undefined);
  });
  after(async () => {
    await client?.close();
    await gateway?.stop('SIGKILL');
    await link?.close();
    await node?.close();
    await rm(stateDir, { recursive: true });
  });

  const exec = (args: Record<string, unknown>, onMessage: (message: string) => void = () => {}) =>
    client.callTool(
      { name: 'proxmox_container_exec_command', arguments: { vmid: 100, ...args } },
      { onprogress: ({ message = '' }) => onMessage(message) },
    );
  const output = async (args: Record<string, unknown>, onMessage?: (message: string) => void) =>
    (await exec(args, onMessage)).structuredContent as unknown as Output;
  const memoryKb = async () =>
    Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${gateway.child.pid}/status`, 'utf8'))?.[1]);

  test('three floods at once, on both streams: stopped in time, memory flat, all else served', async () => {
    await output({ command: 'head -c 20000000 /dev/zero | tr "\\0" x' });
    const before = await memoryKb();
    const marker = newMarker();
    const floods = ['', '>&2', '& yes >&2'].map((where) =>
      exec({ command: `bash -c 'exec -a ${marker} yes' ${where}`, timeout: 3 }),
    );
    let most = before;
    let over = false;
    const done = Promise.all(floods).finally(() => {
      over = true;
    });
    await eventually(async () => {
      most = Math.max(most, await memoryKb());
      assert.equal((await output({ command: 'echo served' })).stdout, 'served\n');
      return over || undefined;
    }, 15_000);
    for (const result of await done) {
      const failure = failureOf(result);
      assert.equal(failure.code, 'COMMAND_TIMEOUT');
      assert.ok((failure.stdout ?? '').length + (failure.stderr ?? '').length < 200_000);
    }
    await waitUntilGone(marker, 2_000);
    assert.ok(most - before < 100_000, `grew from ${before} to ${most} kB`);
  });

  test('a flood that ends: head and tail, flag and length of the whole', async () => {
    const { stdout, ...rest } = await output({ command: 'echo begin; yes | head -c 30000000; echo end' });
    assert.ok(stdout.startsWith('begin\ny\n') && stdout.endsWith('y\nend\n'));
    assert.equal(rest.stdout_truncated, true);
    assert.equal(rest.stdout_original_length, 30_000_010);
  });

  test('characters that come byte by byte, over packets of one byte, are whole in output and progress', async (t) => {
    link.chop(1);
    t.after(() => link.chop(Number.POSITIVE_INFINITY));
    const text = 'aé日🙂ñ';
    const bytes = [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16)}`);
    const command = `for b in ${bytes.map((byte) => `'${byte}'`).join(' ')}; do printf "$b"; sleep 0.15; done`;
    const messages: string[] = [];
    assert.equal((await output({ command }, (message) => void messages.push(message))).stdout, text);
    assert.ok(
      messages.some((message) => message.includes('é')),
      'no progress came',
    );
    assert.doesNotMatch(messages.join('\n'), /\ufffd/);
  });

  test('every byte there is arrives as it was, over packets of one byte', async (t) => {
    link.chop(1);
    t.after(() => link.chop(Number.POSITIVE_INFINITY));
    const all = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256));
    const command =
      'for i in 1 2 3 4; do for b in $(seq 0 255); do printf "\\\\x$(printf %x $b)"; done; done';
    const { stdout, stdout_encoding } = await output({ command, response_format: 'json' });
    assert.equal(stdout_encoding, 'base64');
    const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    assert.equal(sha256(Buffer.from(stdout, 'base64')), sha256(all));
  });
});
