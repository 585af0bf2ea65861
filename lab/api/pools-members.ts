/** Which guests and storages each pool of the pretend cluster holds. */
import type { LabCluster } from '../proxmox/cluster.ts';
import { ApiError } from './api-error.ts';

export interface Pool {
  readonly poolid: string;
  comment: string | undefined;
  readonly vmids: Set<number>;
  readonly storages: Set<string>;
}

const ofClusters = new WeakMap<LabCluster, Map<string, Pool>>();

export function poolsOf(cluster: LabCluster): Map<string, Pool> {
  const pools = ofClusters.get(cluster) ?? new Map<string, Pool>();
  ofClusters.set(cluster, pools);
  return pools;
}

/** The pool that a guest is in, if any. */
export function poolOf(cluster: LabCluster, vmid: number): string | undefined {
  return [...poolsOf(cluster).values()].find(({ vmids }) => vmids.has(vmid))?.poolid;
}

/** Throws ApiError 500 where there is no such pool. */
export function joinPool(cluster: LabCluster, poolid: string, vmid: number): void {
  getPool(cluster, poolid).vmids.add(vmid);
}

export function leavePool(cluster: LabCluster, vmid: number): void {
  for (const { vmids } of poolsOf(cluster).values()) vmids.delete(vmid);
}

/** Throws ApiError 500 where there is no such pool. */
export function poolMembers(cluster: LabCluster, poolid: string): number[] {
  return [...getPool(cluster, poolid).vmids].filter((vmid) => cluster.guests.has(vmid));
}

/** Throws ApiError 500 where there is no such pool. */
export function getPool(cluster: LabCluster, poolid: string): Pool {
  const pool = poolsOf(cluster).get(poolid);
  if (pool === undefined) throw new ApiError(500, `pool '${poolid}' does not exist`);
  return pool;
}
