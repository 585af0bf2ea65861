/** Everything that one can do to Proxmox VE, by family. */
import type { Executor } from '../exec/executor.ts';
import { noExecutor } from '../exec/none.ts';
import { noPve } from '../pve/none.ts';
import type { Pve } from '../pve/pve.ts';
import { createTasks } from '../pve/tasks.ts';
import { type Agent, createAgent } from './agent.ts';
import { type AnyEndpoint, createAnyEndpoint } from './api.ts';
import type { ApiRoom } from './api-room.ts';
import { createApiSource } from './api-source.ts';
import { type Backups, createBackups } from './backups.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { createFiles, type Files, type FilesOptions } from './files.ts';
import { createHistory, type History } from './history.ts';
import type { HostRoom } from './host-room.ts';
import { createHosts, type Hosts, type NodeAddress, type OpenNode } from './hosts.ts';
import { createInventory, type Inventory } from './inventory.ts';
import { createPools, type Pools } from './pools.ts';
import { createPower, type Power, type PowerWay } from './power.ts';
import { powerByApi } from './power-api.ts';
import { powerByPct } from './power-pct.ts';
import { createProvisioning, type Provisioning } from './provisioning.ts';
import { createReach } from './reach.ts';
import { createRun, type Run } from './run.ts';
import { createSnapshots, type Snapshots } from './snapshots.ts';
import { createSshSource } from './ssh-source.ts';
import { createStorage, type Storage } from './storage.ts';
import { createTaskList, type TaskList } from './tasks.ts';
import { createVms, type Vms } from './vms.ts';

export interface Ops {
  readonly inventory: Inventory;
  readonly hosts: Hosts;
  readonly run: Run;
  readonly power: Power;
  readonly files: Files;
  readonly cluster: Cluster;
  readonly history: History;
  readonly vms: Vms;
  readonly agent: Agent;
  readonly provisioning: Provisioning;
  readonly snapshots: Snapshots;
  readonly backups: Backups;
  readonly storage: Storage;
  readonly pools: Pools;
  readonly tasks: TaskList;
  readonly api: AnyEndpoint;
}

export function createOps(input: {
  /** Undefined where commands reach no node. */
  first: Executor | undefined;
  /** Undefined where no other node can be reached. */
  openNode: OpenNode | undefined;
  /** Of other nodes, where the cluster's own are not to be used. */
  addresses: ReadonlyMap<string, NodeAddress>;
  /** Undefined where there is no API token. */
  pve: Pve | undefined;
  driverName: 'auto' | 'lxc-attach' | 'pct';
  files: FilesOptions;
}): Ops {
  const { first, pve = noPve, driverName } = input;
  const hosts = createHosts({ ...input, first: first ?? noExecutor });
  const inventory = createInventory({
    ssh: first && createSshSource({ hosts, driverName }),
    api: input.pve && createApiSource({ pve }),
  });
  const host = { hosts, inventory, reach: createReach({ hosts, inventory }) };
  const api = { pve, tasks: createTasks({ pve }), inventory };
  return {
    inventory,
    hosts,
    run: createRun(host),
    power: createPower({ inventory, ways: powerWays(input, host, api) }),
    files: createFiles({ ...host, ...input.files }),
    cluster: createCluster(api),
    history: createHistory(api),
    vms: createVms(api),
    agent: createAgent(api),
    provisioning: createProvisioning(api),
    snapshots: createSnapshots(api),
    backups: createBackups(api),
    storage: createStorage(api),
    pools: createPools(api),
    tasks: createTaskList(api),
    api: createAnyEndpoint(api),
  };
}

/** pct is root's, the API has what its token may: so the API only stands in. */
function powerWays(
  { first, pve }: { first: Executor | undefined; pve: Pve | undefined },
  host: HostRoom,
  api: ApiRoom,
): readonly [PowerWay, ...PowerWay[]] {
  if (first === undefined) return [powerByApi(api)];
  return pve === undefined ? [powerByPct(host)] : [powerByPct(host), powerByApi(api)];
}
