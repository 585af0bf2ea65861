/** A gateway with files to move, and looks at what is left of a transfer that go past the gateway. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { eventually } from '../../gateway/harness.ts';
import { type RealGateway, startRealGateway } from '../harness.ts';
import type { NodeOptions, StandNode } from '../stand/node.ts';

export const mebibyte = 1024 * 1024;
export const routes = ['staging', 'stream'] as const;
export type Route = (typeof routes)[number];

/** No test waits longer for an answer. */
const hangMs = 40_000;

export const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

/** Numbers from 0 to 1 that can be had again with the same seed. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

export interface Answered {
  readonly status: number;
  readonly body: Buffer;
}

/** What a direct transfer came to: the facts of the answer, or the failure in the words of a tool. */
export interface Outcome {
  readonly status: number;
  readonly sha256?: string;
  readonly bytes_transferred?: number;
  readonly route?: string;
  readonly code?: string;
  readonly outcome?: string;
  readonly error?: string;
}

/** Sends the chunks as fast as they are taken; a server that answers early, or goes, ends it. */
export async function put(
  url: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size?: number,
  withinMs = hangMs,
): Promise<Outcome> {
  const headers = size === undefined ? {} : { 'content-length': size };
  const sending = request(url, { method: 'PUT', headers, signal: AbortSignal.timeout(withinMs) });
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
  let over = false;
  void answered.then(
    () => {
      over = true;
    },
    () => {
      over = true;
    },
  );
  const feed = async () => {
    for await (const chunk of chunks) {
      if (over) return;
      if (!sending.write(chunk)) await Promise.race([once(sending, 'drain'), answered]);
    }
    sending.end();
  };
  feed().catch(() => {});
  const [answer] = await answered;
  sending.on('error', () => {});
  const body = await bodyOf(answer);
  sending.destroy();
  return { status: answer.statusCode ?? 0, ...JSON.parse(body.toString()) };
}

/** Rejects where the answer ends before its time. */
export async function get(url: string, onBytes: (sum: number) => void = () => {}): Promise<Answered> {
  const asking = request(url, { agent: false, signal: AbortSignal.timeout(hangMs) });
  asking.end();
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: await bodyOf(answer, onBytes) };
}

async function bodyOf(answer: IncomingMessage, onBytes: (sum: number) => void = () => {}): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sum = 0;
  for await (const chunk of answer) {
    chunks.push(chunk);
    sum += chunk.length;
    onBytes(sum);
  }
  return Buffer.concat(chunks);
}

export function* slices(bytes: Buffer, length = 64 * 1024): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

