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
  /** What pct said, or undefined where it could not get to the destination; whether it did anything is to be proven. */
  push(input: PushRequest): Promise<string | undefined>;
  /** Size and SHA-256 of what arrived, which may be anything; undefined where pct could not get to the file. */
  pull(input: PullRequest): Promise<Pulled | undefined>;
  /** Why the host's storage failed. */
  explainStorage(error: unknown): Promise<GatewayError>;
}

export interface PushRequest {
  readonly vmid: number;
  readonly from: string;
  readonly to: string;
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
/** The bound holds for every file that pct writes, its logs included. */
const slackBytes = 16 * 1024 * 1024;
const maxOutputBytes = 16 * 1024;
const probeMs = 10_000;

/** The bound is one of the process, so no source can fill the disk, whatever it turns into while it is copied. */
const pullScript = `
ulimit -f "$1"
env LC_ALL=C.UTF-8 pct pull "$2" -- "$3" "$4"
code=$?
printf '\\n%s %s\\n' "$(wc -c <"$4")" "$(sha256sum <"$4")"
exit $code
`.trim();

/** Tried by writing, as the user who writes by SFTP: others may have more space. */
const probeScript = `
export LC_ALL=C
write='umask 077; set -C; head -c 65536 /dev/zero >"$1"'
if [ -n "\${SUDO_UID-}" ]; then sudo -n -u "#$SUDO_UID" -- /bin/sh -c "$write" sh "$1"
else /bin/sh -c "$write" sh "$1"; fi
code=$?
rm -f -- "$1"
exit $code
`.trim();

export function createStaging(input: {
  executor: Executor;
  /** The node that the executor leads to, so that what is left there can be found again. */
  node: string | undefined;
  directory: string;
  timeoutMs: number;
  unfinished: Unfinished;
}): Staging {
  const { executor, node, directory, timeoutMs, unfinished } = input;
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
      const entry = await unfinished.add({ kind: 'staged', node, path: place });
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
    async push({ vmid, from, to, signal }) {
      const push = ['pct', 'push', String(vmid), '--', from, to];
      const result = await pct(vmid, ['env', 'LC_ALL=C.UTF-8', ...push], signal);
      const words = `${wholeText(result.stderr)}${wholeText(result.stdout)}`;
      checkBegun(vmid, result.exitCode, words);
      return /^failed to create file/m.test(words) ? undefined : words;
    },
    async pull({ vmid, from, to, size, signal }) {
      const blocks = Math.ceil((size + slackBytes) / ulimitBlockBytes);
      const { exitCode, stdout, stderr } = await pct(
        vmid,
        ['/bin/sh', '-c', pullScript, 'sh', String(blocks), String(vmid), from, to],
        signal,
      );
      // SECURITY: only its complaints. Size and SHA-256 of what it fetched may be those of a file of the host, and
      // who knows them could have a container name them as its own.
      const words = wholeText(stderr);
      checkBegun(vmid, exitCode, words);
      if (/^failed to open/m.test(words)) return undefined;
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

/** Throws where pct has not even begun. Only then does it fail by its exit code; otherwise its words may hold a path. */
function checkBegun(vmid: number, exitCode: number, words: string): void {
  if (exitCode === 0) return;
  if (/^can't lock file .* got timeout$/m.test(words))
    throw failure('CONTAINER_LOCKED', { vmid, lock: 'another task is changing it' });
  if (/^can only (push|pull) files/m.test(words)) throw failure('CONTAINER_NOT_RUNNING', { vmid });
}

/** In the words of the C locale. */
export function saysFull(words: string): boolean {
  return /No space left on device|Disk quota exceeded/.test(words);
}
