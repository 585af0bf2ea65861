/** The REST side of a lab: one server a node, over the same tokens, tasks and faults. */
import type { LabCluster } from '../proxmox/cluster.ts';
import { type Agents, agentsOf } from './agent-call.ts';
import { createApi } from './api.ts';
import { renderApidoc } from './apidoc.ts';
import { type ApiControl, createFaults } from './control.ts';
import { endpoints } from './endpoints.ts';
import { type ApiServer, type Page, startApiServer } from './server.ts';
import { createTasks, type Tasks } from './tasks.ts';
import { createTokens, type LabToken, privileges } from './tokens.ts';

export interface LabApi {
  /** Returns the secret; privileges hold for everything below a path: `{ '/': ['VM.Audit'] }`. */
  addToken(token: LabToken): string;
  removeToken(id: string): void;
  readonly tasks: Tasks;
  /** How the guest agents answer. */
  readonly agents: Agents;
  readonly control: ApiControl;
}

export interface Rest {
  readonly api: LabApi;
  readonly servers: ReadonlyMap<string, ApiServer>;
  /** May do everything. */
  readonly tokenId: string;
  readonly tokenSecret: string;
  close(): Promise<void>;
}

const tokenId = 'root@pam!lab';
const taskMs = 30;

/** The first node listens on the port that is given; all on 127.0.0.1. */
export async function startRest({ cluster, port }: { cluster: LabCluster; port: number }): Promise<Rest> {
  const tokens = createTokens();
  const tokenSecret = tokens.add({ id: tokenId, privileges: { '/': privileges } });
  const tasks = createTasks({ taskMs });
  const faults = createFaults();
  const login = { delayMs: 0 };
  const api = createApi({ cluster, tasks, endpoints });
  const schema: Page = () => ({ type: 'text/javascript', text: renderApidoc(endpoints) });
  const pages = new Map([['/pve-docs/api-viewer/apidoc.js', schema]]);
  const servers = new Map<string, ApiServer>();
  for (const node of cluster.nodes.values()) {
    const nodePort = servers.size === 0 ? port : 0;
    const server = await startApiServer({
      ...{ node, port: nodePort, api, tokens, faults, pages },
      authDelayMs: () => login.delayMs,
    });
    servers.set(node.name, server);
    node.apiFingerprint = server.certificate.fingerprint;
  }
  const each = (): ApiServer[] => [...servers.values()];
  const control: ApiControl = {
    ...faults,
    get connections() {
      return each().reduce((sum, { connections }) => sum + connections, 0);
    },
    get connectionsTotal() {
      return each().reduce((sum, { connectionsTotal }) => sum + connectionsTotal, 0);
    },
    get authDelayMs() {
      return login.delayMs;
    },
    set authDelayMs(ms) {
      login.delayMs = ms;
    },
    refuseConnections(refuse, node) {
      for (const [name, server] of servers)
        if (node === undefined || node === name) server.refuseConnections(refuse);
    },
    dropConnections() {
      for (const server of servers.values()) server.dropConnections();
    },
    get taskMs() {
      return tasks.taskMs;
    },
    set taskMs(ms) {
      tasks.taskMs = ms;
    },
    holdTasks: tasks.hold,
    failNextTask: tasks.failNext,
    warnNextTask: (text = 'something is not quite right', type) => tasks.warnNext(text, type),
  };
  return {
    api: { addToken: tokens.add, removeToken: tokens.remove, tasks, agents: agentsOf(cluster), control },
    ...{ servers, tokenId, tokenSecret },
    async close() {
      tasks.stopAll();
      await Promise.all(each().map((server) => server.close()));
    },
  };
}
