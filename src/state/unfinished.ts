/** A journal of what is under way, so that what a crash leaves elsewhere can be found and removed later. */
import { randomUUID } from 'node:crypto';
import { utimesSync } from 'node:fs';
import { lstat, mkdir, opendir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../base/errors.ts';

const maxListed = 10_000;
const maxLookedAt = 100_000;
const maxEntryBytes = 64 * 1024;
const entryFile = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json$/;

export interface Entry<Residue extends object> {
  readonly id: string;
  readonly residue: Residue;
  /** In milliseconds since 1970. */
  readonly addedAt: number;
  /** Once nothing of it is left. Never rejects: an entry that stays is looked after in vain, and that is all. */
  remove(): Promise<void>;
  /** It belongs to nobody from now on, and is stale at once. */
  release(): void;
}

export interface Unfinished<Residue extends object> {
  /** Resolves when it is written down, and not before it does may the thing begin. Throws NO_SPACE, NOT_WRITABLE. */
  add(residue: Residue): Promise<Entry<Residue>>;
  /** Those that belong to no process, at most 10,000. The residue is as it was read: to be checked before it is believed. */
  listStale(): Promise<readonly Entry<Residue>[]>;
  /** Releases what is left. */
  close(): void;
}

export interface UnfinishedOptions {
  readonly directory: string;
  readonly heartbeatMs?: number;
  /** Some heartbeats long, so that a process that is slow for a while keeps what is its own. */
  readonly staleMs?: number;
}

/**
 * One small file an entry. While its process lives, the time of the file is renewed: that is how gateways that
 * share a state folder leave each other's entries alone.
 */
export function createUnfinished<Residue extends object>({
  directory,
  heartbeatMs = 10_000,
  staleMs = 30_000,
}: UnfinishedOptions): Unfinished<Residue> {
  const owned = new Set<string>();
  const pathOf = (id: string) => join(directory, `${id}.json`);

  const heartbeat = setInterval(() => {
    for (const id of owned) setTime(pathOf(id), new Date());
  }, heartbeatMs);
  heartbeat.unref();

  function release(id: string): void {
    owned.delete(id);
    setTime(pathOf(id), new Date(0));
  }

  const entryOf = (id: string, addedAt: number, residue: Residue): Entry<Residue> => ({
    id,
    residue,
    addedAt,
    async remove() {
      owned.delete(id);
      await unlink(pathOf(id)).catch(() => {});
    },
    release: () => release(id),
  });

  return {
    async add(residue) {
      const [id, addedAt] = [randomUUID(), Date.now()];
      owned.add(id);
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await writeFile(pathOf(id), JSON.stringify({ addedAt, residue }), { flag: 'wx', mode: 0o600 });
      } catch (error) {
        owned.delete(id);
        await unlink(pathOf(id)).catch(() => {});
        throw translated(error);
      }
      return entryOf(id, addedAt, residue);
    },
    async listStale() {
      const before = Date.now() - staleMs;
      const stale: Entry<Residue>[] = [];
      for await (const id of idsIn(directory)) {
        if (owned.has(id)) continue;
        const found = await readStale(pathOf(id), before);
        if (found !== undefined) stale.push(entryOf(id, found.addedAt, found.residue as Residue));
        if (stale.length === maxListed) break;
      }
      return stale;
    },
    close() {
      clearInterval(heartbeat);
      for (const id of owned) release(id);
    },
  };
}

/** At once, so that of a heartbeat and a release that meet the later counts. */
function setTime(path: string, time: Date): void {
  try {
    utimesSync(path, time, time);
  } catch {
    // Then it is gone, or goes stale by itself.
  }
}

async function* idsIn(directory: string): AsyncGenerator<string> {
  let lookedAt = 0;
  try {
    for await (const { name } of await opendir(directory)) {
      if (++lookedAt > maxLookedAt) return;
      if (entryFile.test(name)) yield name.slice(0, -'.json'.length);
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** Undefined where it is somebody's, foreign or not to be read. */
async function readStale(path: string, before: number) {
  try {
    const stats = await lstat(path);
    if (!stats.isFile() || stats.mtimeMs >= before || stats.size > maxEntryBytes) return undefined;
    const { addedAt, residue } = JSON.parse(await readFile(path, 'utf8'));
    if (typeof addedAt !== 'number' || typeof residue !== 'object' || residue === null) return undefined;
    return { addedAt, residue: residue as object };
  } catch {
    return undefined;
  }
}

function translated(error: unknown): unknown {
  const code = codeOf(error);
  const where = 'in the state folder of the gateway';
  if (code === 'ENOSPC' || code === 'EDQUOT') return failure('NO_SPACE', { where }, { cause: error });
  return failure('NOT_WRITABLE', { where, problem: `the system says ${String(code)}` }, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
