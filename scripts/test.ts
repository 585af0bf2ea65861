/** `npm test`: all tests; those of transfers, which wait most of their time, several at a time. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';

const waiting = /^(?!.*large)test\/(gateway|real)\/.*(file|transfer|prox)[^/]*\.test\.ts$/;
const atATime = '3';

const files = globSync('test/**/*.test.ts', { exclude: (path) => path.includes('node_modules') }).sort();
const groups = [
  { options: [], members: files.filter((file) => !waiting.test(file)) },
  { options: [`--test-concurrency=${atATime}`], members: files.filter((file) => waiting.test(file)) },
];
let failed = false;
for (const { options, members } of groups) {
  const argv = ['--test', '--test-reporter=spec', ...options, ...members];
  if (spawnSync(process.execPath, argv, { stdio: 'inherit' }).status !== 0) failed = true;
}
process.exit(failed ? 1 : 0);
