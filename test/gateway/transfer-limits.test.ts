/** What bounds transfers besides policy, and what is known of them afterwards. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileNode } from '../../lab/files/inode.ts';
import { findNode, plant, type Tree } from '../../lab/files/tree.ts';
import {
  eventually,
  failureOf,
  otherToken,
  settingsFor,
  startTestGateway,
  type TestGateway,
} from './harness.ts';
import { call } from './hostile-values.ts';
import { spawnGateway } from './process.ts';

const [upload, download] = ['proxmox_upload_file_to_container', 'proxmox_download_file_from_container'];

function treeOf({ lab }: TestGateway): Tree {
  const files = lab.node.guest(100)?.machine?.files;
  assert.ok(files);
  return files;
}

async function urlFor(gateway: TestGateway, tool: string, args: object): Promise<string> {
  const { result } = await call(gateway, tool, { vmid: 100, transfer: 'url', ...args });
  assert.ok(result);
  assert.notEqual(result.isError, true, JSON.stringify(result));
  return (result.structuredContent as { url: string }).url;
}

/** A body that is half there until it is let go. */
function heldBody(): { body: ReadableStream<Uint8Array>; letGo: () => void } {
  let letGo = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Buffer.from('first half, '));
      letGo = () => {
        controller.enqueue(Buffer.from('second half'));
        controller.close();
      };
    },
  });
  return { body, letGo };
}

describe('one transfer at a time for each token', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({ env: { MAX_TRANSFERS: '1', TRANSFER_ROUTE: 'stream' } });
  });
  after(() => gateway.close());

  test('the second is told to wait, that of somebody else is not, and with the end there is room again', async () => {
    const { body, letGo } = heldBody();
    const url = await urlFor(gateway, upload, { container_path: '/srv/held' });
    const second = await urlFor(gateway, download, { container_path: '/etc/hosts' });
    const sending = fetch(url, { method: 'PUT', body, duplex: 'half' } as RequestInit & { duplex: 'half' });
    await eventually(async () => {
      const metrics = await (await fetch(gateway.metricsUrl)).text();
      return /^proxmox_mcp_tool_calls_in_flight 1$/m.test(metrics) ? true : undefined;
    });
    const args = { vmid: 100, container_path: '/etc/hosts' };
    const refused = await eventually(async () => {
      const { result } = await call(gateway, download, args);
      return result?.isError === true ? failureOf(result) : undefined;
    });
    assert.deepEqual([refused.code, refused.retryable], ['BUSY', true]);
    assert.match(refused.error, /MAX_TRANSFERS/);
    const answer = await fetch(second);
    assert.equal(answer.status, 429);
    assert.equal(answer.headers.get('retry-after'), null, 'this URL is used up');
    assert.equal(((await answer.json()) as { code: string }).code, 'BUSY');
    const bob = await gateway.modern(otherToken);
    assert.notEqual((await bob.callTool({ name: download, arguments: args })).isError, true);
    const status = await call(gateway, 'proxmox_container_status', { vmid: 100 });
    assert.notEqual(status.result?.isError, true, 'what moves no file is not held up');
    letGo();
    const done = await sending;
    assert.equal(done.status, 201, await done.text());
    assert.notEqual((await call(gateway, download, args)).result?.isError, true);
  });

  test('a place is given back however a transfer ends', async () => {
    for (const args of [
      { container_path: '/no/such/file' },
      { container_path: '/etc' },
      { container_path: '/dev/zero' },
      { container_path: '/etc/hosts', transfer: 'url' },
    ])
      await call(gateway, download, { vmid: 100, ...args });
    const gone = new AbortController();
    const { body } = heldBody();
    const url = await urlFor(gateway, upload, { container_path: '/srv/cut' });
    const options = { method: 'PUT', body, duplex: 'half', signal: gone.signal };
    const cut = assert.rejects(fetch(url, options as RequestInit & { duplex: 'half' }));
    const parts = () => {
      const srv = findNode(treeOf(gateway), '/srv');
      return srv?.kind === 'directory'
        ? [...srv.entries.keys()].filter((name) => name.endsWith('.part'))
        : [];
    };
    await eventually(() => (parts().length === 1 ? true : undefined));
    gone.abort();
    await cut;
    await eventually(async () => {
      const { result } = await call(gateway, download, { vmid: 100, container_path: '/etc/hosts' });
      return result?.isError === true ? undefined : true;
    });
    await eventually(() => (parts().length === 0 ? true : undefined));
    assert.equal(findNode(treeOf(gateway), '/srv/cut'), undefined);
  });
});

