/** dd, with the short reads of a pipe that its blocks show. */
import { FsError } from '../files/fs-error.ts';
import { forReading, forWriting, openPath } from '../process/open.ts';
import type { OpenFile } from '../process/open-file.ts';
import type { Process, Program } from '../process/process.ts';
import { complain } from './launch.ts';
import { parseSize } from './options.ts';

/** One block: what one read gives, or with `full` all that it takes. */
async function readBlock(self: Process, input: OpenFile, bytes: number, full: boolean): Promise<Buffer> {
  const first = await input.read(bytes, self.signal);
  if (!full || first.length === 0 || first.length === bytes) return first;
  const pieces = [first];
  let size = first.length;
  while (size < bytes) {
    await self.breathe();
    const piece = await input.read(bytes - size, self.signal);
    if (piece.length === 0) break;
    pieces.push(piece);
    size += piece.length;
  }
  return Buffer.concat(pieces);
}

export const dd: Program = async (self) => {
  const values = new Map(
    self.argv.slice(1).map((arg) => [arg.split('=')[0], arg.slice(arg.indexOf('=') + 1)]),
  );
  const blockBytes = parseSize(values.get('bs') ?? '512');
  const count = values.has('count') ? parseSize(values.get('count') ?? '') : Number.POSITIVE_INFINITY;
  const flags = values.get('iflag')?.split(',') ?? [];
  const [full, countsBytes] = [flags.includes('fullblock'), flags.includes('count_bytes')];
  const [inputPath, outputPath] = [values.get('if'), values.get('of')];
  const input = inputPath === undefined ? self.fds.get(0) : openPath(self, inputPath, forReading);
  const output = outputPath === undefined ? self.fds.get(1) : openPath(self, outputPath, forWriting);
  if (input === undefined || output === undefined) return 1;
  let [total, whole, partial, status] = [0, 0, 0, 0];
  while ((countsBytes ? total : whole + partial) < count) {
    await self.breathe();
    const wanted = countsBytes ? Math.min(blockBytes, count - total) : blockBytes;
    const block = await readBlock(self, input, wanted, full);
    if (block.length === 0) break;
    try {
      await self.writeTo(output, block);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      status = await complain(self, `error writing '${outputPath ?? 'standard output'}': ${error.reason}`);
      break;
    }
    total += block.length;
    if (block.length === blockBytes) whole += 1;
    else partial += 1;
  }
  if (outputPath !== undefined) output.release();
  if (values.get('status') === 'none') return status;
  const blocks = `${whole}+${partial}`;
  await self.err(`${blocks} records in\n${blocks} records out\n${total} bytes copied\n`);
  return status;
};
