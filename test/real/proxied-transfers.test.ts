/** Direct transfers through real reverse proxies, as people make them: with curl. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../gateway/harness.ts';
import { newMarker } from './harness.ts';
import {
  caddyWithTls,
  maxFileBytes,
  onSite,
  type Site,
  startSite,
  usualNginx,
  type Way,
  ways,
} from './site.ts';
import { waitUntilGone } from './stand/processes.ts';
import { startNginx } from './stand/proxies.ts';
import { type Curl, curl, type Remote } from './stand/remote.ts';

const random = randomBytes(5 * 1024 * 1024);

interface Granted {
  readonly url: string;
  readonly method: string;
  readonly expires_at: string;
  readonly max_bytes: number;
}

/** What every test here needs, from the time when the site is up. */
interface Desk {
  readonly site: Site;
  /** Of this machine, for what curl sends and gets. */
  readonly here: string;
  upload(path: string, how?: { by?: Remote; size?: number }): Promise<Granted>;
  download(path: string, by?: Remote): Promise<Granted>;
  send(args: readonly string[], url: string): Curl;
  statusOf(args: readonly string[], url: string): Promise<number>;
  /** Runs a command in container 100, which must succeed. */
  inside(command: string): Promise<string>;
  /** An empty folder of the container. */
  newFolder(): Promise<string>;
  /** How many calls about a file have begun, and how those ended that have; the call for the URL is one of them. */
  calls(path: string): Promise<{ begun: number; ends: readonly unknown[] }>;
  /** Files of transfers that lie on the host. */
  residue(): Promise<string>;
  close(): Promise<void>;
}

async function openDesk(way: Way, route: string): Promise<Desk> {
  const site = await startSite(way, { TRANSFER_ROUTE: route });
  const here = await mkdtemp(join(tmpdir(), 'transfers-'));
  await writeFile(join(here, 'random'), random);
  await writeFile(join(here, 'small'), 'new');
  await writeFile(join(here, 'other'), 'replayed');
  const remote = await site.connect('modern');
  const grant = async (by: Remote, verb: string, path: string, more: Record<string, unknown> = {}) => {
    const args = { vmid: 100, container_path: path, transfer: 'url', ...more };
    const result = await by.call(`proxmox_${verb}_container`, args);
    assert.notEqual(result.isError, true, JSON.stringify(result.content));
    return result.structuredContent as unknown as Granted;
  };
  const send: Desk['send'] = (args, url) => curl(args, { url, caFile: site.proxy.caFile });
  const inside: Desk['inside'] = async (command) => {
    const { structuredContent } = await site.gateway.exec(command);
    const { exit_code, stdout, stderr } = structuredContent as Record<string, unknown>;
    assert.equal(exit_code, 0, `${command}: ${stderr}`);
    return String(stdout);
  };
  return {
    site,
    here,
    upload: (path, { by = remote, ...announced } = {}) =>
      grant(by, 'upload_file_to', path, { overwrite: true, ...announced }),
    download: (path, by = remote) => grant(by, 'download_file_from', path),
    send,
    statusOf: async (args, url) => (await send(args, url).ended).status,
    inside,
    async newFolder() {
      const folder = `/root/${newMarker()}`;
      await inside(`mkdir ${folder}`);
      return folder;
    },
    async calls(path) {
      const lines = (await site.audit()).filter(({ tool }) => /load_file/.test(String(tool)));
      const begun = lines.filter((line) => line.event === 'begin' && JSON.stringify(line).includes(path));
      const ids = new Set(begun.map(({ requestId }) => requestId));
      const ended = lines.filter(({ event, requestId }) => event === 'finish' && ids.has(requestId));
      return { begun: begun.length, ends: ended.map(({ outcome }) => outcome) };
    },
    residue: async () =>
      (await site.gateway.node.world.run('find /var/tmp -path "*/proxmox-mcp-*" -type f')).stdout,
    async close() {
      await site.close();
      await rm(here, { recursive: true, force: true });
    },
  };
}

for (const way of ways) transfers(way, 'stream');
for (const way of [caddyWithTls, usualNginx]) transfers(way, 'staging');

function transfers(way: Way, route: 'stream' | 'staging'): void {
  describe(`direct transfers through ${way.name}, route ${route}`, onSite, () => {
    let desk: Desk;
    before(async () => {
      desk = await openDesk(way, route);
    });
    after(() => desk?.close());
    arrive(() => desk);
    areRefused(() => desk);
    breakOff(() => desk, {
      holdsBack: way.holdsBack,
      showsInContainer: !way.holdsBack && route === 'stream',
    });
  });
}

