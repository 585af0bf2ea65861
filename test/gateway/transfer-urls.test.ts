/** A one-time URL is a call of its own: what it may do is decided when it is used, and it can do nothing else. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileNode } from '../../lab/files/inode.ts';
import { findNode, plant, type Tree } from '../../lab/files/tree.ts';
import {
  type AuditLine,
  eventually,
  failureOf,
  ordersTo,
  otherToken,
  settingsFor,
  startTestGateway,
  type TestGateway,
} from './harness.ts';
import { call } from './hostile-values.ts';

interface Way {
  readonly tool: string;
  readonly method: 'GET' | 'PUT';
  readonly args: Readonly<Record<string, unknown>>;
  readonly path: string;
}

const container = { vmid: 100, transfer: 'url' };
const ways: readonly Way[] = [
  {
    ...{ tool: 'proxmox_upload_file_to_container', method: 'PUT', path: '/srv/url-up' },
    args: { ...container, container_path: '/srv/url-up', overwrite: true },
  },
  {
    ...{ tool: 'proxmox_download_file_from_container', method: 'GET', path: '/srv/url-down' },
    args: { ...container, container_path: '/srv/url-down' },
  },
  {
    ...{ tool: 'proxmox_upload_file_to_host', method: 'PUT', path: '/srv/url-up' },
    args: { host_path: '/srv/url-up', transfer: 'url', overwrite: true },
  },
  {
    ...{ tool: 'proxmox_download_file_from_host', method: 'GET', path: '/srv/url-down' },
    args: { host_path: '/srv/url-down', transfer: 'url' },
  },
];

function treeFor({ lab }: TestGateway, { tool }: Way): Tree {
  const files = tool.endsWith('_host') ? lab.node.files : lab.node.guest(100)?.machine?.files;
  assert.ok(files);
  return files;
}

function contentAt(gateway: TestGateway, way: Way, path = way.path): string | undefined {
  const node = findNode(treeFor(gateway, way), path);
  return node?.kind === 'file' ? node.data.subarray(0, node.size).toString() : undefined;
}

async function issue(gateway: TestGateway, { tool, args }: Way, more: object = {}): Promise<URL> {
  const { result } = await call(gateway, tool, { ...args, ...more });
  assert.ok(result);
  assert.notEqual(result.isError, true, JSON.stringify(result));
  const { url, method, expires_at, max_bytes } = result.structuredContent as Record<string, string>;
  assert.ok(method && Date.parse(expires_at ?? '') > Date.now() && Number(max_bytes) > 0);
  return new URL(url ?? '');
}

interface Answered {
  readonly status: number;
  readonly text: string;
  readonly code: string | undefined;
}

async function use(url: URL, method: string, headers: Record<string, string> = {}): Promise<Answered> {
  const answer = await fetch(url, { method, headers, ...(method === 'PUT' && { body: 'sent' }) });
  const text = await answer.text();
  const code = answer.ok || text === '' ? undefined : (JSON.parse(text) as { code: string }).code;
  return { status: answer.status, text, code };
}

function plantBoth(gateway: TestGateway): void {
  for (const way of ways)
    for (const [path, content] of [
      ['/srv/url-up', 'old'],
      ['/srv/url-down', 'to be fetched'],
      ['/srv/another', 'another'],
    ] as const)
      plant(treeFor(gateway, way), path, fileNode(content));
}

/** What follows a connection, a look at the login shell and the sweep, is no answer to a call. */
function ordersSince(gateway: TestGateway, mark: number): string[] {
  return ordersTo(gateway.lab, mark).filter((line) => !/shell-probe:|proxmox-mcp-\*/.test(line));
}

