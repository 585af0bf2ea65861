/** The Inspector's command line, as people use it, against a whole gateway on the lab. */
import { join } from 'node:path';
import { startTestGateway, token } from '../gateway/harness.ts';
import { runNode } from './run-node.ts';

export interface InspectorVerdict {
  readonly passed: number;
  readonly faults: readonly string[];
}

interface Expectation {
  readonly name: string;
  readonly options: readonly string[];
  readonly bearer?: string;
  readonly code: number;
  /** What must be in the output. */
  readonly says: RegExp;
  /** What must not. */
  readonly lacks?: RegExp;
  /** Whether the output shows which era has answered. */
  readonly namesItself?: boolean;
}

const withinMs = 60_000;
const program = '@modelcontextprotocol/inspector/clients/launcher/build/index.js';

/** Only a result of the later era says of whom it is. */
const ownName = { legacy: /^(?!.*\/serverInfo)/s, modern: /"io.modelcontextprotocol\/serverInfo"/ };
const eras = ['legacy', 'modern'] as const;

const ofEachEra: readonly Expectation[] = [
  {
    name: 'tools/list --strict',
    options: ['--method', 'tools/list', '--strict'],
    code: 0,
    says: /"name":"proxmox_list_containers"/,
    // Of its own accord it ends with an error only for the worst of its findings.
    lacks: /"schemaFindings"/,
  },
  {
    name: 'tools/call',
    options: call('proxmox_container_exec_command', { vmid: 100, command: 'hostname' }),
    code: 0,
    says: /"stdout":"web1\\n"/,
    namesItself: true,
  },
  {
    name: 'tools/call that fails',
    options: call('proxmox_container_status', { vmid: 999 }),
    code: 5,
    says: /CONTAINER_NOT_FOUND/,
  },
  {
    name: 'a wrong token',
    options: ['--method', 'tools/list'],
    bearer: 'not-a-token-of-anybody',
    code: 3,
    says: /"code":"auth_required"/,
  },
];

export async function runInspector({ signal }: { signal: AbortSignal }): Promise<InspectorVerdict> {
  const gateway = await startTestGateway({ env: { METRICS_PORT: '0' } });
  try {
    const faults: string[] = [];
    let passed = 0;
    for (const era of eras)
      for (const expectation of ofEachEra) {
        const fault = await faultOf(expectation, { url: gateway.url.href, era, signal });
        if (fault === undefined) passed++;
        else faults.push(`${expectation.name} (${era}): ${fault}`);
      }
    return { passed, faults };
  } finally {
    await gateway.close();
  }
}

async function faultOf(
  expectation: Expectation,
  { url, era, signal }: { url: string; era: (typeof eras)[number]; signal: AbortSignal },
): Promise<string | undefined> {
  const { options, bearer = token, code, says, lacks, namesItself = false } = expectation;
  const main = join(import.meta.dirname, 'suites/node_modules', program);
  const ended = await runNode(
    [
      main,
      ...['--cli', url, '--transport', 'http', '--protocol-era', era, '--format', 'json'],
      ...['--header', `Authorization: Bearer ${bearer}`, '--stored-auth-only'],
      ...options,
    ],
    { withinMs, signal },
  );
  const seen = ended.output.slice(-2_000);
  if (ended.code !== code) return `ended with ${ended.code} in place of ${code}:\n${seen}`;
  if (!says.test(ended.output)) return `did not say ${says}:\n${seen}`;
  if (lacks?.test(ended.output)) return `said ${lacks}:\n${seen}`;
  if (namesItself && !ownName[era].test(ended.output)) return `answered in the other era:\n${seen}`;
  return undefined;
}

function call(tool: string, args: object): string[] {
  return ['--method', 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args)];
}
