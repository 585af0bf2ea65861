/** `npm run conformance`: all sets of the suite, then the Inspector; a line for each, and what failed. */
import { runInspector } from './inspector.ts';
import { type Served, serveFixtures, serveProduct } from './serve.ts';
import { type ConformanceSet, sets } from './sets.ts';
import { runSuite, type Verdict } from './suite.ts';

/** Whoever stops the run stops what it has started too. */
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
const { signal } = stop;

const servers = { fixtures: serveFixtures, product: serveProduct };

/** Each set gets a server of its own, so that none profits from another's sessions. */
async function runSet({ against, runs }: ConformanceSet): Promise<{ verdicts: Verdict[]; served: Served }> {
  const served = await servers[against]();
  try {
    const verdicts: Verdict[] = [];
    for (const run of runs) verdicts.push(await runSuite({ ...run, url: served.url, signal }));
    return { verdicts, served };
  } finally {
    await served.close();
  }
}

function sum(verdicts: readonly Verdict[], of: 'scenarios' | 'passed' | 'warnings' | 'expected'): number {
  return verdicts.reduce((total, verdict) => total + verdict[of], 0);
}

function say(name: string, words: string, faults: readonly string[]): void {
  process.stdout.write(`${faults.length === 0 ? 'ok  ' : 'FAIL'} ${name}: ${words}\n`);
  for (const fault of faults) process.stdout.write(`       ${fault.replaceAll('\n', '\n       ')}\n`);
}

async function conformance(): Promise<boolean> {
  let good = true;
  for (const set of sets) {
    const { verdicts, served } = await runSet(set);
    if (signal.aborted) return false;
    const faults = verdicts.flatMap((verdict) => verdict.faults);
    const counts = [
      `${sum(verdicts, 'scenarios')} scenarios`,
      `${sum(verdicts, 'passed')} checks passed`,
      `${faults.length} faults`,
      `${sum(verdicts, 'expected')} expected failures`,
      `${sum(verdicts, 'warnings')} warnings`,
    ];
    say(set.name, counts.join(', '), faults);
    if (faults.length === 0) continue;
    good = false;
    process.stdout.write(`     The server's log ends with:\n${served.log.slice(-10).join('')}`);
  }
  const { passed, faults } = await runInspector({ signal });
  say('Inspector, both eras', `${passed} passed, ${faults.length} faults`, faults);
  return good && faults.length === 0;
}

process.exitCode = (await conformance()) ? 0 : 1;