describe('a URL', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({ env: { ENABLE_HOST_EXEC: 'true' } });
    plantBoth(gateway);
    await call(gateway, 'proxmox_list_containers', {});
  });
  after(() => gateway.close());

  for (const way of ways) {
    const { tool, method } = way;

    test(`of ${tool} does what the call said, once, and is on record as a call of its own`, async () => {
      const known = new Set((await gateway.audit()).map(({ requestId }) => requestId));
      const url = await issue(gateway, way);
      assert.equal(contentAt(gateway, way, '/srv/url-up'), 'old', 'nothing happens before it is used');
      const used = await use(url, method);
      assert.equal(used.status, method === 'PUT' ? 201 : 200, used.text);
      if (method === 'PUT') assert.equal(contentAt(gateway, way), 'sent');
      else assert.equal(used.text, 'to be fetched');
      assert.deepEqual(await use(url, method).then(({ status, code }) => [status, code]), [410, 'URL_USED']);
      const lines = await eventually(async () => {
        const own = (await gateway.audit()).filter(({ requestId }) => !known.has(requestId));
        return own.filter(({ event }) => event === 'finish').length === 2 ? own : undefined;
      });
      const [asked, carriedOut] = [...new Set(lines.map(({ requestId }) => requestId))].map((id) =>
        lines.filter(({ requestId }) => requestId === id),
      );
      for (const record of [asked, carriedOut]) checkRecord(record, way);
      const bytes = method === 'PUT' ? 'sent'.length : 'to be fetched'.length;
      assert.equal(carriedOut?.[1]?.bytes, bytes);
      assert.ok(
        !JSON.stringify(lines).includes(url.pathname.slice('/transfers/'.length)),
        'the ticket is told',
      );
      plantBoth(gateway);
    });

    test(`of ${tool} is of no use for another method, and stays usable`, async () => {
      const url = await issue(gateway, way);
      const mark = gateway.lab.control.heardTotal;
      for (const other of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS']) {
        if (other === method) continue;
        assert.equal((await use(url, other)).status, 405, other);
      }
      assert.deepEqual(ordersSince(gateway, mark), []);
      assert.ok((await use(url, method)).status < 300);
      plantBoth(gateway);
    });

    test(`of ${tool} is of no use for another guest, path or tool, however it is bent`, async () => {
      const url = await issue(gateway, way);
      const ticket = url.pathname.slice('/transfers/'.length);
      const { audit, lab } = gateway;
      const callsOnRecord = async () => (await audit()).filter(({ event }) => event !== 'finish').length;
      const [mark, calls] = [lab.control.heardTotal, await callsOnRecord()];
      for (const at of [0, 5, 20, Math.floor(ticket.length / 2), ticket.length - 25, ticket.length - 1])
        for (const letter of ['A', 'b', '-', '.']) {
          const bent = `${ticket.slice(0, at)}${letter}${ticket.slice(at + 1)}`;
          if (bent === ticket) continue;
          const answer = await use(new URL(`/transfers/${bent}`, url), method);
          assert.deepEqual([answer.status, answer.code], [404, 'URL_UNKNOWN'], `${letter} at ${at}`);
        }
      for (const path of [
        '/transfers/',
        `/transfers/${ticket}/`,
        `/transfers/${ticket}/etc/shadow`,
        `/x/${ticket}`,
      ])
        assert.equal((await fetch(new URL(path, url), { method })).status, 404, path);
      assert.deepEqual(ordersSince(gateway, mark), []);
      assert.equal(await callsOnRecord(), calls, 'none of these is a call');
      const bent = new URL('?vmid=101&container_path=/srv/another&host_path=/srv/another', url);
      const answer = await use(bent, method);
      if (answer.status < 300 && method === 'GET') assert.equal(answer.text, 'to be fetched');
      assert.equal(contentAt(gateway, way, '/srv/another'), 'another');
      plantBoth(gateway);
    });

    test(`of ${tool} is refused to whoever shows the token of somebody else`, async () => {
      const url = await issue(gateway, way);
      const mark = gateway.lab.control.heardTotal;
      const other = await use(url, method, { authorization: `Bearer ${otherToken}` });
      assert.deepEqual([other.status, other.code], [403, 'NOT_ALLOWED']);
      const unknown = await use(url, method, { authorization: 'Bearer no-token-of-anybody' });
      assert.deepEqual([unknown.status, unknown.code], [401, 'UNAUTHORIZED']);
      assert.deepEqual(ordersSince(gateway, mark), []);
    });
  }
});

function checkRecord(lines: readonly AuditLine[] | undefined, { tool, args }: Way): void {
  assert.deepEqual(
    lines?.map(({ event }) => event),
    ['begin', 'finish'],
  );
  const [begin, finish] = lines ?? [];
  assert.equal(begin?.tool, tool);
  assert.equal(begin?.principal, 'alice');
  assert.equal(begin?.vmid, args.vmid);
  assert.ok(JSON.stringify(begin?.arguments).includes('/srv/url-'), JSON.stringify(begin));
  assert.equal(begin?.client, '127.0.0.1');
  assert.equal(finish?.outcome, 'ok');
}

