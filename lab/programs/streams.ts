/** Programs that pass bytes on as they come, at the pace of whoever reads them. */
import { FsError } from '../files/fs-error.ts';
import { forAppending, forReading, forWriting, openPath } from '../process/open.ts';
import type { OpenFile } from '../process/open-file.ts';
import type { Process, Program } from '../process/process.ts';
import { dd } from './dd.ts';
import { complain } from './launch.ts';
import { parseDuration, parseSize, readOptions } from './options.ts';

const chunkBytes = 64 * 1024;

/** The chunks of a file; the caller may stop early. */
export async function* chunksOf(self: Process, file: OpenFile): AsyncGenerator<Buffer> {
  for (;;) {
    await self.breathe();
    const chunk = await file.read(chunkBytes, self.signal);
    if (chunk.length === 0) return;
    yield chunk;
  }
}

/** The longest line that is kept whole. */
const maxLineBytes = 4 * 1024 * 1024;

/** The lines of a file without their ends, each as soon as it is whole. */
export async function* linesOf(self: Process, file: OpenFile): AsyncGenerator<string> {
  let pending = '';
  for await (const chunk of chunksOf(self, file)) {
    const lines = (pending + chunk.toString('latin1')).split('\n');
    pending = (lines.pop() ?? '').slice(0, maxLineBytes);
    yield* lines;
  }
  if (pending !== '') yield pending;
}

/** Hands each operand, or stdin, to the action; says what cannot be opened. */
async function eachFile(
  self: Process,
  operands: readonly string[],
  action: (file: OpenFile, name: string) => Promise<void>,
): Promise<number> {
  let status = 0;
  for (const name of operands.length === 0 ? ['-'] : operands) {
    try {
      const file = name === '-' ? self.fds.get(0) : openPath(self, name, forReading);
      if (file === undefined) throw new FsError('EBADF', name);
      if (name === '-') file.retain();
      try {
        await action(file, name);
      } finally {
        file.release();
      }
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      const program = self.argv[0]?.split('/').at(-1);
      if (error.code === 'ENOSPC') {
        const writing = program === 'cat' ? 'write error' : `error writing 'standard output'`;
        return await complain(self, `${writing}: ${error.reason}`);
      }
      const opening = program === 'cat' || error.code === 'EISDIR' ? '' : 'cannot open ';
      const quoted = opening === '' ? name : `'${name}' for reading`;
      status = await complain(self, `${opening}${quoted}: ${error.reason}`);
    }
  }
  return status;
}

const cat: Program = async (self) => {
  const { operands } = readOptions(self.argv.slice(1));
  return await eachFile(self, operands, async (file) => {
    for await (const chunk of chunksOf(self, file)) await self.out(chunk);
  });
};

async function copyLines(self: Process, file: OpenFile, lines: number): Promise<void> {
  let left = lines;
  if (left <= 0) return;
  for await (const chunk of chunksOf(self, file)) {
    let end = 0;
    while (left > 0) {
      const newline = chunk.indexOf(0x0a, end);
      if (newline < 0) {
        end = chunk.length;
        break;
      }
      end = newline + 1;
      left -= 1;
    }
    await self.out(chunk.subarray(0, end));
    if (left === 0) return;
  }
}

async function copyBytes(self: Process, file: OpenFile, bytes: number): Promise<void> {
  let left = bytes;
  while (left > 0) {
    await self.breathe();
    const chunk = await file.read(Math.min(left, chunkBytes), self.signal);
    if (chunk.length === 0) return;
    left -= chunk.length;
    await self.out(chunk);
  }
}

/** `-5` is an old way to write `-n 5`. */
function lineArguments(self: Process): string[] {
  return self.argv.slice(1).map((arg) => arg.replace(/^-(\d+)$/, '-n$1'));
}

const head: Program = async (self) => {
  const { operands, get } = readOptions(lineArguments(self), { valued: ['n', 'c', 'lines', 'bytes'] });
  const bytes = get('c', 'bytes');
  const lines = Number(get('n', 'lines') ?? 10);
  return await eachFile(self, operands, async (file, name) => {
    if (operands.length > 1) await self.out(`==> ${name} <==\n`);
    if (bytes !== undefined) await copyBytes(self, file, parseSize(bytes));
    else await copyLines(self, file, lines);
  });
};