export interface Transferring {
  readonly gateway: RealGateway;
  readonly node: StandNode;
  upload(args: Record<string, unknown>): ReturnType<RealGateway['call']>;
  download(args: Record<string, unknown>): ReturnType<RealGateway['call']>;
  /** One-time URLs. */
  putUrl(path: string, args?: Record<string, unknown>): Promise<string>;
  getUrl(path: string): Promise<string>;
  /** Past the gateway. Throws where the command fails. */
  inside(command: string, vmid?: number): Promise<string>;
  onHost(command: string): Promise<string>;
  /** Writes a file of random bytes in the container and gives its SHA-256. */
  fill(path: string, bytes: number): Promise<string>;
  sumOf(path: string): Promise<string>;
  busy(): Promise<boolean>;
  underWay(directory: string): string[];
  /**
   * A directory of the container that outlives its stop, for its file system is in memory. To be asked for anew
   * when it was started again.
   */
  keep(directory: string): Promise<void>;
  /** Nothing of any transfer is left on the host, in the container or running. */
  clean(waitMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** Takes a directory of the node along into the mount namespace of a process: open_tree(2), setns(2), move_mount(2). */
const lendScript = `
use Namespace;
my ($pid, $from, $to) = @ARGV;
my $tree = syscall(428, -100, "$from", 1);
die "open_tree: $!" if $tree < 0;
Namespace::join_namespaces($pid, "mnt");
my $empty = "";
die "move_mount: $!" if syscall(429, $tree, $empty, -100, "$to", 4) < 0;
`;
const running = "pgrep -af '[.]proxmox-mcp-[0-9a-f]|[p]ct (push|pull)'";
const stagingPlaces = '/var/tmp /srv /srv/small /home/mcp';

export async function startTransferring(
  options: { node?: NodeOptions; env?: Record<string, string> } = {},
): Promise<Transferring> {
  const gateway = await startRealGateway(options);
  return transferringOn(gateway, gateway.node);
}

export function transferringOn(gateway: RealGateway, node: StandNode): Transferring {
  const looks = looksAt(node);
  const args = (path: string, more: Record<string, unknown> = {}) => ({ container_path: path, ...more });
  const upload: Transferring['upload'] = (given) =>
    gateway.call('proxmox_upload_file_to_container', { vmid: 100, ...given });
  const download: Transferring['download'] = (given) =>
    gateway.call('proxmox_download_file_from_container', { vmid: 100, ...given });
  return {
    gateway,
    node,
    upload,
    download,
    putUrl: async (path, more) =>
      urlOf(await upload({ overwrite: true, ...args(path, more), transfer: 'url' })),
    getUrl: async (path) => urlOf(await download({ ...args(path), transfer: 'url' })),
    ...looks,
    close: () => gateway.close(),
  };
}

function urlOf(result: Awaited<ReturnType<RealGateway['call']>>): string {
  const url = (result.structuredContent as { url?: string } | undefined)?.url;
  assert.ok(url !== undefined, JSON.stringify(result.content));
  return url;
}

export function looksAt(node: StandNode) {
  const { world } = node;
  const onHost = async (command: string) => {
    const { stdout, stderr, code } = await world.run(command);
    assert.equal(code, 0, `${command}: ${stderr}`);
    return stdout.trim();
  };
  const inside = async (command: string, vmid = 100) =>
    await onHost(`lxc-attach -n ${vmid} -- /usr/bin/bash -c ${quoted(command)}`);
  const left = async () => {
    const looked = await Promise.all([
      world.run(`find ${stagingPlaces} -mindepth 1 -maxdepth 2 -name 'proxmox-mcp-*' 2>/dev/null`),
      world.run("find /proc/$(cut -d' ' -f1 /run/lxc/100)/root/ -xdev -name '.proxmox-mcp-*' 2>/dev/null"),
      world.run(running),
    ]);
    return looked
      .map(({ stdout }) => stdout)
      .join('')
      .trim();
  };
  return {
    onHost,
    inside,
    async fill(path: string, bytes: number) {
      const out = await inside(`head -c ${bytes} /dev/urandom >${path}; sha256sum <${path}`);
      return out.slice(0, 64);
    },
    sumOf: async (path: string) => (await inside(`sha256sum <${path}`)).slice(0, 64),
    /** Whether anything of a transfer still runs. */
    busy: async () => (await world.run(running)).stdout !== '',
    /** Files on their way into the container, on the host or beside their destination. */
    underWay(directory: string): string[] {
      const [init] = readFileSync(world.path('/run/lxc/100'), 'utf8').split(' ');
      const beside = world.path(`/proc/${init}/root${directory}`);
      const staged = namesIn(world.path('/var/tmp')).map((name) => world.path(`/var/tmp/${name}/file`));
      return [...staged, ...namesIn(beside).map((name) => `${beside}/${name}`)];
    },
    async keep(directory: string) {
      await onHost(`mkdir -p /var/lib/kept; chown 100000:100000 /var/lib/kept; chmod 755 /var/lib/kept`);
      await inside(`mkdir -p ${directory}`);
      const [init] = readFileSync(world.path('/run/lxc/100'), 'utf8').split(' ');
      await onHost(
        `perl -I /usr/libexec/standin/lib -e ${quoted(lendScript)} ${init} /var/lib/kept ${directory}`,
      );
    },
    async clean(waitMs = 45_000) {
      let last = '';
      await eventually(async () => {
        last = await left();
        return last === '' || undefined;
      }, waitMs).catch(() => assert.fail(`left after ${waitMs} ms: ${last}`));
    },
  };
}

function namesIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.includes('proxmox-mcp-'));
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