/** What the operator of a second gateway on the same state has set otherwise. */
const stricter: readonly { env: Record<string, string>; refuses: (way: Way) => boolean; more?: object }[] = [
  { env: { READ_ONLY: 'true' }, refuses: ({ method }) => method === 'PUT' },
  { env: { TOOLSETS: 'containers' }, refuses: () => true },
  { env: { TOOLSETS: 'host' }, refuses: ({ args }) => 'vmid' in args },
  { env: { DENIED_VMIDS: '100' }, refuses: ({ args }) => 'vmid' in args },
  { env: { ALLOWED_VMIDS: '101' }, refuses: ({ args }) => 'vmid' in args },
  { env: { ENABLE_HOST_EXEC: '' }, refuses: ({ args }) => !('vmid' in args) },
  { env: { DENIED_PATHS: '/srv' }, refuses: () => true },
  { env: { ALLOWED_PATHS: 'container:/srv host:/home' }, refuses: ({ args }) => !('vmid' in args) },
  { env: { ALLOW_SETUID: '' }, refuses: ({ method }) => method === 'PUT', more: { permissions: '4755' } },
  { env: { MAX_FILE_SIZE: '3' }, refuses: () => false },
];

describe('a URL that another gateway has made', () => {
  let first: TestGateway;
  before(async () => {
    first = await startTestGateway({ env: { ENABLE_HOST_EXEC: 'true', ALLOW_SETUID: 'true' } });
    plantBoth(first);
  });
  after(() => first.close());

  for (const [index, { env, refuses, more = {} }] of stricter.entries())
    test(`is held to what is allowed where it is used: ${JSON.stringify(env)}`, async () => {
      const { METRICS_PORT: _, ...shared } = settingsFor(first.lab, first.stateDir);
      const second = await startTestGateway({
        env: {
          ...shared,
          ENABLE_HOST_EXEC: 'true',
          ALLOW_SETUID: 'true',
          AUDIT_FILE: `${first.stateDir}/audit-${index}`,
          ...env,
        },
      });
      try {
        for (const way of ways) {
          const asked = way.method === 'PUT' ? more : {};
          const made = await issue(first, way, asked);
          const mark = first.lab.control.heardTotal;
          const used = await use(new URL(made.pathname, second.url), way.method);
          if (!refuses(way)) {
            const tooLarge = env.MAX_FILE_SIZE === undefined ? undefined : 413;
            assert.equal(
              used.status,
              tooLarge ?? (way.method === 'PUT' ? 201 : 200),
              `${way.tool}: ${used.text}`,
            );
          } else {
            assert.deepEqual([used.status, used.code], [403, 'PERMISSION_DENIED'], way.tool);
            assert.deepEqual(ordersSince(first, mark), [], way.tool);
            const lines = (await second.audit()).filter(({ tool }) => tool === way.tool);
            assert.deepEqual(
              lines.map(({ event, principal, code }) => [event, principal, code]),
              [['refuse', 'alice', 'PERMISSION_DENIED']],
            );
          }
          assert.equal(contentAt(first, way, '/srv/another'), 'another');
          if (used.status >= 300) assert.equal(contentAt(first, way, '/srv/url-up'), 'old');
          plantBoth(first);
        }
      } finally {
        await second.close();
      }
    });

  test('is unknown where the state is another', async () => {
    const stranger = await startTestGateway({ env: { ENABLE_HOST_EXEC: 'true' } });
    try {
      for (const way of ways) {
        const made = await issue(first, way);
        const used = await use(new URL(made.pathname, stranger.url), way.method);
        assert.deepEqual([used.status, used.code], [404, 'URL_UNKNOWN']);
      }
    } finally {
      await stranger.close();
    }
  });

  test('is not made at all for what is not allowed, nor together with another end', async () => {
    for (const way of ways) {
      const mark = first.lab.control.heardTotal;
      const path = 'vmid' in way.args ? 'container_path' : 'host_path';
      for (const [more, code] of [
        [{ [path]: '/proc/1/environ' }, 'PERMISSION_DENIED'],
        [{ [path]: '/srv/../etc/shadow' }, 'INVALID_ARGUMENT'],
        [{ local_path: 'x' }, 'INVALID_ARGUMENT'],
        [way.method === 'PUT' ? { content: 'x' } : { offset: 0 }, 'INVALID_ARGUMENT'],
      ] as const) {
        const { result } = await call(first, way.tool, { ...way.args, ...more });
        assert.equal(failureOf(result ?? {}).code, code, `${way.tool} ${JSON.stringify(more)}`);
      }
      assert.ok(!ordersSince(first, mark).some((line) => /mark=\$1/.test(line)), 'a transfer was begun');
    }
  });
});
