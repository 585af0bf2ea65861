/** Programs that look at every byte: counts, digests, dumps, translations, sorting. */
import { createHash } from 'node:crypto';
import { FsError } from '../files/fs-error.ts';
import { forReading, openPath, readAll } from '../process/open.ts';
import type { OpenFile } from '../process/open-file.ts';
import type { Process, Program } from '../process/process.ts';
import { complain } from './launch.ts';
import { readOptions } from './options.ts';
import { chunksOf } from './streams.ts';

/** What sort and od hold at the most. */
const maxBytes = 32 * 1024 * 1024;

/** Hands each operand, or stdin, to the action; an operand that cannot be read gives status 1. */
async function eachInput(
  self: Process,
  operands: readonly string[],
  action: (file: OpenFile, name: string) => Promise<void>,
): Promise<number> {
  let status = 0;
  for (const name of operands.length === 0 ? ['-'] : operands) {
    try {
      const file = name === '-' ? self.fds.get(0) : openPath(self, name, forReading);
      if (file === undefined) throw new FsError('EBADF', name);
      await action(file, name);
      if (name !== '-') file.release();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      status = await complain(self, `${name}: ${error.reason}`);
    }
  }
  return status;
}

function digest(algorithm: 'md5' | 'sha1' | 'sha256' | 'sha512'): Program {
  return async (self) => {
    const { operands, has } = readOptions(self.argv.slice(1));
    if (has('c', 'check')) return await checkDigests(self, operands, algorithm, has('status', 'quiet'));
    return await eachInput(self, operands, async (file, name) => {
      const hash = createHash(algorithm);
      for await (const chunk of chunksOf(self, file)) hash.update(chunk);
      await self.out(`${hash.digest('hex')}  ${name}\n`);
    });
  };
}

async function checkDigests(
  self: Process,
  operands: readonly string[],
  algorithm: string,
  quiet: boolean,
): Promise<number> {
  let failed = 0;
  const status = await eachInput(self, operands, async (list) => {
    const lines = (await readAll(self, list, maxBytes)).toString('latin1').split('\n');
    for (const line of lines) {
      const [, wanted, name] = /^([\da-f]+) [ *](.+)$/.exec(line) ?? [];
      if (wanted === undefined || name === undefined) continue;
      const hash = createHash(algorithm);
      await eachInput(self, [name], async (file) => {
        for await (const chunk of chunksOf(self, file)) hash.update(chunk);
      });
      const same = hash.digest('hex') === wanted;
      if (!same) failed += 1;
      if (!quiet) await self.out(`${name}: ${same ? 'OK' : 'FAILED'}\n`);
    }
  });
  return failed > 0 ? 1 : status;
}

const wc: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1));
  const all = !has('l', 'w', 'c', 'm', 'lines', 'words', 'bytes', 'chars');
  const total = [0, 0, 0];
  const show = async ([lines = 0, words = 0, bytes = 0]: readonly number[], name: string) => {
    const cells = [
      ...(all || has('l', 'lines') ? [lines] : []),
      ...(all || has('w', 'words') ? [words] : []),
      ...(all || has('c', 'm', 'bytes', 'chars') ? [bytes] : []),
    ];
    const width = cells.length > 1 ? 7 : operands.length > 1 ? String(total[2]).length : 0;
    await self.out(
      `${cells.map((cell) => String(cell).padStart(width)).join(' ')}${name === '-' ? '' : ` ${name}`}\n`,
    );
  };
  const status = await eachInput(self, operands, async (file, name) => {
    const counts = [0, 0, 0] as [number, number, number];
    const onlyBytes = !all && !has('l', 'w', 'lines', 'words');
    let inWord = false;
    for await (const chunk of chunksOf(self, file)) {
      counts[2] += chunk.length;
      if (onlyBytes) continue;
      for (const byte of chunk) {
        if (byte === 0x0a) counts[0] += 1;
        const blank = byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
        if (!blank && !inWord) counts[1] += 1;
        inWord = !blank;
      }
    }
    for (const [index, count] of counts.entries()) total[index] = (total[index] ?? 0) + count;
    await show(counts, name);
  });
  if (operands.length > 1) await show(total, 'total');
  return status;
};

/** The bytes that a set such as `a-z\n[:digit:]` names, in order. */
function setOf(text: string): number[] {
  const classes: Record<string, string> = {
    ...{
      lower: 'a-z',
      upper: 'A-Z',
      digit: '0-9',
      alpha: 'A-Za-z',
      alnum: '0-9A-Za-z',
      space: '\\t-\\r ',
      blank: ' \\t',
    },
  };
  const expanded = text.replaceAll(/\[:(\w+):\]/g, (_all, name: string) => classes[name] ?? '');
  const escapes: Record<string, number> = { n: 10, t: 9, r: 13, '\\': 92, a: 7, b: 8, f: 12, v: 11 };
  const codes: number[] = [];
  const ranges: boolean[] = [];
  for (const [token] of expanded.matchAll(/\\[0-7]{1,3}|\\.|./gs)) {
    const octal = /^\\([0-7]{1,3})$/.exec(token)?.[1];
    const escaped = token.length > 1 ? token[1] : undefined;
    if (octal !== undefined) codes.push(Number.parseInt(octal, 8) & 0xff);
    else
      codes.push(escaped === undefined ? token.charCodeAt(0) : (escapes[escaped] ?? escaped.charCodeAt(0)));
    ranges.push(token === '-');
  }
  const set: number[] = [];
  for (let at = 0; at < codes.length; at += 1) {
    const from = codes[at] ?? 0;
    const to = codes[at + 2];
    if (ranges[at + 1] !== true || to === undefined) {
      set.push(from);
      continue;
    }
    for (let code = from; code <= to; code += 1) set.push(code);
    at += 2;
  }
  return set;
}

