/** Parameters and results of the tools that move files. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';
import { type FilePath, PathError, parseFilePath } from '../base/paths.ts';

const maxLocalPathBytes = 4096;

function problemOf(path: string): string | undefined {
  try {
    parseFilePath(path);
    return undefined;
  } catch (error) {
    if (error instanceof PathError) return error.message;
    throw error;
  }
}

/** A path of a file, in a container or on the host; it stays as it was written, for results to repeat. */
export const FilePathText = z.string().superRefine((path, context) => {
  const problem = problemOf(path);
  if (problem !== undefined) context.addIssue(problem);
});

/** What FilePathText has let through. */
export function filePath(text: string): FilePath {
  return parseFilePath(text);
}

const LocalPath = z
  .string()
  .refine(
    (path) => Buffer.byteLength(path) <= maxLocalPathBytes,
    `must be at most ${maxLocalPathBytes} bytes`,
  )
  .meta({ description: "A file in the gateway's transfer folder" });

const Url = z.literal('url').meta({
  description:
    'Returns a one-time HTTP URL to send the file to, or to fetch it from, in place of moving it now',
});

const Overwrite = z.boolean().default(false).meta({ description: 'Replace what is there' });

const AccountName = z
  .string()
  .regex(/^([A-Za-z_][A-Za-z0-9_.-]{0,31}|\d{1,10})$/, 'must be a name or a number')
  // The next number is -1 to chown, which then changes nothing.
  .refine((name) => !(Number(name) > 4_294_967_294), 'must be a name or a number')
  .optional();

export const UploadFields = {
  local_path: LocalPath.optional(),
  content: z.string().optional().meta({ description: 'In place of local_path' }),
  encoding: z.enum(['utf-8', 'base64']).optional().meta({ description: 'Of content; utf-8 without it' }),
  transfer: Url.optional(),
  permissions: z
    .string()
    .regex(/^0?[0-7]{3,4}$/, 'must be 3 or 4 octal digits as text, such as "644"')
    .default('644'),
  overwrite: Overwrite,
  owner: AccountName.meta({ description: 'User; a replaced file keeps its owner' }),
  group: AccountName,
  create_directories: z.boolean().default(false),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, 'must be 64 hexadecimal digits')
    .optional()
    .meta({ description: 'Refused if it differs' }),
  size: z.int().min(0).optional().meta({ description: 'Bytes; refused if it differs' }),
};

export const DownloadFields = {
  local_path: LocalPath.optional(),
  overwrite: Overwrite.meta({ description: 'Replace local_path' }),
  transfer: Url.optional(),
  offset: z.int().min(0).optional().meta({ description: 'First byte to return' }),
  length: z.int().min(1).optional().meta({ description: 'Most bytes to return' }),
};

const Common = {
  success: z.literal(true),
  message: z.string(),
  vmid: z.number().optional(),
  container_path: z.string().optional(),
  host_path: z.string().optional(),
  local_path: z.string().optional(),
  bytes_transferred: z.number().optional(),
  sha256: z.string().optional().meta({ description: 'Of the bytes transferred' }),
  route: z.enum(['staging', 'stream']).optional(),
  url: z.string().optional().meta({ description: 'To be used once' }),
  method: z.enum(['PUT', 'GET']).optional(),
  expires_at: z.string().optional(),
  max_bytes: z.number().optional(),
};

export const UploadResult = z.object({ ...Common, permissions: z.string().optional() });

export const DownloadResult = z.object({
  ...Common,
  content: z.string().optional(),
  encoding: z.enum(['utf-8', 'base64']).optional(),
  offset: z.number().optional(),
  size: z.number().optional().meta({ description: 'Bytes of the whole file' }),
});

export type UploadArgs = z.output<z.ZodObject<typeof UploadFields>>;
export type DownloadArgs = z.output<z.ZodObject<typeof DownloadFields>>;

/** Throws INVALID_ARGUMENT where more than one of them is given. */
export function onlyOne(args: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  const given = names.filter((name) => args[name] !== undefined);
  if (given.length > 1)
    throw failure('INVALID_ARGUMENT', { problem: `${given.join(' and ')}: give one of them` });
}

/** Strict RFC 4648, for Buffer skips what is no base64. Throws INVALID_ARGUMENT. */
export function decodeContent(content: string, encoding: 'utf-8' | 'base64'): Buffer {
  const wrong = (problem: string) => failure('INVALID_ARGUMENT', { problem: `content: ${problem}` });
  if (encoding === 'utf-8') {
    if (!content.isWellFormed()) throw wrong('is not valid Unicode');
    return Buffer.from(content);
  }
  const bytes = Buffer.from(content, 'base64');
  if (bytes.toString('base64') !== content)
    throw wrong('is not base64 as RFC 4648 has it, with padding and nothing else');
  return bytes;
}