function arrive(at: () => Desk): void {
  for (const how of ['with its size', 'in chunks'] as const) {
    test(`an upload ${how} arrives byte for byte`, async () => {
      const { newFolder, upload, send, here, inside } = at();
      const folder = await newFolder();
      const { url } = await upload(`${folder}/file`);
      const { child, ended } = send(['-T', how === 'in chunks' ? '-' : join(here, 'random')], url);
      child.stdin.end(how === 'in chunks' ? random : undefined);
      const { status, body, said } = await ended;
      assert.equal(status, 201, body + said);
      const { bytes_transferred, sha256 } = JSON.parse(body) as Record<string, unknown>;
      assert.deepEqual([bytes_transferred, sha256], [random.length, sha256Of(random)]);
      assert.equal(await inside(`cd ${folder}; ls -A; sha256sum <file`), `file\n${sha256Of(random)}  -\n`);
    });
  }

  test('a download arrives byte for byte', async () => {
    const { newFolder, download, send, here, inside } = at();
    const folder = await newFolder();
    await inside(`head -c ${random.length} /dev/urandom >${folder}/file`);
    const { url } = await download(`${folder}/file`);
    const { status, said } = await send(['-o', join(here, 'got')], url).ended;
    assert.equal(status, 200, said);
    const got = await readFile(join(here, 'got'));
    assert.equal(got.length, random.length);
    assert.equal(`${sha256Of(got)}  -\n`, await inside(`sha256sum <${folder}/file`));
  });

  test('a path of 4,000 bytes gets through in a URL', async () => {
    const { newFolder, upload, statusOf, here, inside } = at();
    const folder = `${await newFolder()}${`/${'d'.repeat(250)}`.repeat(15)}`;
    const path = `${folder}/${'f'.repeat(250)}`;
    await inside(`mkdir -p ${folder}`);
    const { url } = await upload(path);
    assert.equal(await statusOf(['-T', join(here, 'small')], url), 201);
    assert.equal(await inside(`cd ${folder}; cat f*`), 'new');
  });

  test('the URL names the public address, whatever the request for it said', async () => {
    const { site, newFolder, upload } = at();
    const claims = { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' };
    const direct = { endpoint: site.gateway.url, headers: { ...claims, host: '198.51.100.7' } };
    const folder = await newFolder();
    for (const by of [
      await site.connect('legacy', { headers: claims }),
      await site.connect('modern', direct),
    ]) {
      const { url, method, max_bytes, expires_at } = await upload(`${folder}/file`, { by });
      assert.ok(url.startsWith(site.proxy.url.href), url);
      assert.match(url.slice(site.proxy.url.href.length), /^transfers\/[\w-]+$/);
      assert.deepEqual({ method, max_bytes }, { method: 'PUT', max_bytes: maxFileBytes });
      assert.ok(Date.parse(expires_at) > Date.now(), expires_at);
    }
  });
}

function areRefused(at: () => Desk): void {
  test('a URL to upload serves one PUT; what is refused does not use it up', async () => {
    const { newFolder, upload, statusOf, here, inside } = at();
    const folder = await newFolder();
    const small = ['-T', join(here, 'small')];
    const { url } = await upload(`${folder}/file`);
    assert.equal(await statusOf([], url), 405);
    assert.equal(await statusOf(['--head'], url), 405);
    assert.equal(await statusOf([...small, '-H', 'Content-Range: bytes 0-2/9'], url), 400);
    assert.equal(await statusOf(small, altered(url)), 404);
    assert.equal(await statusOf(small, url), 201);
    assert.equal(await statusOf(['-T', join(here, 'other')], url), 410);
    assert.equal(await inside(`cat ${folder}/file`), 'new');
  });

  test('a URL to download serves one GET; what is refused does not use it up', async () => {
    const { newFolder, download, statusOf, send, here, inside } = at();
    const folder = await newFolder();
    await inside(`printf content >${folder}/file`);
    const { url, method } = await download(`${folder}/file`);
    assert.equal(method, 'GET');
    assert.equal(await statusOf(['--head'], url), 405);
    assert.equal(await statusOf(['--range', '0-1'], url), 400);
    assert.equal(await statusOf(['-T', join(here, 'small')], url), 405);
    assert.equal(await statusOf([], altered(url)), 404);
    const { status, body } = await send([], url).ended;
    assert.deepEqual({ status, body }, { status: 200, body: 'content' });
    assert.equal(await statusOf([], url), 410);
  });

  for (const how of ['with its size', 'in chunks'] as const) {
    test(`an upload ${how} that is too large is told so`, async () => {
      const { newFolder, upload, send, here, inside } = at();
      const folder = await newFolder();
      const { url } = await upload(`${folder}/file`, { size: random.length - 1 });
      // Caddy may close on a client that is busy sending before it has read the answer.
      const argv = ['--limit-rate', '20M', '-T', how === 'in chunks' ? '-' : join(here, 'random')];
      const { child, ended } = send(argv, url);
      child.stdin.end(how === 'in chunks' ? random : undefined);
      const { status, body, said } = await ended;
      assert.equal(status, 413, body + said);
      assert.equal(await inside(`ls -A ${folder}`), '');
    });
  }
}

/** `showsInContainer`: bytes of an upload lie beside the destination as soon as they come. */
function breakOff(at: () => Desk, how: { holdsBack: boolean; showsInContainer: boolean }): void {
  test('an upload that is cut leaves the old file and nothing beside it', async () => {
    const { site, newFolder, upload, send, statusOf, here, inside, calls, residue } = at();
    const folder = await newFolder();
    const path = `${folder}/file`;
    await inside(`printf old >${path}`);
    const { url } = await upload(path);
    const { child, ended } = send(['-T', '-'], url);
    child.stdin.write(random);
    const waiting = () => site.proxy.waitingBodies();
    if (how.holdsBack) await eventually(async () => (await waiting()) > 0 || undefined);
    else await eventually(async () => (await calls(path)).begun === 2 || undefined);
    if (how.showsInContainer)
      await eventually(async () => (await inside(`ls -A ${folder}`)) !== 'file\n' || undefined);
    child.kill('SIGKILL');
    await ended;
    if (how.holdsBack) await eventually(async () => (await waiting()) === 0 || undefined);
    else await eventually(async () => (await calls(path)).ends.length === 2 || undefined);
    // Half a body that the proxy held back was never heard of, and used nothing up.
    assert.equal((await calls(path)).begun, how.holdsBack ? 1 : 2);
    assert.equal(await inside(`cd ${folder}; ls -A; cat file`), 'file\nold');
    assert.equal(await residue(), '');
    assert.equal(await statusOf(['-T', join(here, 'small')], url), how.holdsBack ? 201 : 410);
  });

  test('a download whose client is gone ends on the host', async () => {
    const { newFolder, download, send, here, inside, calls, residue } = at();
    const folder = await newFolder();
    const path = `${folder}/file`;
    const out = join(here, newMarker());
    await inside(`truncate -s ${maxFileBytes} ${path}`);
    const { url } = await download(path);
    const { child, ended } = send(['--limit-rate', '200k', '-o', out], url);
    const received = async () => (await stat(out).catch(() => undefined))?.size ?? 0;
    await eventually(async () => (await received()) > 0 || undefined, 20_000);
    if (!how.holdsBack) assert.deepEqual((await calls(path)).ends, ['ok'], 'the transfer is under way');
    child.kill('SIGKILL');
    await ended;
    const ends = await eventually(async () => {
      const { ends } = await calls(path);
      return ends.length === 2 ? ends : undefined;
    });
    if (!how.holdsBack) assert.deepEqual(ends, ['ok', 'cancelled']);
    await waitUntilGone(folder.slice('/root/'.length), 1_000);
    assert.equal(await residue(), '');
  });
}

describe('nginx with its own bound on bodies', onSite, () => {
  test('refuses an upload of more than 1 MiB itself, and the URL remains good', async () => {
    const untouched: Way = {
      ...usualNginx,
      start: (place) => startNginx({ ...place, settings: 'untouched' }),
    };
    const { newFolder, upload, send, statusOf, here, close } = await openDesk(untouched, 'stream');
    try {
      const { url } = await upload(`${await newFolder()}/file`);
      const { status, body } = await send(['-T', join(here, 'random')], url).ended;
      assert.equal(status, 413);
      assert.match(body, /nginx/);
      assert.equal(await statusOf(['-T', join(here, 'small')], url), 201);
    } finally {
      await close();
    }
  });
});

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** One character in the middle of the ticket is another one. */
function altered(url: string): string {
  const at = url.length - 20;
  return url.slice(0, at) + (url[at] === 'A' ? 'B' : 'A') + url.slice(at + 1);
}