test('bytes are in metrics and audit log, content in neither', async () => {
  const gateway = await startTestGateway();
  try {
    const content = 'c4n4ry '.repeat(100);
    await call(gateway, upload, { vmid: 100, container_path: '/srv/a', content });
    const coded = Buffer.from(content).toString('base64');
    await call(gateway, upload, { vmid: 100, container_path: '/srv/b', content: coded, encoding: 'base64' });
    await call(gateway, download, { vmid: 100, container_path: '/srv/a' });
    const metrics = await (await fetch(gateway.metricsUrl)).text();
    assert.match(metrics, /^proxmox_mcp_transfer_bytes_total\{direction="up",route="staging"\} 1400$/m);
    assert.match(metrics, /^proxmox_mcp_transfer_bytes_total\{direction="down",route="staging"\} 700$/m);
    const audit = await gateway.audit();
    const ended = audit.filter(({ event }) => event === 'finish');
    assert.deepEqual(
      ended.map(({ bytes }) => bytes),
      [700, 700, 700],
    );
    assert.ok(ended.every(({ durationMs }) => Number(durationMs) > 0));
    const written = JSON.stringify(audit) + gateway.log.join('') + metrics;
    assert.doesNotMatch(written, /c4n4ry/);
    assert.ok(!written.includes(coded.slice(0, 20)));
  } finally {
    await gateway.close();
  }
});

test('a URL begins with PUBLIC_URL, and its host is allowed', async () => {
  const gateway = await startTestGateway({ env: { PUBLIC_URL: 'https://mcp.example/gw/' } });
  try {
    plant(treeOf(gateway), '/srv/a', fileNode('fetched'));
    const url = await urlFor(gateway, download, { container_path: '/srv/a' });
    assert.match(url, /^https:\/\/mcp\.example\/gw\/transfers\/[\w-]+$/);
    // As a proxy would hand it on, its own path taken off.
    const inside = new URL(url.replace('https://mcp.example/gw', ''), gateway.url);
    assert.equal(await (await fetch(inside)).text(), 'fetched');
  } finally {
    await gateway.close();
  }
});

test('a path that is too long for a URL is refused, and says what else there is', async () => {
  const gateway = await startTestGateway();
  try {
    const path = (unit: string, count: number) => `/srv${`/${unit.repeat(count)}`.repeat(16)}`;
    assert.ok(await urlFor(gateway, download, { container_path: path('x', 250) }));
    const { result } = await call(gateway, download, {
      ...{ vmid: 100, transfer: 'url', container_path: path('\u0001', 250) },
    });
    const refused = failureOf(result ?? {});
    assert.equal(refused.code, 'INVALID_ARGUMENT');
    assert.match(refused.error, /too long for a URL; use local_path/);
  } finally {
    await gateway.close();
  }
});

test('over stdio there are no URLs, and everything else is there', async () => {
  const gateway = await startTestGateway();
  const settings = {
    ...settingsFor(gateway.lab, gateway.stateDir),
    AUDIT_FILE: `${gateway.stateDir}/stdio.jsonl`,
  };
  const { child, stdout, stop } = spawnGateway('stdio', settings);
  try {
    const ask = (id: number, method: string, params: object) =>
      child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    const answerTo = (id: number) =>
      eventually(() => {
        const line = stdout()
          .split('\n')
          .find((text) => text.includes(`"id":${id}`));
        return line === undefined
          ? undefined
          : (JSON.parse(line) as { result: Record<string, unknown> }).result;
      }, 10_000);
    const clientInfo = { name: 'test', version: '1' };
    ask(1, 'initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo });
    await answerTo(1);
    child.stdin?.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
    const args = { vmid: 100, container_path: '/etc/hosts' };
    ask(2, 'tools/call', { name: download, arguments: { ...args, transfer: 'url' } });
    const refused = failureOf(await answerTo(2));
    assert.equal(refused.code, 'INVALID_ARGUMENT');
    assert.match(refused.error, /no URLs without the HTTP endpoint; use local_path/);
    ask(3, 'tools/call', { name: download, arguments: args });
    assert.notEqual((await answerTo(3)).isError, true);
  } finally {
    await stop('SIGKILL');
    await gateway.close();
  }
});
