/** What the gateway adds to the REST API: its tools against the bare request that they are about. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { fileURLToPath } from 'node:url';
import { openClient, toolCall } from './client.ts';
import type { Split } from './cpus.ts';
import { startGateway } from './gateway.ts';
import { type Latency, measureLatency, type Way } from './measure.ts';

export type RestLatencies = Readonly<Record<string, Readonly<Record<string, Latency>>>>;

interface ApiNode {
  readonly apiPort: number;
  readonly apiFingerprint: string;
  readonly apiTokenId: string;
  readonly apiTokenSecret: string;
}

const program = fileURLToPath(new URL('./pretend-api.ts', import.meta.url));

/** The API has a processor of its own where there are two. */
export async function restLatency(
  effort: { rounds: number; warmUp: number },
  split: Split | undefined,
): Promise<RestLatencies> {
  const [child, node] = await startApiNode(split);
  const gateway = await startGateway(undefined, {
    PROXMOX_HOST: '127.0.0.1',
    PROXMOX_PORT: String(node.apiPort),
    PROXMOX_TOKEN_ID: node.apiTokenId,
    PROXMOX_TOKEN_SECRET: node.apiTokenSecret,
    PROXMOX_TLS_FINGERPRINT: node.apiFingerprint,
  });
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  const client = await openClient(gateway.url, '2026-07-28');
  try {
    const bare = (path: string) => bareRequest(agent, node, path);
    return {
      'vm status': await measureLatency(
        {
          'bare HTTPS request': bare('/nodes/pve1/qemu/1000/status/current'),
          gateway: toolCall(client, 'proxmox_vm_status', { vmid: 1000 }),
        },
        effort,
      ),
      'cluster resources, 1,000 guests': await measureLatency(
        {
          'bare HTTPS request': bare('/cluster/resources'),
          'gateway, a page of 50': toolCall(client, 'proxmox_list_resources', { limit: 50 }),
          'gateway, all of them': async () => {
            for (const offset of [0, 500]) {
              const { vms } = await client.data('proxmox_list_vms', { limit: 500, offset });
              if (!Array.isArray(vms) || vms.length !== 500) throw new Error('some guests are missing');
            }
          },
        },
        effort,
      ),
    };
  } finally {
    await client.close();
    agent.destroy();
    await gateway.close();
    child.stdin?.end();
    await once(child, 'exit');
  }
}

async function startApiNode(split: Split | undefined): Promise<[ChildProcess, ApiNode]> {
  const own = [process.execPath, program];
  const argv = split === undefined ? own : ['taskset', '-c', split.host, ...own];
  const [command = '', ...args] = argv;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  return [child, JSON.parse(line) as ApiNode];
}

function bareRequest(agent: Agent, node: ApiNode, path: string): Way {
  const { apiPort: port, apiTokenId, apiTokenSecret } = node;
  const headers = { authorization: `PVEAPIToken=${apiTokenId}=${apiTokenSecret}` };
  return async () =>
    await new Promise<void>((resolve, reject) => {
      const options = { agent, host: '127.0.0.1', port, path: `/api2/json${path}`, headers };
      const outgoing = request(options, (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        incoming.once('error', reject).once('end', () => {
          if (incoming.statusCode !== 200) reject(new Error(`the API answered ${incoming.statusCode}`));
          else resolve(void JSON.parse(text));
        });
      });
      outgoing.once('error', reject).end();
    });
}
