/** Endpoints for the jobs by which backups are made again and again; in the lab none ever begins by itself. */
import { randomUUID } from 'node:crypto';
import type { LabCluster } from '../proxmox/cluster.ts';
import { ApiError, badParameters } from './api-error.ts';
import { backupParameters } from './backups.ts';
import { type Call, type Check, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';

/** By the name of the parameter. */
type Job = ReadonlyMap<string, string | number>;

type Jobs = Map<string, Job>;

const nightly: Job = new Map<string, string | number>([
  ['all', 1],
  ['comment', 'Every guest, every night'],
  ['compress', 'zstd'],
  ['enabled', 1],
  ['mode', 'snapshot'],
  ['notes-template', '{{guestname}}'],
  ['prune-backups', 'keep-daily=7,keep-weekly=4'],
  ['schedule', '02:30'],
  ['storage', 'nas'],
]);

const ofClusters = new WeakMap<LabCluster, Jobs>();

function jobsOf({ cluster }: Call): Jobs {
  const jobs = ofClusters.get(cluster) ?? new Map([['backup-nightly', nightly]]);
  ofClusters.set(cluster, jobs);
  return jobs;
}

const look: Check = { path: '/', privileges: ['Sys.Audit'] };
const modify: Check = { path: '/', privileges: ['Sys.Modify'] };

const parameters: Parameters = {
  ...backupParameters,
  comment: { type: 'string', optional: true, maxLength: 512, about: 'What the job is for.' },
  enabled: { type: 'boolean', optional: true, default: 1, about: 'Whether the job runs.' },
  node: { type: 'string', optional: true, format: 'pve-node', about: 'Only on this node.' },
  schedule: { type: 'string', optional: true, maxLength: 128, about: 'When it runs, as a calendar event.' },
};

const dayMs = 86_400_000;

/** When a job with a time of day runs next, in seconds since 1970. */
function nextRun(job: Job): number | undefined {
  const [, hours, minutes] = /(\d{1,2}):(\d{2})$/.exec(String(job.get('schedule') ?? '')) ?? [];
  if (hours === undefined || job.get('enabled') === 0) return undefined;
  const now = Date.now();
  const today = now - (now % dayMs) + (Number(hours) * 60 + Number(minutes)) * 60_000;
  return (today > now ? today : today + dayMs) / 1000;
}

function entry(id: string, job: Job) {
  const pruning = String(job.get('prune-backups') ?? '');
  const keep = Object.fromEntries(pruning.split(',').map((part) => part.split('=')));
  const next = nextRun(job);
  return {
    ...{ id, type: 'vzdump', ...Object.fromEntries(job) },
    ...(pruning !== '' && { 'prune-backups': keep }),
    ...(next !== undefined && { 'next-run': next }),
  };
}

/** Throws ApiError 400 where there is none of that id. */
function getJob(call: Call): { id: string; job: Job } {
  const id = call.values.text('id');
  const job = jobsOf(call).get(id);
  if (job === undefined) throw badParameters({ id: 'No such job ID' });
  return { id, job };
}

function given({ values }: Call): [string, string | number][] {
  return values.names
    .filter((name) => name !== 'id' && name !== 'delete')
    .map((name) => [name, parameters[name]?.type === 'boolean' ? values.number(name) : values.text(name)]);
}

/** Throws ApiError 500 where it is not clear which guests the job is for. */
function requireSelection(job: Job): void {
  const ways = ['all', 'pool', 'vmid'].filter((name) => job.has(name) && job.get(name) !== 0);
  if (ways.length !== 1) throw new ApiError(500, "a job needs one of 'all', 'pool' and 'vmid'");
}

export const backupJobEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: '/cluster/backup', about: 'Lists the backup jobs.', returns: 'array' },
    permission: look,
    run: (call) => [...jobsOf(call)].map(([id, job]) => entry(id, job)),
  }),
  defineEndpoint({
    ...{ method: 'POST', path: '/cluster/backup', about: 'Makes a backup job.', permission: modify },
    parameters: {
      ...parameters,
      id: { type: 'string', optional: true, format: 'pve-configid', about: 'Its id.' },
    },
    run(call) {
      const jobs = jobsOf(call);
      const id = call.values.find('id') ?? `backup-${randomUUID().slice(0, 13)}`;
      if (jobs.has(id)) throw new ApiError(500, `Job '${id}' already exists`);
      const job = new Map([['enabled', 1] as [string, string | number], ...given(call)]);
      requireSelection(job);
      jobs.set(id, job);
      return null;
    },
  }),
  defineEndpoint({
    ...{
      method: 'GET',
      path: '/cluster/backup/{id}',
      about: 'Tells what a backup job does.',
      returns: 'object',
    },
    permission: look,
    run(call) {
      const { id, job } = getJob(call);
      return entry(id, job);
    },
  }),
  defineEndpoint({
    ...{ method: 'PUT', path: '/cluster/backup/{id}', about: 'Changes a backup job.', permission: modify },
    parameters: {
      ...parameters,
      delete: { type: 'string', optional: true, about: 'Settings to take away.' },
    },
    run(call) {
      const { id, job } = getJob(call);
      const removed = call.values.list('delete');
      const changed = new Map([...[...job].filter(([name]) => !removed.includes(name)), ...given(call)]);
      requireSelection(changed);
      jobsOf(call).set(id, changed);
      return null;
    },
  }),
  defineEndpoint({
    ...{ method: 'DELETE', path: '/cluster/backup/{id}', about: 'Removes a backup job.', permission: modify },
    run(call) {
      jobsOf(call).delete(getJob(call).id);
      return null;
    },
  }),
];
