/** The staging route: a private file on the host, which pct pushes into a container or pulls out of it. */
import { randomUUID } from 'node:crypto';
import { failure, type GatewayError } from '../../base/errors.ts';
import { wholeText } from '../../exec/capture.ts';
import { type Executor, type StagedFile, StorageFailed } from '../../exec/executor.ts';
import { createTurns } from './turns.ts';
import type { Unfinished } from './unfinished.ts';

export interface Staging {
  /** Throws StorageFailed where nothing can be staged, NO_SPACE where the host's disk is full. */
  withFile<T>(signal: AbortSignal, use: (file: StagedFile) => Promise<T>): Promise<T>;
  /**
   * What pct said; whether it did anything is for the caller to prove. The ways to the destination are tried in order,
   * as long as pct finds nothing there.
   */
  push(input: PushRequest): Promise<string>;
  /** Resolves with size and SHA-256 of what arrived, which may be anything. */
  pull(input: PullRequest): Promise<Pulled>;
  /** Why the host's storage failed. */
  explainStorage(error: unknown): Promise<GatewayError>;
}

export interface PushRequest {
  readonly vmid: number;
  readonly from: string;
  readonly ways: readonly string[];
  readonly signal: AbortSignal;
}

export interface PullRequest {
  readonly vmid: number;
  readonly from: string;
  readonly to: string;
  /** In bytes; more is not written to the host's disk. */
  readonly size: number;
  readonly signal: AbortSignal;
}

export interface Pulled {
  readonly size: number;
  readonly sha256: string;
  readonly said: string;
}

const ulimitBlockBytes = 512;
const maxOutputBytes = 16 * 1024;
const probeMs = 10_000;

/** The bound is one of the process, so no source can fill the disk, whatever it turns into while it is copied. */
const pullScript = `
ulimit -f "$1"
env LC_ALL=C.UTF-8 pct pull "$2" -- "$3" "$4"
printf '\\n%s %s\\n' "$(wc -c <"$4")" "$(sha256sum <"$4")"
`.trim();

/** What a directory that can still be written to is able to hold, tried by writing. */
const probeScript = `
export LC_ALL=C
umask 077
head -c 65536 /dev/zero >"$1"
code=$?
rm -f -- "$1"
exit $code
`.trim();

export function createStaging(input: {
  executor: Executor;
  directory: string;
  timeoutMs: number;
  unfinished: Unfinished;
}): Staging {
  const { executor, directory, timeoutMs, unfinished } = input;
  const turns = createTurns();
  const newPath = () => `${directory}/proxmox-mcp-${randomUUID()}`;

  /** pct holds the container's lock meanwhile, and a second one fails after 10 s of waiting. */
  const pct = async (vmid: number, argv: [string, ...string[]], signal: AbortSignal) => {
    const leave = await turns.take(vmid, signal);
    try {
      return await executor.run({ argv, timeoutMs, maxBytes: maxOutputBytes }, { signal });
    } finally {
      leave();
    }
  };

  return {
    async withFile(signal, use) {
      const place = newPath();
      const entry = await unfinished.add({ kind: 'staged', path: place });
      let removed = false;
      try {
        const file = await executor.stage(`${place}/file`, signal).catch((error: unknown) => {
          // What could not be made was taken away by whoever tried.
          removed = error instanceof StorageFailed;
          throw error;
        });
        try {
          return await use(file);
        } finally {
          await file.remove().then(
            () => {
              removed = true;
            },
            () => {},
          );
        }
      } finally {
        if (removed) await entry.remove();
        else entry.release();
      }
    },
    async push({ vmid, from, ways, signal }) {
      let words = '';
      for (const to of ways) {
        const push = ['pct', 'push', String(vmid), '--', from, to];
        const { stdout, stderr } = await pct(vmid, ['env', 'LC_ALL=C.UTF-8', ...push], signal);
        words = said(vmid, `${wholeText(stderr)}${wholeText(stdout)}`);
        if (!/^failed to create file/m.test(words)) return words;
      }
      return words;
    },
    async pull({ vmid, from, to, size, signal }) {
      const blocks = Math.ceil(size / ulimitBlockBytes) + 1;
      const { stdout, stderr } = await pct(
        vmid,
        ['/bin/sh', '-c', pullScript, 'sh', String(blocks), String(vmid), from, to],
        signal,
      );
      const words = said(vmid, `${wholeText(stderr)}${wholeText(stdout)}`);
      const arrived = /\n\s*(\d+) ([0-9a-f]{64}) {2}-\n$/.exec(wholeText(stdout));
      if (arrived === null)
        throw failure('UNEXPECTED_ANSWER', { from: 'pct pull' }, { evidence: { stderr: words } });
      return { size: Number(arrived[1]), sha256: arrived[2] ?? '', said: words };
    },
    async explainStorage(error) {
      const { exitCode, stderr } = await executor.run(
        {
          argv: ['/bin/sh', '-c', probeScript, 'sh', newPath()],
          timeoutMs: probeMs,
          maxBytes: maxOutputBytes,
        },
        { signal: AbortSignal.timeout(probeMs) },
      );
      const words = wholeText(stderr);
      if (saysFull(words))
        return failure('NO_SPACE', { where: 'on the host (its staging folder)' }, { cause: error });
      const problem =
        exitCode === 0 ? 'its storage failed for a moment' : 'its staging folder cannot be used';
      return failure(
        'NOT_WRITABLE',
        { where: 'on the host', problem },
        { cause: error, evidence: { stderr: words } },
      );
    },
  };
}

/** Throws where pct says that it did not even begin. */
function said(vmid: number, words: string): string {
  if (/can't lock file .* got timeout/.test(words))
    throw failure('CONTAINER_LOCKED', { vmid, lock: 'another task is changing it' });
  if (/^can only (push|pull) files/m.test(words)) throw failure('CONTAINER_NOT_RUNNING', { vmid });
  return words;
}

/** In the words of the C locale. */
export function saysFull(words: string): boolean {
  return /No space left on device|Disk quota exceeded/.test(words);
}
