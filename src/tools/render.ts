/** From what ops return to what clients read: bounded text, base64 for what is no text. */
import { z } from 'zod';
import { joinCut } from '../base/text.ts';
import type { CommandResult } from '../ops/run.ts';

/** The keys that clients know, then what says how much is missing and in which form it comes. */
export const CommandOutput = z.object({
  exit_code: z.number(),
  stdout: z.string(),
  stderr: z.string(),
  success: z.boolean().meta({ description: 'Whether the exit code is 0' }),
  stdout_encoding: z.literal('base64').optional(),
  stdout_truncated: z.literal(true).optional(),
  stdout_original_length: z.number().optional(),
  stderr_encoding: z.literal('base64').optional(),
  stderr_truncated: z.literal(true).optional(),
  stderr_original_length: z.number().optional(),
  note: z.string().optional(),
});

export function json(data: unknown): string {
  return JSON.stringify(data, null, 2);
}

type Output = z.output<typeof CommandOutput>;
type Stream = CommandResult['stdout'];

interface Shown {
  readonly text: string;
  readonly encoding?: 'base64';
  /** Characters, or bytes where the stream is no text; set where something is left out. */
  readonly originalLength?: number;
}

/** Bytes of a stream that must be kept so that maxChars code points can be shown of it. */
export function bytesFor(maxChars: number): number {
  return maxChars * 4 + 16;
}

/** In the form for programs, output that is no text comes as base64; for readers, with U+FFFD in its place. */
export function commandOutput(
  result: CommandResult,
  options: { maxChars: number; form: 'text' | 'json'; note: string | undefined },
): Output {
  const { note } = options;
  const stdout = showStream(result.stdout, options);
  const stderr = showStream(result.stderr, options);
  return {
    exit_code: result.exitCode,
    stdout: stdout.text,
    stderr: stderr.text,
    success: result.exitCode === 0,
    ...(stdout.encoding && { stdout_encoding: stdout.encoding }),
    ...(stdout.originalLength !== undefined && {
      stdout_truncated: true as const,
      stdout_original_length: stdout.originalLength,
    }),
    ...(stderr.encoding && { stderr_encoding: stderr.encoding }),
    ...(stderr.originalLength !== undefined && {
      stderr_truncated: true as const,
      stderr_original_length: stderr.originalLength,
    }),
    ...(note !== undefined && { note }),
  };
}

/** The exit code stands in a part of its own, which no truncation reaches. */
export function showCommand(output: Output): string {
  const parts = [`STDOUT${suffix(output.stdout_encoding)}:\n${output.stdout}`];
  if (output.stderr !== '') parts.push(`STDERR${suffix(output.stderr_encoding)}:\n${output.stderr}`);
  if (output.note !== undefined) parts.push(`Note: ${output.note}`);
  parts.push(`Exit code: ${output.exit_code}`);
  return parts.join('\n\n');
}

function suffix(encoding: string | undefined): string {
  return encoding === undefined ? '' : ` (${encoding})`;
}

function showStream(stream: Stream, { maxChars, form }: { maxChars: number; form: 'text' | 'json' }): Shown {
  const whole = stream.tail.length === 0;
  const head = whole ? stream.head : trimEnd(stream.head);
  const tail = trimStart(stream.tail);
  const binary = decode(head) === undefined || decode(tail) === undefined;
  if (binary && form === 'json') return showBinary(stream, maxChars);
  const first = [...head.toString('utf8')];
  const last = [...tail.toString('utf8')];
  if (whole && first.length <= maxChars) return { text: first.join('') };
  const half = Math.ceil(maxChars / 2);
  const end = whole ? first : last;
  const shown = joinCut(
    first.slice(0, half).join(''),
    end.slice(-(maxChars - half)).join(''),
    stream.totalChars - maxChars,
  );
  return { text: shown, originalLength: stream.totalChars };
}

/** Base64 of the head alone: two ends of binary data joined would be something else. */
function showBinary(stream: Stream, maxChars: number): Shown {
  const maxBytes = Math.floor(maxChars / 4) * 3;
  const shown = { text: stream.head.subarray(0, maxBytes).toString('base64'), encoding: 'base64' as const };
  return stream.totalBytes <= Math.min(maxBytes, stream.head.length)
    ? shown
    : { ...shown, originalLength: stream.totalBytes };
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: Buffer): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Without the first bytes of a character whose rest was left out. */
function trimEnd(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** Without the last bytes of a character whose beginning was left out. */
function trimStart(bytes: Buffer): Buffer {
  let skip = 0;
  while (skip < 3 && ((bytes[skip] ?? 0) & 0xc0) === 0x80) skip++;
  return bytes.subarray(skip);
}
