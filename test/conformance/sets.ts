/** What is run against what. */
import type { SuiteRun } from './suite.ts';

type Selected = Omit<SuiteRun, 'url' | 'signal'>;

export interface ConformanceSet {
  readonly name: string;
  readonly against: 'fixtures' | 'product';
  readonly runs: readonly Selected[];
}

/** What has to do with the connection alone: it holds of every server, whatever its tools are. */
const plumbing: readonly (readonly [revision: string, scenarios: readonly string[]])[] = [
  ['2025-06-18', ['server-initialize', 'server-session-lifecycle', 'ping', 'tools-list']],
  [
    '2025-11-25',
    [
      'server-initialize',
      'server-session-lifecycle',
      'ping',
      'tools-list',
      'server-sse-multiple-streams',
      'dns-rebinding-protection',
    ],
  ],
  [
    '2026-07-28',
    [
      'server-stateless',
      'tools-list',
      'server-sse-multiple-streams',
      'dns-rebinding-protection',
      'http-header-validation',
      'input-required-result-unsupported-methods',
    ],
  ],
];

const productSets = plumbing.map(
  ([revision, scenarios]): ConformanceSet => ({
    name: `the gateway itself, ${revision}`,
    against: 'product',
    runs: scenarios.map((scenario) => ({
      edition: 'next',
      selection: ['--scenario', scenario, '--spec-version', revision],
      baseline: scenario === 'server-stateless' ? 'product.yaml' : undefined,
    })),
  }),
);

export const sets: readonly ConformanceSet[] = [
  {
    name: 'fixtures, all of the stable suite',
    against: 'fixtures',
    runs: [{ edition: 'stable', selection: ['--suite', 'all'] }],
  },
  {
    name: 'fixtures, 2025-11-25',
    against: 'fixtures',
    runs: [{ edition: 'next', selection: ['--requirements', '2025-11-25'] }],
  },
  {
    name: 'fixtures, 2026-07-28',
    against: 'fixtures',
    runs: [{ edition: 'next', selection: ['--requirements', '2026-07-28'], baseline: 'unserved.yaml' }],
  },
  ...productSets,
];
