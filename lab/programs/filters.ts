/** The many text and file programs that just-bash brings: run on the machine's own files, whole input at a time. */
import {
  Bash,
  type CommandName,
  defineCommand,
  type ExecResult,
  latin1FromBytes,
  stdoutAsBytes,
} from 'just-bash';
import { toBuffer, toByteString, toText } from '../byte-string.ts';
import { createBashFs } from '../files/bash-fs.ts';
import { FsError } from '../files/fs-error.ts';
import { absolute, findNode } from '../files/tree.ts';
import { unlessAborted } from '../process/notice.ts';
import { forReading, openPath, readAll } from '../process/open.ts';
import type { Process, Program } from '../process/process.ts';
import { complain } from './launch.ts';

/** The most a filter reads from its input, or writes. */
const maxBytes = 16 * 1024 * 1024;

/** Those that read their input unless an operand names a file, and how many operands come before files. */
const readers: Readonly<Partial<Record<CommandName, number>>> = {
  ...{ sed: 1, awk: 1, jq: 1, yq: 1, rg: 1, column: 0 },
  ...{ uniq: 0, comm: 0, cut: 0, paste: 0, rev: 0, nl: 0, fold: 0, expand: 0, unexpand: 0 },
  ...{ strings: 0, split: 0, join: 0, base64: 0, diff: 0, tac: 0 },
  ...{ gzip: 0, gunzip: 0, zcat: 0, tar: 0 },
};

/** Those that never read it. */
const others: readonly CommandName[] = [
  ...(['basename', 'dirname', 'tree', 'du'] as const),
  ...(['printenv', 'date', 'expr', 'file', 'clear', 'touch', 'cp'] as const),
];

function wantsInput(self: Process, filesFrom: number | undefined): boolean {
  if (filesFrom === undefined) return false;
  const args = self.argv.slice(1);
  if (args.includes('-')) return true;
  const operands = args.filter((arg) => !arg.startsWith('-'));
  const scriptGiven = args.some((arg) => /^-[ef]$|^--(regexp|expression|file)/.test(arg));
  if (self.argv[0]?.endsWith('tar') && args.some((arg) => /^-?\w*f/.test(arg))) return false;
  return !operands
    .slice(scriptGiven ? 0 : filesFrom)
    .some(
      (operand) =>
        findNode(self.machine.files, absolute(self.cwd, operand), self.who) !== undefined ||
        operand.startsWith('/'),
    );
}

function filter(name: CommandName, filesFrom: number | undefined): Program {
  return async (self) => {
    const stdin = self.fds.get(0);
    let input = Buffer.alloc(0) as Buffer;
    try {
      if (stdin !== undefined && wantsInput(self, filesFrom)) input = await readAll(self, stdin, maxBytes);
    } catch (error) {
      if (error instanceof FsError && error.code === 'ENOSPC')
        return await complain(self, 'memory exhausted', 2);
      throw error;
    }
    const result = await unlessAborted(execute(self, name, input), self.signal);
    await self.out(toBuffer(result.stdout));
    await self.err(result.stderr);
    return result.exitCode;
  };
}

async function readDevice(self: Process, path: string): Promise<Buffer> {
  const file = openPath(self, path, forReading);
  try {
    return await readAll(self, file, maxBytes);
  } finally {
    file.release();
  }
}

/** One command of just-bash, with its output as the bytes it wrote. */
async function execute(self: Process, name: CommandName, input: Buffer) {
  let output: ExecResult | undefined;
  const tap = defineCommand(name, async (args, context) => {
    const result = (await context.origCommand?.(args)) ?? { stdout: '', stderr: '', exitCode: 127 };
    // The command itself is the first to be called and the last to end; others may run below it.
    output = result;
    return result;
  });
  const shell = new Bash({
    fs: createBashFs({
      files: self.machine.files,
      who: self.who,
      umask: self.umask,
      readDevice: (path) => readDevice(self, path),
    }),
    customCommands: [tap],
    defenseInDepth: false,
    processInfo: { pid: self.pid, ppid: self.parent, uid: self.who.uid, gid: self.who.gid },
    executionLimits: { maxOutputSize: maxBytes, maxStringLength: maxBytes, maxInputBytes: 4 * maxBytes },
  });
  const args = self.argv.slice(1).map(toText);
  // just-bash's paste wants to be told to read its input.
  const bare = name === 'paste' && args.every((arg) => arg.startsWith('-'));
  const result = await shell.exec(name, {
    args: bare ? [...args, '-'] : args,
    env: Object.fromEntries([...self.env].map(([key, value]) => [key, toText(value)])),
    replaceEnv: true,
    cwd: self.cwd === '' ? '/' : toText(self.cwd),
    stdin: input.toString('latin1'),
    stdinKind: 'bytes',
    signal: self.signal,
  });
  const bytes = stdoutAsBytes(output ?? result);
  return {
    stdout: latin1FromBytes(bytes),
    stderr: toByteString((output ?? result).stderr),
    exitCode: result.exitCode,
  };
}

export const filters: Readonly<Record<string, Program>> = Object.fromEntries([
  ...Object.entries(readers).map(([name, filesFrom]) => [name, filter(name as CommandName, filesFrom)]),
  ...others.map((name) => [name, filter(name, undefined)]),
]);