const tr: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1));
  const given = setOf(operands[0] ?? '');
  const complement = has('c', 'C', 'complement');
  const from = complement
    ? Array.from({ length: 256 }, (_v, code) => code).filter((code) => !given.includes(code))
    : given;
  const to = setOf(operands[1] ?? '');
  const input = self.fds.get(0);
  if (input === undefined) return 1;
  const deletes = has('d', 'delete');
  const squeezed = new Set(has('s') ? (to.length > 0 ? to : from) : []);
  const map = new Map(from.map((code, index) => [code, deletes ? -1 : (to[index] ?? to.at(-1) ?? code)]));
  let last = -1;
  for await (const chunk of chunksOf(self, input)) {
    const bytes: number[] = [];
    for (const byte of chunk) {
      const code = map.get(byte) ?? byte;
      if (code < 0 || (code === last && squeezed.has(code))) continue;
      last = code;
      bytes.push(code);
    }
    await self.out(Buffer.from(bytes));
  }
  return 0;
};

/** The names that `od -c` gives bytes which do not show. */
function charName(byte: number): string {
  const names: Record<number, string> = {
    0: '\\0',
    7: '\\a',
    8: '\\b',
    9: '\\t',
    10: '\\n',
    11: '\\v',
    12: '\\f',
    13: '\\r',
  };
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  return names[byte] ?? byte.toString(8).padStart(3, '0');
}

const od: Program = async (self) => {
  const { operands, get, has } = readOptions(self.argv.slice(1), { valued: ['A', 't', 'N', 'j', 'w'] });
  const type = has('c') ? 'c' : (get('t') ?? 'o2');
  const radix = { n: 0, x: 16, d: 10 }[get('A') ?? 'o'] ?? 8;
  const cell = (byte: number) => {
    if (type.startsWith('c') || type.startsWith('a')) return charName(byte).padStart(4);
    if (type.startsWith('x')) return ` ${byte.toString(16).padStart(2, '0')}`;
    return type.startsWith('u') || type.startsWith('d')
      ? String(byte).padStart(4)
      : ` ${byte.toString(8).padStart(3, '0')}`;
  };
  const address = (offset: number) => (radix === 0 ? '' : offset.toString(radix).padStart(7, '0'));
  return await eachInput(self, operands, async (file) => {
    const all = await readAll(self, file, maxBytes);
    const bytes = all.subarray(0, Number(get('N') ?? all.length));
    for (let at = 0; at < bytes.length; at += 16)
      await self.out(`${address(at)}${[...bytes.subarray(at, at + 16)].map(cell).join('')}\n`);
    if (radix !== 0) await self.out(`${address(bytes.length)}\n`);
  });
};

/** By bytes, as in the C locale. */
const sort: Program = async (self) => {
  const { operands, get, has } = readOptions(self.argv.slice(1), { valued: ['k', 't', 'o', 'S'] });
  const lines: string[] = [];
  const status = await eachInput(self, operands, async (file) => {
    const text = (await readAll(self, file, maxBytes)).toString('latin1');
    lines.push(
      ...text
        .replace(/\n$/, '')
        .split('\n')
        .slice(0, text === '' ? 0 : undefined),
    );
  });
  const [, field, modifiers = ''] = /^(\d+)[\d.,]*([a-zA-Z]*)/.exec(get('k') ?? '') ?? [];
  const numeric = has('n', 'h', 'g') || /[nhg]/.test(modifiers);
  const keyOf = (line: string) => {
    const key = field === undefined ? line : (line.split(get('t') ?? /\s+/)[Number(field) - 1] ?? '');
    return has('f') ? key.toUpperCase() : key;
  };
  const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const compare = (a: string, b: string) => {
    const [first, second] = [keyOf(a), keyOf(b)];
    const order = numeric
      ? (Number.parseFloat(first) || 0) - (Number.parseFloat(second) || 0)
      : byText(first, second);
    return order === 0 && !has('u', 's') ? byText(a, b) : order;
  };
  const sorted = lines.sort(compare);
  if (has('r') || modifiers.includes('r')) sorted.reverse();
  const kept = has('u')
    ? sorted.filter((line, index) => index === 0 || compare(line, sorted[index - 1] ?? '') !== 0)
    : sorted;
  await self.out(kept.map((line) => `${line}\n`).join(''));
  return status;
};

export const byteTools: Readonly<Record<string, Program>> = {
  ...{ wc, tr, od, sort, md5sum: digest('md5'), sha1sum: digest('sha1') },
  ...{ sha256sum: digest('sha256'), sha512sum: digest('sha512') },
};
