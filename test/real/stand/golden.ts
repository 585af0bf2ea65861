/** Transcripts of a real node, for holding the stand-ins against them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { underCi } from '../../ci.ts';
import type { Session } from './client.ts';

interface Transcript {
  readonly id: string;
  readonly command: string;
  readonly stdin?: string;
  readonly stdout: string | null;
  readonly stdout_b64?: string;
  readonly stderr: string | null;
  readonly stderr_b64?: string;
  readonly rc: number;
  readonly after?: { readonly command: string; readonly stdout: string; readonly rc: number };
}

const file = new URL('../../../../shared/pve/golden/cli.json', import.meta.url);

/** The reason to skip, or false. Under CI the transcripts must be there. */
export const goldenAbsence =
  underCi || existsSync(file) ? false : 'the transcripts are not beside this checkout';

/** Runs the commands of these transcripts one after another and asserts streams and exit code of each. */
export type Replay = (ids: readonly string[], options?: { withoutAfter?: boolean }) => Promise<void>;

export function createReplay(session: Session): Replay {
  const transcripts: readonly Transcript[] = JSON.parse(readFileSync(file, 'utf8'));
  const byId = new Map(transcripts.map((transcript) => [transcript.id, transcript]));
  return async (ids, { withoutAfter = false } = {}) => {
    for (const id of ids) {
      const transcript = byId.get(id);
      assert.ok(transcript, `no transcript ${id}`);
      const { command, stdin } = transcript;
      const answer = await session.exec(command, stdin === undefined ? {} : { stdin });
      const said = { stdout: shown(answer.stdout), stderr: shown(answer.stderr), rc: answer.code };
      assert.deepEqual(said, expected(transcript), `${id}: ${command}`);
      if (transcript.after === undefined || withoutAfter) continue;
      const after = await session.exec(transcript.after.command);
      assert.deepEqual(
        { stdout: after.stdout.toString(), rc: after.code },
        { stdout: transcript.after.stdout, rc: transcript.after.rc },
        `after ${id}: ${transcript.after.command}`,
      );
    }
  };
}

function expected({ stdout, stdout_b64, stderr, stderr_b64, rc }: Transcript) {
  const bytes = (text: string | null, base64: string | undefined) =>
    shown(text === null ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text));
  return { stdout: bytes(stdout, stdout_b64), stderr: bytes(stderr, stderr_b64), rc };
}

/** Latin-1 keeps every byte apart; MAIL is set by an sshd without PAM and by no Proxmox node. */
function shown(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/^MAIL\n/m, '');
}
