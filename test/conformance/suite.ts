/** Runs the published conformance suite and judges what it found. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runNode } from './run-node.ts';

/** The later one knows all revisions; the stable one is what most servers were checked with. */
const packages = {
  stable: 'conformance-stable',
  next: '@modelcontextprotocol/conformance',
} as const;

export interface SuiteRun {
  readonly edition: keyof typeof packages;
  readonly url: string;
  /** Which scenarios, in the words of the suite's command line. */
  readonly selection: readonly string[];
  /** Name of a file beside this one: what may fail, and why. */
  readonly baseline?: string | undefined;
  readonly signal: AbortSignal;
}

export interface Verdict {
  readonly scenarios: number;
  readonly passed: number;
  readonly warnings: number;
  /** Failures that the baseline names. */
  readonly expected: number;
  /** Everything for which the run does not count as passed. */
  readonly faults: readonly string[];
}

interface Check {
  /** `<scenario>:<id of the check>`, as a baseline names it. */
  readonly name: string;
  readonly status: string;
  readonly message: string;
}

const withinMs = 120_000;
const nothing: Verdict = { scenarios: 0, passed: 0, warnings: 0, expected: 0, faults: [] };

export async function runSuite(run: SuiteRun): Promise<Verdict> {
  const { edition, url, selection, baseline, signal } = run;
  const results = await mkdtemp(join(tmpdir(), 'conformance-'));
  try {
    const main = join(import.meta.dirname, 'suites/node_modules', packages[edition], 'dist/index.js');
    const baselineFile = baseline && join(import.meta.dirname, baseline);
    const { code, output } = await runNode(
      [
        main,
        'server',
        ...['--url', url, '--output-dir', results],
        ...selection,
        ...(baselineFile === undefined ? [] : ['--expected-failures', baselineFile]),
      ],
      { withinMs, signal },
    );
    if (typeof code !== 'number') return { ...nothing, faults: [`the suite ${code}:\n${tail(output)}`] };
    const allowed = baselineFile === undefined ? [] : entriesOf(await readFile(baselineFile, 'utf8'));
    const verdict = judge(await readChecks(results), allowed);
    if (code === 0 || verdict.faults.length > 0) return verdict;
    return { ...verdict, faults: [`the suite ended with ${code}:\n${tail(output)}`] };
  } finally {
    await rm(results, { recursive: true, force: true });
  }
}

/**
 * Stricter than the suite, which neither looks at scenarios that a revision does not score nor minds a run
 * in which nothing was checked.
 */
function judge(checks: readonly Check[], allowed: readonly string[]): Verdict {
  const scenarioOf = (name: string) => name.split(':')[0] ?? '';
  const scenarios = new Set(checks.map(({ name }) => scenarioOf(name)));
  const count = (status: string) => checks.filter((check) => check.status === status).length;
  const failures = checks.filter(({ status }) => status === 'FAILURE');
  const covers = (entry: string) => (check: Check) =>
    entry === check.name || entry === scenarioOf(check.name);
  const unexpected = failures.filter((check) => !allowed.some((entry) => covers(entry)(check)));
  const stale = allowed.filter((entry) => !failures.some(covers(entry)));
  return {
    scenarios: scenarios.size,
    passed: count('SUCCESS'),
    warnings: count('WARNING'),
    expected: failures.length - unexpected.length,
    faults: [
      ...(count('SUCCESS') === 0 ? ['no check has passed'] : []),
      ...unexpected.map(({ name, message }) => `${name}: ${message}`),
      ...stale.map((entry) => `${entry}: is in the baseline and does not fail`),
    ],
  };
}

/** One folder a scenario: `server-<scenario>-<time>`. */
async function readChecks(folder: string): Promise<Check[]> {
  const names = await readdir(folder);
  const read = names.map(async (name) => {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT/.exec(name)?.[1];
    if (scenario === undefined) throw new Error(`the suite has left ${name}, which is not a result`);
    const checks = JSON.parse(await readFile(join(folder, name, 'checks.json'), 'utf8')) as {
      id: string;
      status: string;
      errorMessage?: string;
    }[];
    return checks.map(({ id, status, errorMessage: message = '' }) => ({
      name: `${scenario}:${id}`,
      status,
      message,
    }));
  });
  return (await Promise.all(read)).flat();
}

/** The list items of a baseline, which is YAML of one level. */
function entriesOf(yaml: string): string[] {
  return [...yaml.matchAll(/^ +- +([^\s#]+)/gm)].flatMap(([, entry]) => entry ?? []);
}

function tail(output: string): string {
  return output.trimEnd().split('\n').slice(-25).join('\n');
}
