/** Whether this machine can carry the stand: root on Linux with namespaces, sshd and Perl. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { underCi } from '../../ci.ts';

export type Availability = { available: true } | { available: false; reason: string };

const names = [
  'bin/perl',
  'bin/nsenter',
  'bin/unshare',
  'bin/ssh-keygen',
  'bin/sftp',
  'sbin/sshd',
  'sbin/ip',
];
const programs = names.map((name) => `/usr/${name}`);

function missing(): string | undefined {
  if (process.platform !== 'linux') return 'the stand needs Linux';
  if (process.getuid?.() !== 0) return 'the stand needs root';
  const absent = programs.find((program) => !existsSync(program));
  if (absent !== undefined) return `the stand needs ${absent}`;
  const trial = [
    '--user',
    '--map-root-user',
    '--mount',
    '--pid',
    '--net',
    '--uts',
    '--ipc',
    '--fork',
    'true',
  ];
  const { status, stderr } = spawnSync('unshare', trial, { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? undefined : `the stand needs namespaces: ${stderr.trim()}`;
}

function availability(): Availability {
  const reason = missing();
  if (reason === undefined) return { available: true };
  // Where every test must run, a skipped one would look like a passed one.
  if (underCi) throw new Error(reason);
  return { available: false, reason };
}

export const realStand: Availability = availability();
