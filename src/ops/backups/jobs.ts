/** Backups that Proxmox VE makes by itself. */
import { z } from 'zod';
import { apiPath } from '../../pve/api-path.ts';
import type { Pve } from '../../pve/pve.ts';
import { Flag, Num, Text } from '../answers.ts';
import { ListOf } from '../list-of.ts';
import { timeOf } from '../times.ts';

export interface BackupJob {
  readonly id: string;
  readonly enabled: boolean;
  /** As in `sat 02:00`; empty where there is none. */
  readonly schedule: string;
  readonly nextRun: Date | undefined;
  readonly storage: string | undefined;
  /** Undefined where all nodes take part. */
  readonly node: string | undefined;
  readonly mode: string | undefined;
  /** Of those guests that the caller may reach; undefined where guests are chosen in another way. */
  readonly vmids: readonly number[] | undefined;
  /** Every guest but those that `excluded` names. */
  readonly all: boolean;
  readonly excluded: readonly number[];
  readonly pool: string | undefined;
  /** As in `keep-daily=7,keep-weekly=4`. */
  readonly keep: string | undefined;
  readonly comment: string;
}

const Jobs = ListOf(
  z.object({
    id: z.string(),
    enabled: Flag,
    schedule: Text,
    'next-run': Num,
    storage: Text,
    node: Text,
    mode: Text,
    vmid: Text,
    all: Flag,
    exclude: Text,
    pool: Text,
    'prune-backups': z
      .union([z.string(), z.record(z.string(), z.union([z.string(), z.number()]))])
      .optional()
      .catch(undefined),
    comment: Text,
  }),
);

/** A job of nothing but guests that may not be reached is left out. */
export async function listJobs(
  pve: Pve,
  mayReach: (vmid: number) => boolean,
  signal: AbortSignal,
): Promise<readonly BackupJob[]> {
  const path = apiPath`/cluster/backup`;
  const jobs = await pve.request({ method: 'GET', path, action: 'list the backup jobs', signal }, Jobs);
  return jobs
    .map(({ id, enabled, schedule = '', all = false, comment = '', ...job }) => ({
      // Absent means enabled.
      ...{ id, enabled: enabled ?? true, schedule, all, comment },
      ...{ nextRun: timeOf(job['next-run']), storage: job.storage, node: job.node, mode: job.mode },
      ...{ pool: job.pool, keep: kept(job['prune-backups']) },
      vmids: job.vmid === undefined ? undefined : idsIn(job.vmid).filter(mayReach),
      excluded: idsIn(job.exclude).filter(mayReach),
    }))
    .filter(({ vmids }) => vmids === undefined || vmids.length > 0);
}

function idsIn(list = ''): number[] {
  return [...list.matchAll(/\d+/g)].map(([digits]) => Number(digits));
}

function kept(rule: string | Readonly<Record<string, string | number>> | undefined): string | undefined {
  if (typeof rule !== 'object') return rule;
  return Object.entries(rule)
    .map(([key, count]) => `${key}=${count}`)
    .join(',');
}
