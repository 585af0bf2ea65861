/** Fingerprints of host keys that were accepted at first use, one «host:port fingerprint» a line. */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface RememberedKeys {
  find(hostAndPort: string): string | undefined;
  add(hostAndPort: string, fingerprint: string): void;
}

export function createRememberedKeys({ file }: { file: string }): RememberedKeys {
  return {
    find(hostAndPort) {
      const lines = read(file).split('\n');
      return lines.map((line) => line.split(' ')).find(([host]) => host === hostAndPort)?.[1];
    },
    add(hostAndPort, fingerprint) {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      appendFileSync(file, `${hostAndPort} ${fingerprint}\n`, { mode: 0o600 });
    },
  };
}

/** SECURITY: only a missing file means «nothing remembered»; an unreadable one must not. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}
