/**
 * The audit log: JSON lines, appended. A call's intent is written before it is carried out, its outcome
 * after; refusals are written too. What cannot be recorded is not carried out.
 */
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { failure } from '../base/errors.ts';
import { clean, mask, namesSecret } from '../base/text.ts';

export interface AuditIntent {
  readonly requestId: string;
  readonly principal: string;
  readonly client?: string | undefined;
  readonly tool: string;
  /** The call came by a one-time URL. */
  readonly via?: 'url' | undefined;
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
  readonly node?: string | undefined;
  /** Id of the guest that the call has made out of another. */
  readonly newVmid?: number | undefined;
  /** The task of Proxmox VE that the call was about, and how it stood when the answer went out. */
  readonly upid?: string | undefined;
  readonly task?: string | undefined;
  readonly outcome: 'ok' | 'error' | 'denied' | 'cancelled';
  readonly code?: string | undefined;
  readonly exitCode?: number | undefined;
  readonly durationMs: number;
  readonly bytes: number;
}

export interface AuditRefusal {
  /** `asked`: a person has to agree first, whose answer comes with a call of the same request id. */
  readonly outcome: AuditOutcome['outcome'] | 'asked';
  readonly code: string;
  readonly reason: string;
}

export interface Audit {
  /** Writes the intent. Throws AUDIT_UNAVAILABLE: then nothing may be carried out. */
  begin(intent: AuditIntent): Promise<void>;
  /** Writes the outcome of what was begun. Never throws; a failure makes later calls be refused. */
  finish(outcome: AuditOutcome): Promise<void>;
  /** Writes intent and outcome of a call that was not, or not yet, carried out, in one line. Never throws. */
  refuse(intent: AuditIntent, refusal: AuditRefusal): Promise<void>;
  /** Why the log cannot be written, or undefined. Tries again where the last attempt failed. */
  problem(): Promise<string | undefined>;
  close(): Promise<void>;
}

/** How much of a call's arguments goes into its line. */
const maxLineChars = 16_000;
const maxTextChars = 8_000;
const maxNameChars = 100;
const maxItems = 50;
const maxDepth = 4;

/** How often the log's place is looked at. */
const checkMs = 1_000;

export function createAudit({ file }: { file: string }): Audit {
  let handle: Promise<FileHandle> | undefined;
  let problem: string | undefined;
  let checkedAt = 0;
  let torn = false;
  let last: Promise<void> = Promise.resolve();

  const append = async (record: object): Promise<void> => {
    const line = `${JSON.stringify({ time: new Date().toISOString(), ...record })}\n`;
    try {
      await letGoOfMoved();
      handle ??= openLog(file);
      const text = torn ? `\n${line}` : line;
      const { bytesWritten } = await (await handle).write(text);
      // A full disk can take half a line: the record is then not there, and the next begins a line of its own.
      torn = bytesWritten !== Buffer.byteLength(text);
      if (torn) throw new Error('short write');
      problem = undefined;
    } catch (error) {
      problem = error instanceof Error && 'code' in error ? String(error.code) : 'short write';
      const broken = handle;
      handle = undefined;
      await broken?.then((opened) => opened.close()).catch(() => {});
      throw failure('AUDIT_UNAVAILABLE', {}, { cause: error });
    }
  };
  /** A log that was rotated away would go on taking records where nobody looks for them. */
  const letGoOfMoved = async (): Promise<void> => {
    if (handle === undefined || Date.now() - checkedAt < checkMs) return;
    checkedAt = Date.now();
    const [opened, there] = await Promise.all([(await handle).stat(), stat(file).catch(() => undefined)]);
    if (opened.ino === there?.ino && opened.dev === there.dev) return;
    const moved = await handle;
    handle = undefined;
    torn = false;
    await moved.close();
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
    refuse: (intent, { outcome, code, reason }) =>
      write({ event: 'refuse', ...presentable(intent), outcome, code, reason: clean(reason) }).catch(
        () => {},
      ),
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
  const left = { chars: maxLineChars };
  return { ...intent, tool: clean(intent.tool, 128), arguments: masked(intent.arguments, left) };
}

/** Arguments with secrets hidden and text bounded; what they carry into a command stays recognisable. */
function masked(value: unknown, left: { chars: number }, depth = 0): unknown {
  if (left.chars <= 0 || depth > maxDepth) return '…';
  left.chars -= 8;
  if (typeof value === 'string') {
    // Bounded before it is searched: what is masked comes from callers.
    const text = clean(mask(value.slice(0, maxTextChars)), Math.min(maxTextChars, left.chars));
    left.chars -= text.length;
    return text.length < value.length && value.length > maxTextChars ? `${text}…` : text;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.slice(0, maxItems);
    // A command in words: what a word is shows in the one before it.
    const line = items.join(' ').slice(0, maxTextChars);
    if (items.every(isText) && mask(line) !== line) return masked(line, left, depth);
    return items.map((item) => masked(item, left, depth + 1));
  }
  const entries = Object.entries(value).slice(0, maxItems);
  return Object.fromEntries(
    entries.map(([name, item]) => [
      nameOf(name, left),
      hides(name) ? hidden(item, left) : masked(item, left, depth + 1),
    ]),
  );
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function nameOf(name: string, left: { chars: number }): string {
  left.chars -= Math.min(name.length, maxNameChars);
  return clean(name, maxNameChars);
}

/** What callers put secrets into, and content of files: only the size is recorded. */
function hides(name: string): boolean {
  return ['env', 'stdin', 'input-data', 'content'].includes(name) || namesSecret(name);
}

function hidden(value: unknown, left: { chars: number }): unknown {
  if (typeof value === 'string') return `*** (${Buffer.byteLength(value)} bytes)`;
  if (typeof value !== 'object' || value === null) return '***';
  const names = Object.keys(value).slice(0, maxItems);
  return Object.fromEntries(names.map((name) => [nameOf(name, left), '***']));
}
