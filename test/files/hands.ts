/** How the suite acts on a site: the tools of one place, a shell there, and a look at what transfers have left. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Failure, failureOf, token } from '../gateway/harness.ts';
import { type Site, vmids, type Where } from './site.ts';

export type Result = Readonly<Record<string, unknown>>;
export type Args = Readonly<Record<string, unknown>>;
export type Route = 'staging' | 'stream';

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: (progress: { message?: string | undefined }) => void;
}

interface Grip {
  readonly site: Site;
  readonly where: Where;
  readonly route: Route;
  readonly vmid?: number;
  readonly bearer?: string;
  /** Speaks the protocol of 2025. */
  readonly legacy?: boolean;
}

export interface Hands {
  readonly site: Site;
  readonly where: Where;
  /** By which whole files go here. */
  readonly route: Route;
  /** The gateway's transfer folder. */
  readonly folder: string;
  up(path: string, args: Args, options?: CallOptions): Promise<Result>;
  down(path: string, args?: Args, options?: CallOptions): Promise<Result>;
  call(tool: string, args: Args, options?: CallOptions): Promise<Result>;
  /** What the lines print. Throws where the last fails. */
  sh(lines: string): Promise<string>;
  onHost(lines: string): Promise<string>;
  /** A new directory in which these lines were run. */
  fresh(lines?: string): Promise<string>;
  with(changes: Partial<Grip>): Promise<Hands>;
}

const callMs = 120_000;
let directories = 0;

export async function createHands(grip: Grip): Promise<Hands> {
  const { site, where, vmid = vmids.usual } = grip;
  const call = await callerOf(grip);
  const target = (path: string) => (where === 'host' ? { host_path: path } : { vmid, container_path: path });
  const [to, from] = where === 'host' ? ['to_host', 'from_host'] : ['to_container', 'from_container'];
  const shell = async (there: Where, command: string) => {
    const result =
      there === 'host'
        ? await call('proxmox_host_exec_command', { command })
        : await call('proxmox_container_exec_command', { vmid, command });
    const output = result.structuredContent as { stdout: string; exit_code: number } | undefined;
    assert.equal(output?.exit_code, 0, `${command}\n${JSON.stringify(result)}`);
    return output?.stdout ?? '';
  };
  const sh = (lines: string) => shell(where, lines);
  return {
    site,
    where,
    route: where === 'host' ? 'stream' : grip.route,
    folder: join(site.stateDir, 'transfers'),
    up: (path, args, options) => call(`proxmox_upload_file_${to}`, { ...target(path), ...args }, options),
    down: (path, args, options) =>
      call(`proxmox_download_file_${from}`, { ...target(path), ...args }, options),
    call,
    sh,
    onHost: (lines) => shell('host', lines),
    async fresh(lines = ':') {
      const directory = `/srv/w/${++directories}`;
      await sh(`mkdir -p ${directory} && cd ${directory} && { ${lines}\n}`);
      return directory;
    },
    with: (changes) => createHands({ ...grip, ...changes }),
  };
}

async function callerOf({ site, bearer = token, legacy = false }: Grip): Promise<Hands['call']> {
  if (legacy) {
    const client = await site.legacy(bearer);
    return (name, args, options = {}) =>
      client.callTool({ name, arguments: { ...args } }, undefined, { timeout: callMs, ...options });
  }
  const client = await site.modern(bearer);
  return (name, args, options = {}) =>
    client.callTool({ name, arguments: { ...args } }, { timeout: callMs, ...options });
}

export interface Moved {
  readonly bytes_transferred: number;
  readonly sha256: string;
  readonly route: Route;
  readonly message: string;
  readonly content?: string;
  readonly encoding?: 'utf-8' | 'base64';
  readonly offset?: number;
  readonly size?: number;
  readonly url?: string;
  readonly [key: string]: unknown;
}

/** What a call returned that must have succeeded. */
export function movedBy(result: Result): Moved {
  assert.notEqual(result.isError, true, JSON.stringify(result.content));
  return result.structuredContent as Moved;
}

export function codeOf(result: Result): string {
  return failureOf(result).code;
}

export async function failing(result: Promise<Result>, code: string): Promise<Failure> {
  const failure = failureOf(await result);
  assert.equal(failure.code, code, JSON.stringify(failure));
  return failure;
}

export function sumOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The bytes of a result's content. */
export function contentOf({ content = '', encoding }: Moved): Buffer {
  return Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8');
}

/** Everything of a directory that an upload could change, but not the times of access. */
export async function lookAt(hands: Hands, directory: string): Promise<string> {
  return await hands.sh(
    `cd ${directory} && ls -lniAR . && for n in * .[!.]*; do [ ! -f "$n" ] || [ -L "$n" ] || sha256sum <"$n"; done; true`,
  );
}

export async function isThere(hands: Hands, path: string): Promise<boolean> {
  return (await hands.sh(`[ ! -e ${path} ] || echo there`)) === 'there\n';
}

/** When something was last made or removed in the host's folder for files on their way. */
export async function lastStaged(hands: Hands): Promise<string> {
  return await hands.onHost('stat -c %y /var/tmp');
}

const ofTransfers =
  /tell\(\) \{|pct (push|pull)|proxmox-mcp-|^(\S*\/)?(dd|head|tail|cat|sha256sum|sftp-server)( |$)/;

/** Temporary files, staged files, processes and entries in the journal. */
export async function leftovers(hands: Hands): Promise<string[]> {
  const [parts, staged] = await Promise.all([
    hands.where === 'host' ? '' : hands.sh(partsLine),
    hands.onHost(`${partsLine}; ls -A /var/tmp | grep '^proxmox-mcp-'; true`),
  ]);
  const journal = join(hands.site.stateDir, 'unfinished');
  const entries = existsSync(journal) ? await readdir(journal) : [];
  const local = existsSync(hands.folder) ? await readdir(hands.folder) : [];
  const processes = await hands.site.processes();
  return [
    ...`${parts}${staged}`.split('\n').filter((line) => line !== ''),
    ...entries.map((name) => `unfinished/${name}`),
    ...local.filter((name) => name.startsWith('.proxmox-mcp-')),
    ...processes.filter((line) => ofTransfers.test(line)),
  ];
}

const partsLine = `find /srv -name '.proxmox-mcp-*.part' 2>/dev/null; true`;

/** Throws with what is still there after so long. */
export async function nothingLeft(hands: Hands, withinMs = 5_000): Promise<void> {
  const until = performance.now() + withinMs;
  for (;;) {
    const left = await leftovers(hands);
    if (left.length === 0) return;
    if (performance.now() > until) assert.deepEqual(left, [], 'something is left');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
