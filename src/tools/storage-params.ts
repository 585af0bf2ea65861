/** Parameters of storage tools, and what files may be called that a storage is to find again. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';

export const ContentType = z.enum(['images', 'rootdir', 'backup', 'iso', 'vztmpl', 'snippets', 'import']);

export const DownloadContent = z.enum(['iso', 'vztmpl', 'import']);
type DownloadContent = z.output<typeof DownloadContent>;

/** Proxmox VE lists nothing with another ending. */
const endings: Readonly<Record<DownloadContent, { pattern: RegExp; words: string }>> = {
  iso: { pattern: /\.(iso|img)$/i, words: '.iso or .img' },
  vztmpl: { pattern: /\.tar\.(gz|xz|zst|bz2)$/, words: '.tar.gz, .tar.xz, .tar.zst or .tar.bz2' },
  import: { pattern: /\.(ova|qcow2|raw|vmdk)$/, words: '.ova, .qcow2, .raw or .vmdk' },
};

/** What Proxmox VE leaves as it is; it makes `_` of everything else. */
const form = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/;
const foreign = /%[0-9a-f]{2}|[^A-Za-z0-9_.-]/gi;

export const FileName = z
  .string()
  .refine((name) => form.test(name), 'must be letters, digits and _ . -, a letter or digit first')
  .meta({ description: 'In the storage; as in the URL without it' });

/** SECURITY: a name with no way out of the storage. Throws INVALID_ARGUMENT. */
export function fileNameFor(content: DownloadContent, url: URL, named: string | undefined): string {
  const name = named ?? url.pathname.split('/').at(-1)?.replace(foreign, '_') ?? '';
  if (!form.test(name))
    throw failure('INVALID_ARGUMENT', { problem: 'filename: the URL does not end in one; name it' });
  const { pattern, words } = endings[content];
  if (!pattern.test(name))
    throw failure('INVALID_ARGUMENT', { problem: `filename: of content ${content} it must end in ${words}` });
  return name;
}

const maxUrlChars = 2048;

/** Parsed as browsers do, so that what is judged is what is fetched. */
export const DownloadUrl = z
  .string()
  .max(maxUrlChars)
  .refine((text) => /^https?:\/\/[!-~]+$/.test(text), 'must be an http or https URL in ASCII')
  .refine((text) => !text.includes('\\') && URL.canParse(text) && new URL(text).hash === '', {
    error: 'must be a URL without a fragment or backslashes',
  });

const algorithms: ReadonlyMap<number, string> = new Map([
  [32, 'md5'],
  [40, 'sha1'],
  [56, 'sha224'],
  [64, 'sha256'],
  [96, 'sha384'],
  [128, 'sha512'],
]);

export const Checksum = z
  .string()
  .max(128)
  .refine(
    (hex) => /^[0-9a-f]*$/i.test(hex) && algorithms.has(hex.length),
    'must be hexadecimal digits, as many as MD5, SHA-1 or SHA-2 have',
  )
  .meta({ description: 'Hexadecimal; its length tells whether MD5, SHA-1 or SHA-2' });

/** Every algorithm has digests of a length of its own. */
export function checksumOf(hex: string | undefined): { algorithm: string; hex: string } | undefined {
  const algorithm = hex === undefined ? undefined : algorithms.get(hex.length);
  return hex === undefined || algorithm === undefined ? undefined : { algorithm, hex: hex.toLowerCase() };
}
