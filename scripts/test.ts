/** `npm test`: all tests; those that wait most of their time, and those of small parts, several at a time. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';

interface Group {
  readonly includes: (file: string) => boolean;
  readonly atATime: number;
}

const isSmall = (file: string) => file.startsWith('test/unit/');
/** For bytes that come slowly, or for tasks of Proxmox VE. */
const waits = (file: string) =>
  /^(?!.*large)test\/(gateway|real)\/.*(file|transfer|prox)[^/]*\.test\.ts$/.test(file) ||
  /^test\/gateway\/(agent|api|backups|cluster|pools|power-api|provisioning|snapshots|storage|tasks|vms|ways)\.test/.test(
    file,
  );

/** Whatever measures time or fills the machine has it for itself. */
const groups: readonly Group[] = [
  { includes: (file) => !isSmall(file) && !waits(file), atATime: 1 },
  { includes: isSmall, atATime: 2 },
  { includes: waits, atATime: 3 },
];

const files = globSync('test/**/*.test.ts', { exclude: (path) => path.includes('node_modules') }).sort();
let failed = false;
for (const { includes, atATime } of groups) {
  const options = ['--test', '--test-reporter=spec', `--test-concurrency=${atATime}`];
  const argv = [...options, ...files.filter(includes)];
  if (spawnSync(process.execPath, argv, { stdio: 'inherit' }).status !== 0) failed = true;
}
process.exit(failed ? 1 : 0);
