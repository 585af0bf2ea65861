/** What a real API answered, from the transcripts beside this repository; tests are skipped without them. */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { underCi } from '../../ci.ts';

const file = new URL('../../../../shared/pve/golden/rest.json', import.meta.url);

/** The reason to skip, or false. Under CI the transcripts must be there. */
export const withoutTranscripts: string | false =
  !underCi && !existsSync(file) ? 'the transcripts of a real Proxmox VE are not here' : false;

const Transcript = z.object({
  id: z.string(),
  method: z.string(),
  path: z.string(),
  status: z.number().nullish(),
  reason: z.string().nullish(),
  headers: z.record(z.string(), z.string()).nullish(),
  body: z.unknown().optional(),
});
export type Transcript = z.output<typeof Transcript> & { readonly status: number };

/** Those that had an answer, by their id. */
export function transcripts(): ReadonlyMap<string, Transcript> {
  const all = z.array(Transcript).parse(JSON.parse(readFileSync(file, 'utf8')));
  return new Map(
    all.flatMap((each) =>
      typeof each.status !== 'number' ? [] : [[each.id, { ...each, status: each.status }]],
    ),
  );
}
