/** What a real Proxmox VE printed, from the transcripts beside this repository; tests are skipped without them. */
import { existsSync, readFileSync } from 'node:fs';
import { underCi } from '../../ci.ts';

const file = new URL('../../../../shared/pve/golden/cli.json', import.meta.url);

/** The reason to skip, or false. Under CI the transcripts must be there. */
export const withoutTranscripts: string | false =
  underCi || existsSync(file) ? false : 'the transcripts of a real Proxmox VE are not here';

interface Transcript {
  readonly id: string;
  readonly stdout: string;
}

/** The standard output of the command with this id. Throws where there is none. */
export function transcript(id: string): string {
  const found = (JSON.parse(readFileSync(file, 'utf8')) as Transcript[]).find((each) => each.id === id);
  if (found === undefined) throw new Error(`there is no transcript ${id}`);
  return found.stdout;
}