/** What tail keeps at the most. */
const maxTailBytes = 16 * 1024 * 1024;

const tail: Program = async (self) => {
  const options = readOptions(lineArguments(self), { valued: ['n', 'c', 'lines', 'bytes', 's'] });
  const { operands, get } = options;
  const bytes = get('c', 'bytes');
  const count = get('n', 'lines') ?? '10';
  return await eachFile(self, operands, async (file, name) => {
    if (operands.length > 1) await self.out(`==> ${name} <==\n`);
    if (bytes?.startsWith('+')) await copyFrom(self, file, parseSize(bytes) - 1);
    else {
      const kept = await lastChunks(self, file, bytes === undefined ? maxTailBytes : parseSize(bytes));
      await self.out(bytes === undefined ? lastLines(kept.toString('latin1'), count) : kept);
    }
    while (options.has('f', 'F')) {
      await self.sleep(100);
      for await (const chunk of chunksOf(self, file)) await self.out(chunk);
    }
  });
};

/** Passes on all but the first bytes. */
async function copyFrom(self: Process, file: OpenFile, skippedBytes: number): Promise<void> {
  let left = Math.max(0, skippedBytes);
  for await (const chunk of chunksOf(self, file)) {
    if (left < chunk.length) await self.out(chunk.subarray(left));
    left = Math.max(0, left - chunk.length);
  }
}

async function lastChunks(self: Process, file: OpenFile, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunksOf(self, file)) {
    chunks.push(chunk);
    size += chunk.length;
    while (size - (chunks[0]?.length ?? 0) >= bytes) size -= chunks.shift()?.length ?? size;
  }
  return Buffer.concat(chunks).subarray(Math.max(0, size - bytes));
}

function lastLines(text: string, count: string): string {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const number = Math.abs(Number(count));
  if (count.startsWith('+')) return lines.slice(number - 1).join('');
  return number === 0 ? '' : lines.slice(-number).join('');
}

const tee: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1));
  const files = operands.map((path) => openPath(self, path, has('a') ? forAppending : forWriting));
  const input = self.fds.get(0);
  if (input === undefined) return 1;
  for await (const chunk of chunksOf(self, input)) {
    for (const file of files) await self.writeTo(file, chunk);
    await self.out(chunk);
  }
  for (const file of files) file.release();
  return 0;
};

const yes: Program = async (self) => {
  const line = `${self.argv.slice(1).join(' ') || 'y'}\n`;
  const block = Buffer.from(line.repeat(Math.ceil(8192 / line.length)), 'latin1');
  for (;;) {
    await self.out(block);
    await self.breathe();
  }
};

const sleep: Program = async (self) => {
  let totalMs = 0;
  for (const arg of self.argv.slice(1)) {
    const ms = parseDuration(arg);
    if (ms === undefined) return await complain(self, `invalid time interval ‘${arg}’`);
    totalMs += ms;
  }
  await self.sleep(totalMs);
  return 0;
};

const seq: Program = async (self) => {
  const { operands, get, has } = readOptions(self.argv.slice(1), { valued: ['s', 'f'] });
  const numbers = operands.map(Number);
  const [first, step, last] =
    numbers.length === 1 ? [1, 1, numbers[0]] : numbers.length === 2 ? [numbers[0], 1, numbers[1]] : numbers;
  if (
    first === undefined ||
    step === undefined ||
    last === undefined ||
    numbers.some(Number.isNaN) ||
    step === 0
  )
    return await complain(self, `invalid floating point argument: ‘${operands.join(' ')}’`);
  const separator = get('s') ?? '\n';
  const width = has('w') ? String(Math.max(Math.abs(first), Math.abs(last))).length : 0;
  let pending = '';
  let isFirst = true;
  for (let value = first; step > 0 ? value <= last : value >= last; value += step) {
    pending += `${isFirst ? '' : separator}${String(Number(value.toFixed(10))).padStart(width, '0')}`;
    isFirst = false;
    if (pending.length < 4096) continue;
    await self.out(pending);
    pending = '';
    await self.breathe();
  }
  await self.out(isFirst ? '' : `${pending}\n`);
  return 0;
};

export const streams: Readonly<Record<string, Program>> = { cat, head, tail, tee, yes, dd, sleep, seq };
