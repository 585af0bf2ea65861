/** `npm run bench`: everything in one run, as one table of figures and ratios; `--json` for machines, `--quick` for a look. */
import { parseArgs } from 'node:util';
import { realStand } from '../test/real/stand/available.ts';
import { renderReport } from './report.ts';
import { full, measure, quick } from './suite.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean' }, quick: { type: 'boolean' } } });
if (!realStand.available) {
  process.stderr.write(`The bench needs OpenSSH's sshd and namespaces: ${realStand.reason}\n`);
  process.exit(1);
}
const report = await measure(values.quick === true ? quick : full);
process.stdout.write(values.json === true ? `${JSON.stringify(report)}\n` : renderReport(report));
process.exit(0);
