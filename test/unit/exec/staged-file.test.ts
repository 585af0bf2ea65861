/** A file in a private place, on this machine and on a node over SFTP: the same promises. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { directoryNode, fileNode, linkNode } from '../../../lab/files/inode.ts';
import { findNode, plant } from '../../../lab/files/tree.ts';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { failure, GatewayError } from '../../../src/base/errors.ts';
import { type Executor, type StagedFile, StorageFailed } from '../../../src/exec/executor.ts';
import { createLocalExecutor } from '../../../src/exec/local.ts';
import { createSshExecutor } from '../../../src/exec/ssh.ts';

const { signal } = new AbortController();
const mebibyte = 1024 * 1024;

/** Where the executor works, seen from outside. */
interface Side {
  readonly executor: Executor;
  /** A directory that is there. */
  readonly base: string;
  /** Permission bits, or undefined where nothing is. */
  modeOf(path: string): number | undefined;
  contentOf(path: string): Buffer;
  put(path: string, kind: 'file' | 'directory' | 'link'): void;
  change(path: string, content: string): void;
  names(): string[];
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk));
  return Buffer.concat(all);
}

async function* only(...chunks: readonly (string | Uint8Array)[]): AsyncIterable<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}

const failsWith = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;

function promises(side: () => Side): void {
  let count = 0;
  const staged = async (use: (file: StagedFile) => Promise<void>) => {
    const path = `${side().base}/private-${++count}/file`;
    const file = await side().executor.stage(path, signal);
    try {
      await use(file);
    } finally {
      await file.remove();
    }
    assert.equal(side().modeOf(path), undefined);
    assert.equal(side().modeOf(dirname(path)), undefined);
  };

  test('the file is empty and its owner’s alone, in a directory that is too, and both go', async () => {
    await staged(async ({ path }) => {
      assert.equal(side().modeOf(path), 0o600);
      assert.equal(side().modeOf(dirname(path)), 0o700);
      assert.equal(side().contentOf(path).length, 0);
    });
  });

  test('what stands there already, whatever it is, is neither used nor touched', async () => {
    for (const kind of ['file', 'directory', 'link'] as const) {
      const path = `${side().base}/foreign-${kind}`;
      side().put(path, kind);
      const before = side().names();
      await assert.rejects(side().executor.stage(`${path}/file`, signal), StorageFailed);
      assert.deepEqual(side().names(), before);
    }
    await assert.rejects(side().executor.stage(`${side().base}/not/there/file`, signal), StorageFailed);
  });

  for (const bytes of [0, 1, 255 * 1024, 256 * 1024, 256 * 1024 + 1, 9 * mebibyte + 3])
    test(`${bytes} bytes come back as they went`, async () => {
      const content = randomBytes(bytes);
      await staged(async (file) => {
        assert.equal(await file.write(only(content.subarray(0, 7), content.subarray(7)), signal), bytes);
        assert.equal(sumOf(side().contentOf(file.path)), sumOf(content));
        assert.equal(sumOf(await collect(file.read(bytes, signal))), sumOf(content));
        const first = Math.min(bytes, 300_000);
        assert.deepEqual(await collect(file.read(first, signal)), content.subarray(0, first));
      });
    });

  test('a file that is shorter than was asked for ends where it ends', async () => {
    await staged(async (file) => {
      await file.write(only('12345'), signal);
      assert.equal((await collect(file.read(5 * mebibyte, signal))).toString(), '12345');
    });
  });

  test('what somebody else has put into the file meanwhile is read, for pct pulls into it', async () => {
    await staged(async (file) => {
      side().change(file.path, 'pulled');
      assert.equal((await collect(file.read(6, signal))).toString(), 'pulled');
    });
  });

  test('a source that fails ends the writing with its own error', async () => {
    const source = async function* () {
      yield Buffer.alloc(mebibyte);
      throw new Error('the source broke');
    };
    await staged(async (file) => {
      await assert.rejects(file.write(source(), signal), /the source broke/);
    });
  });

  test('no more is read from the source than is on its way', async () => {
    let asked = 0;
    const stop = new AbortController();
    const source = async function* () {
      for (;;) {
        asked += 1;
        if (asked === 20) stop.abort(failure('TRANSFER_CANCELLED', {}));
        yield Buffer.alloc(mebibyte);
      }
    };
    await staged(async (file) => {
      await assert.rejects(file.write(source(), stop.signal), failsWith('TRANSFER_CANCELLED'));
    });
    assert.ok(asked <= 21, `${asked} MiB were asked for`);
  });

  test('reading can be cancelled, and stopped when the reader has enough', async () => {
    await staged(async (file) => {
      await file.write(only(Buffer.alloc(8 * mebibyte)), signal);
      const stop = new AbortController();
      const reading = async () => {
        for await (const _ of file.read(8 * mebibyte, stop.signal))
          stop.abort(failure('TRANSFER_CANCELLED', {}));
      };
      await assert.rejects(reading(), failsWith('TRANSFER_CANCELLED'));
      for await (const chunk of file.read(8 * mebibyte, signal)) {
        assert.ok(chunk.length > 0);
        break;
      }
    });
  });
}

function sumOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

describe('on this machine', () => {
  const base = mkdtempSync(join(tmpdir(), 'staged-test-'));
  after(() => rmSync(base, { recursive: true }));
  const side: Side = {
    executor: createLocalExecutor({ sudo: false }),
    base,
    modeOf: (path) => (existsSync(path) ? statSync(path).mode & 0o7777 : undefined),
    contentOf: (path) => readFileSync(path),
    put(path, kind) {
      if (kind === 'directory') mkdirSync(path);
      else if (kind === 'file') writeFileSync(path, 'foreign');
      else symlinkSync(base, path);
    },
    change: (path, content) => writeFileSync(path, content),
    names: () => readdirSync(base).sort(),
  };
  promises(() => side);

  test('what cannot be removed, or written any more, is said', async () => {
    const file = await side.executor.stage(`${base}/gone/file`, signal);
    await file.remove();
    await assert.rejects(file.remove(), StorageFailed);
    await assert.rejects(file.write(only('x'), signal), StorageFailed);
  });
});

describe('over SFTP', () => {
  let lab: Lab;
  let side: Side;
  before(async () => {
    lab = await startLab({
      mounts: [
        { path: '/small', freeBytes: mebibyte },
        { path: '/ro', readOnly: true },
      ],
    });
    const { files } = lab.node;
    const base = '/var/tmp';
    side = {
      executor: executorOn(lab),
      base,
      modeOf: (path) => findNode(files, path)?.mode,
      contentOf(path) {
        const node = findNode(files, path);
        assert.ok(node?.kind === 'file');
        return node.data.subarray(0, node.size);
      },
      put: (path, kind) =>
        plant(
          files,
          path,
          kind === 'directory' ? directoryNode() : kind === 'file' ? fileNode('foreign') : linkNode(base),
        ),
      change(path, content) {
        const node = findNode(files, path);
        assert.ok(node?.kind === 'file');
        [node.data, node.size] = [Buffer.from(content), content.length];
      },
      names() {
        const node = findNode(files, base);
        assert.ok(node?.kind === 'directory');
        return [...node.entries.keys()].sort();
      },
    };
  });
  after(async () => {
    await side.executor.close();
    await lab.close();
  });
  promises(() => side);

  test('a full disk and one that cannot be written to are storage that failed, and nothing is left', async () => {
    const file = await side.executor.stage('/small/private/file', signal);
    await assert.rejects(file.write(only(Buffer.alloc(2 * mebibyte)), signal), StorageFailed);
    await file.remove();
    assert.equal(side.modeOf('/small/private'), undefined);
    await assert.rejects(side.executor.stage('/ro/private/file', signal), StorageFailed);
  });

  test('a session that the server refuses for a moment does not end the call', async () => {
    lab.control.refuseNextChannels(1);
    const file = await side.executor.stage('/var/tmp/refused/file', signal);
    await file.remove();
  });
});

function executorOn(lab: Lab): Executor {
  return createSshExecutor({
    keepsUp: true,
    target: {
      host: lab.host,
      port: lab.sshPort,
      username: lab.username,
      credential: () => ({ kind: 'password', password: lab.password }),
      hostKeys: { accepts: () => true },
    },
    sudo: false,
    texts: [],
    events: { connected() {}, disconnected() {}, connectFailed() {} },
  });
}
