/**
 * The audit log: JSON lines, appended. A call's intent is written before it is carried out, its outcome
 * after; refusals are written too. What cannot be recorded is not carried out.
 */
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { failure } from '../base/errors.ts';
import { clean, mask, namesSecret } from '../base/text.ts';

export interface AuditIntent {
  readonly requestId: string;
  readonly principal: string;
  readonly client?: string | undefined;
  readonly tool: string;
  readonly effect?: string | undefined;
  readonly vmid?: number | undefined;
  readonly node?: string | undefined;
  readonly arguments: unknown;
}

export interface AuditOutcome {
  readonly requestId: string;
  readonly principal: string;
  readonly tool: string;
  readonly vmid?: number | undefined;
  readonly outcome: 'ok' | 'error' | 'denied' | 'cancelled';
  readonly code?: string | undefined;
  readonly exitCode?: number | undefined;
  readonly durationMs: number;
  readonly bytes: number;
}

export interface Audit {
  /** Writes the intent. Throws AUDIT_UNAVAILABLE: then nothing may be carried out. */
  begin(intent: AuditIntent): Promise<void>;
  /** Writes the outcome of what was begun. Never throws; a failure makes later calls be refused. */
  finish(outcome: AuditOutcome): Promise<void>;
  /** Writes intent and refusal in one line. Never throws. */
  refuse(intent: AuditIntent, code: string, reason: string): Promise<void>;
  /** Why the log cannot be written, or undefined. Tries again where the last attempt failed. */
  problem(): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Fields in which text runs long, and how much of it is kept. */
const maxArgumentChars = 4_000;
const maxArguments = 50;

export function createAudit({ file }: { file: string }): Audit {
  let handle: Promise<FileHandle> | undefined;
  let problem: string | undefined;
  let last: Promise<void> = Promise.resolve();

  const append = async (record: object): Promise<void> => {
    const line = `${JSON.stringify({ time: new Date().toISOString(), ...record })}\n`;
    try {
      handle ??= openLog(file);
      const { bytesWritten } = await (await handle).write(line);
      // A full disk can take half a line: the record is then not there.
      if (bytesWritten !== Buffer.byteLength(line)) throw new Error('short write');
      problem = undefined;
    } catch (error) {
      problem = error instanceof Error && 'code' in error ? String(error.code) : 'short write';
      const broken = handle;
      handle = undefined;
      await broken?.then((opened) => opened.close()).catch(() => {});
      throw failure('AUDIT_UNAVAILABLE', {}, { cause: error });
    }
  };
  /** One line at a time, in the order of the calls. */
  const write = (record: object): Promise<void> => {
    const turn = last.then(() => append(record));
    last = turn.catch(() => {});
    return turn;
  };

  return {
    begin: (intent) => write({ event: 'begin', ...presentable(intent) }),
    finish: (outcome) => write({ event: 'finish', ...outcome }).catch(() => {}),
    refuse: (intent, code, reason) =>
      write({
        event: 'refuse',
        ...presentable(intent),
        outcome: 'denied',
        code,
        reason: clean(reason),
      }).catch(() => {}),
    async problem() {
      if (problem !== undefined || handle === undefined) await write({ event: 'check' }).catch(() => {});
      return problem;
    },
    async close() {
      await last;
      await handle?.then((opened) => opened.close()).catch(() => {});
    },
  };
}

async function openLog(file: string): Promise<FileHandle> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  return await open(file, 'a', 0o600);
}

function presentable(intent: AuditIntent): object {
  return { ...intent, tool: clean(intent.tool, 128), arguments: masked(intent.arguments) };
}

/** Arguments with secrets hidden and text bounded; what they carry into a command stays recognisable. */
function masked(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return clean(mask(value), maxArgumentChars);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > 3) return '…';
  if (Array.isArray(value)) return value.slice(0, maxArguments).map((item) => masked(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, maxArguments)
      .map(([name, item]) => [clean(name, 100), hides(name) ? hidden(item) : masked(item, depth + 1)]),
  );
}

/** Environment values and standard input are where callers put secrets: only their size is recorded. */
function hides(name: string): boolean {
  return name === 'env' || name === 'stdin' || namesSecret(name);
}

function hidden(value: unknown): unknown {
  if (typeof value === 'string') return `*** (${Buffer.byteLength(value)} bytes)`;
  if (typeof value !== 'object' || value === null) return '***';
  return Object.fromEntries(
    Object.keys(value)
      .slice(0, maxArguments)
      .map((name) => [clean(name, 100), '***']),
  );
}
