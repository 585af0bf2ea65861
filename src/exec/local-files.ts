/** Files in a private place on this machine. */
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { inBlocks } from './blocks.ts';
import { type StagedFile, StorageFailed } from './executor.ts';

const blockBytes = 256 * 1024;

export async function stageLocally(path: string): Promise<StagedFile> {
  const directory = dirname(path);
  await storage(mkdir(directory, { mode: 0o700 }));
  const file = await storage(open(path, 'wx+', 0o600)).catch(async (error: unknown) => {
    await rm(directory, { recursive: true, force: true });
    throw error;
  });
  return {
    path,
    async write(chunks, signal) {
      let position = 0;
      for await (const block of inBlocks(chunks, blockBytes)) {
        if (signal.aborted) throw signal.reason;
        const { bytesWritten } = await storage(file.write(block, 0, block.length, position));
        if (bytesWritten < block.length) throw new StorageFailed('short write');
        position += bytesWritten;
      }
      return position;
    },
    async *read(size, signal) {
      for (let at = 0; at < size; ) {
        if (signal.aborted) throw signal.reason;
        const block = Buffer.allocUnsafe(Math.min(blockBytes, size - at));
        const { bytesRead } = await storage(file.read(block, 0, block.length, at));
        if (bytesRead === 0) return;
        at += bytesRead;
        yield block.subarray(0, bytesRead);
      }
    },
    async remove() {
      await file.close().catch(() => {});
      await storage(rm(directory, { recursive: true }));
    },
  };
}

async function storage<T>(action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    throw new StorageFailed(error instanceof Error ? error.message : 'unknown reason', { cause: error });
  }
}
