/** Endpoints that list tasks, show how one goes, and end it. */
import { badParameters } from './api-error.ts';
import { type Call, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import type { Task } from './tasks.ts';

const upidForm = /^UPID:[^:]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:]+:[^:]*:[^:]+:$/;

/** Throws ApiError 400 for what is no UPID; nothing where there is no such task. */
function findTask({ tasks, values }: Call): Task | undefined {
  const upid = values.text('upid');
  if (!upidForm.test(upid)) throw badParameters({ upid: 'unable to parse worker upid' });
  return tasks.find(upid);
}

function isOwn({ user }: Call, task: Task): boolean {
  return task.user === user.userId && task.tokenName === user.tokenName;
}

/** Throws ApiError 403 where the task is somebody else's and the privilege is missing. */
function requireTask(call: Call, task: Task, privilege: string): void {
  if (!isOwn(call, task)) call.require(`/nodes/${task.node}`, [privilege]);
}

function identity({ upid, node, pid, pstart, starttime, type, id, user, tokenName }: Task) {
  return { upid, node, pid, pstart, starttime, type, id, user, tokenid: tokenName };
}

function listed(task: Task): object {
  const { exitStatus: status, endtime } = task;
  return { ...identity(task), ...(status !== undefined && { status, endtime }) };
}

/** As the filter of the list calls it. */
function outcomeOf({ exitStatus }: Task): string {
  if (exitStatus === undefined || exitStatus === 'unexpected status') return 'unknown';
  if (exitStatus === 'OK') return 'ok';
  return exitStatus.startsWith('WARNINGS: ') ? 'warning' : 'error';
}

function isWanted({ values }: Call, task: Task): boolean {
  const source = values.find('source') ?? 'archive';
  const ended = task.exitStatus !== undefined;
  if (source !== 'all' && ended !== (source === 'archive')) return false;
  if (values.flag('errors') && outcomeOf(task) === 'ok') return false;
  const [user, type, vmid] = [values.find('userfilter'), values.find('typefilter'), values.find('vmid')];
  if (user !== undefined && !task.user.includes(user)) return false;
  if (type !== undefined && task.type !== type) return false;
  if (vmid !== undefined && task.id !== vmid) return false;
  if (task.starttime < (values.findNumber('since') ?? 0)) return false;
  if (task.starttime > (values.findNumber('until') ?? Number.POSITIVE_INFINITY)) return false;
  const outcomes = values.list('statusfilter');
  return outcomes.length === 0 || outcomes.includes(outcomeOf(task));
}

function ofNode(call: Call): object[] {
  const { tasks, node, values } = call;
  const seesAll = call.may(`/nodes/${node.name}`, ['Sys.Audit']);
  const all = tasks
    .list()
    .filter((task) => task.node === node.name && (seesAll || isOwn(call, task)) && isWanted(call, task));
  if (all.length > 0) call.setTotal(all.length);
  const start = values.findNumber('start') ?? 0;
  return all.slice(start, start + (values.findNumber('limit') ?? 50)).map(listed);
}

/** The latest of the whole cluster, running ones first. */
function ofCluster(call: Call): object[] {
  const seen = call.tasks
    .list()
    .filter((task) => isOwn(call, task) || call.may(`/nodes/${task.node}`, ['Sys.Audit']));
  const running = seen.filter(({ exitStatus }) => exitStatus === undefined);
  const ended = seen.filter(({ exitStatus }) => exitStatus !== undefined);
  return [...running, ...ended].slice(0, 25).map((task) => {
    const { pid: _pid, pstart: _pstart, ...shown } = identity(task);
    const { exitStatus: status, endtime } = task;
    return status === undefined ? shown : { ...shown, status, endtime, saved: '1' };
  });
}

function status(call: Call): object {
  const task = findTask(call);
  if (task === undefined) throw badParameters({ upid: 'no such task' });
  requireTask(call, task, 'Sys.Audit');
  const { exitStatus: exitstatus } = task;
  return exitstatus === undefined
    ? { ...identity(task), status: 'running' }
    : { ...identity(task), status: 'stopped', exitstatus };
}

function log(call: Call): object[] {
  const task = findTask(call);
  if (task !== undefined) requireTask(call, task, 'Sys.Audit');
  const lines = task?.lines ?? ['unable to open file - No such file or directory'];
  call.setTotal(lines.length);
  const { values } = call;
  const start = values.findNumber('start') ?? 0;
  const limit = values.findNumber('limit') ?? 50;
  const shown = lines.slice(start, limit === 0 ? undefined : start + limit);
  return shown.map((line, at) => ({ n: start + at + 1, t: line }));
}

function stop(call: Call): null {
  const task = findTask(call);
  if (task === undefined) throw badParameters({ upid: 'no such task' });
  requireTask(call, task, 'Sys.Modify');
  call.tasks.stop(task);
  return null;
}

const filters: Parameters = {
  start: { type: 'integer', optional: true, minimum: 0, default: 0, about: 'How many to skip.' },
  limit: { type: 'integer', optional: true, minimum: 0, default: 50, about: 'How many to list.' },
  errors: { type: 'boolean', optional: true, default: 0, about: 'Only those that did not end well.' },
  source: {
    ...{ type: 'string', optional: true, enum: ['archive', 'active', 'all'], default: 'archive' },
    about: 'Those that have ended, those that run, or both.',
  },
  vmid: { type: 'integer', optional: true, format: 'pve-vmid', about: 'Only those of this guest.' },
  typefilter: { type: 'string', optional: true, about: 'Only those of this type, such as vzdump.' },
  userfilter: { type: 'string', optional: true, about: 'Only those of users whose name has this in it.' },
  statusfilter: {
    type: 'string',
    optional: true,
    about: 'Of ok, error, warning and unknown, one or several.',
  },
  since: {
    type: 'integer',
    optional: true,
    about: 'Only those begun at this time or later (seconds since 1970).',
  },
  until: {
    type: 'integer',
    optional: true,
    about: 'Only those begun at this time or earlier (seconds since 1970).',
  },
};

export const taskEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    method: 'GET',
    path: '/cluster/tasks',
    about: 'Lists the latest tasks of all nodes.',
    permission: 'all',
    returns: 'array',
    run: ofCluster,
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/tasks', about: 'Lists the tasks of a node, latest first.' },
    ...{ permission: 'all', returns: 'array', parameters: filters },
    run: ofNode,
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/tasks/{upid}', about: 'Lists what there is below a task.' },
    ...{ permission: 'all', returns: 'array' },
    run: () => [{ name: 'log' }, { name: 'status' }],
  }),
  defineEndpoint({
    method: 'GET',
    path: '/nodes/{node}/tasks/{upid}/status',
    about: 'Tells whether a task runs and how it ended.',
    ...{ permission: 'all', returns: 'object' },
    run: status,
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/tasks/{upid}/log', about: 'Shows lines of the log of a task.' },
    ...{ permission: 'all', returns: 'array' },
    parameters: {
      start: { type: 'integer', optional: true, minimum: 0, default: 0, about: 'How many lines to skip.' },
      limit: {
        type: 'integer',
        optional: true,
        minimum: 0,
        default: 50,
        about: 'How many lines to show; 0 for all.',
      },
    },
    run: log,
  }),
  defineEndpoint({
    method: 'DELETE',
    path: '/nodes/{node}/tasks/{upid}',
    about: 'Ends a task that runs.',
    permission: 'all',
    run: stop,
  }),
];
